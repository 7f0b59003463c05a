"""Macro stress as a stated shift of the log-odds of default, and nothing cleverer.

The shift says "what if every customer's log-odds of default were higher by so much"; no model
here ties it to unemployment or growth. LGD and EAD stay as they are.
"""

import numpy as np
from scipy.special import expit

from features.definition import Array


def stressed(margin: Array, shift: float) -> Array:
    """PD after a shift of the log-odds, shape of ``margin``."""
    return np.asarray(expit(margin + shift), np.float64)


def expected_losses(margin: Array, lgd: Array, ead: Array, shift: float = 0.0) -> Array:
    """EL of each customer over 12 months after a shift, in the units of ``ead``."""
    return stressed(margin, shift) * lgd * ead

"""Profit is gain for each outcome acted on, less one for each action."""

import numpy as np
import pytest

from training.profit import Stakes, profit


def test_profit_by_hand() -> None:
    chance = np.array([0.9, 0.5, 0.2, 0.1])
    target = np.array([1.0, 0.0, 0.0, 1.0])
    found = profit(chance, target, Stakes("a call", 4.0))
    assert (found.cut_off, found.acted) == (0.25, 2)
    assert found.expected == pytest.approx(2.6 + 1.0)
    assert found.realised == 4 - 2  # one of two calls met a leaver
    assert found.everybody == 8 - 4
    assert found.foresight == 2 * 3


def test_an_action_that_just_pays_is_taken() -> None:
    assert profit(np.array([0.25]), np.array([0.0]), Stakes("a call", 4.0)).acted == 1

"""The strongest reasons of many customers at once: those that ``serving.reasons`` tells of one."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.definition import Array
from features.reason_groups import GROUP_OF
from serving.reasons import FLOOR, MOST, Told, reasons
from training.kernels import compiled

Ints = npt.NDArray[np.int64]

# The loop sums in its own order, `reasons` exactly. Sums nearer than this share of all that was
# added may be ranked either way: those customers are ranked by `reasons`.
DOUBT = 1e-12


def codes(contributions: Array, features: Sequence[str]) -> list[str]:
    """The reasons of each row of contributions (n, features), strongest first.

    A reason is the direction of its group and the feature that leads it, all that its text needs
    beside the profile: ``-assets_90d_ago +logins_30d``.
    """
    order = np.array(sorted(range(len(features)), key=lambda at: features[at]), dtype=np.int64)
    names = sorted({GROUP_OF[f].name for f in features if f in GROUP_OF})
    group = np.array(
        [names.index(GROUP_OF[f].name) if f in GROUP_OF else -1 for f in features], dtype=np.int64
    )
    leads = np.full((len(contributions), MOST), -1, dtype=np.int64)
    signs = np.zeros((len(contributions), MOST), dtype=np.int64)
    doubtful = np.zeros(len(contributions), dtype=np.bool_)
    strongest(
        np.ascontiguousarray(contributions), order, group, len(names), FLOOR, leads, signs, doubtful
    )
    told = _worded(leads, signs, features)
    for row in np.flatnonzero(doubtful).tolist():
        told[row] = exact_code(contributions[row].tolist(), features)
    return told


def exact_code(pushes: Sequence[float], features: Sequence[str]) -> str:
    """One customer's reasons, by the function that tells them."""
    found = reasons(
        dict(zip(features, pushes, strict=True)),
        dict.fromkeys(features, float("nan")),
        {},
        Told("outcome"),
    )
    return " ".join(("+" if r.direction == "raises" else "-") + r.feature for r in found)


def _worded(leads: Ints, signs: Ints, features: Sequence[str]) -> list[str]:
    words = np.array(
        ["", *(f" +{name}" for name in features), *(f" -{name}" for name in features)], dtype=object
    )
    place = np.where(leads < 0, 0, leads + 1 + np.where(signs < 0, len(features), 0))
    return [text[1:] for text in words[place].sum(axis=1).tolist()]


@compiled
def strongest(
    pushes: Array, order: Ints, group: Ints, groups: int, floor: float,
    leads: Ints, signs: Ints, doubtful: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Write the leading features and directions of the strongest groups of each row.

    ``order`` are the features by name, ``group`` the group of each or -1. A row is doubtful where
    the order of its groups, or who is above the floor, hangs on rounding.
    """
    most = leads.shape[1]
    sums, size = np.empty(groups), np.empty(groups)
    best = np.empty((2, groups))
    lead = np.empty((2, groups), np.int64)
    ranked = np.empty(most + 1, np.int64)
    for row in range(len(pushes)):
        sums[:], best[:], lead[:] = 0.0, -np.inf, -1
        total = 0.0
        for place in range(len(order)):
            feature = order[place]
            mine = group[feature]
            if mine < 0:
                continue
            push = pushes[row, feature]
            sums[mine] += push
            total += abs(push)
            if push > best[0, mine]:
                best[0, mine], lead[0, mine] = push, feature
            if -push > best[1, mine]:
                best[1, mine], lead[1, mine] = -push, feature
        if total == 0.0:
            continue
        for one in range(groups):
            size[one] = abs(sums[one])
        kept = min(most + 1, groups)
        for rank in range(kept):
            top = -1
            for one in range(groups):
                if size[one] >= 0.0 and (top < 0 or size[one] > size[top]):
                    top = one
            ranked[rank] = top
            size[top] = -1.0
        doubt = total * DOUBT
        least = floor * abs(sums[ranked[0]])
        doubtful[row] = abs(sums[ranked[0]]) <= doubt
        for rank in range(kept):
            here = abs(sums[ranked[rank]])
            if abs(here - least) <= doubt:
                doubtful[row] = True
            if here < least:
                break
            if rank + 1 < kept and here - abs(sums[ranked[rank + 1]]) <= doubt:
                doubtful[row] = True
            if rank < most:
                side = 0 if sums[ranked[rank]] > 0.0 else 1
                leads[row, rank], signs[row, rank] = lead[side, ranked[rank]], 1 - 2 * side

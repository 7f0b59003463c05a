"""The compiled loops that aggregate sorted facts for every row of a spine.

Facts of one customer lie together: those of customer c from ``starts[c]`` to ``starts[c + 1]``,
by event day. They are cached on disk by numba. Only integers are added, so the order does not
matter to the bits.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from data.settings import settings

os.environ.setdefault("NUMBA_CACHE_DIR", str(settings().home / "cache" / "numba"))

import numba

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

SUM, COUNT, MIN, MAX = range(4)
FOREVER = 1 << 30  # days; older than any fact

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    return cast(_Function, numba.njit(cache=True, nogil=True, fastmath=False)(function))


@_compiled
def first_not_before(days: Ints, day: int, low: int, high: int) -> int:
    """The first place from ``low`` to ``high`` whose day is ``day`` or later."""
    while low < high:
        middle = (low + high) // 2
        if days[middle] < day:
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def window(
    aggregate: int,
    starts: Longs,
    event: Ints,
    known: Ints,
    value: Longs,
    customer: Ints,
    as_of: Ints,
    oldest: int,
    youngest: int,
    empty: float,
    out: Floats,
) -> None:
    """Aggregate the facts whose age is over ``youngest`` and at most ``oldest`` days."""
    for row in range(len(customer)):
        day = as_of[row]
        end = starts[customer[row] + 1]
        low = first_not_before(event, day - oldest, starts[customer[row]], end)
        high = first_not_before(event, day - youngest, low, end)
        total, count = np.int64(0), np.int64(0)
        for place in range(low, high):
            if known[place] < day:
                one = value[place]
                if count == 0 and aggregate >= MIN:
                    total = one
                elif aggregate == SUM:
                    total += one
                elif aggregate == MIN:
                    total = min(total, one)
                elif aggregate == MAX:
                    total = max(total, one)
                count += 1
        if count == 0:
            out[row] = empty
        else:
            out[row] = count if aggregate == COUNT else total


@_compiled
def window_distinct(
    starts: Longs,
    event: Ints,
    known: Ints,
    code: Longs,
    codes: int,
    customer: Ints,
    as_of: Ints,
    oldest: int,
    youngest: int,
    out: Floats,
) -> None:
    """Count the different codes of the facts of a window."""
    seen = np.full(codes, -1, np.int64)
    for row in range(len(customer)):
        day = as_of[row]
        end = starts[customer[row] + 1]
        low = first_not_before(event, day - oldest, starts[customer[row]], end)
        high = first_not_before(event, day - youngest, low, end)
        count = 0
        for place in range(low, high):
            if known[place] < day and seen[code[place]] != row:
                seen[code[place]] = row
                count += 1
        out[row] = count


@_compiled
def states(
    entity_starts: Longs,
    entities: Longs,
    event: Ints,
    known: Ints,
    stamp: Longs,
    customer: Ints,
    as_of: Ints,
    last: Ints,
    offsets: Longs,
    places: Ints,
) -> int:
    """The newest known fact of each entity up to the day ``last`` of each row.

    The facts of entity e lie from ``entity_starts[e]`` on by stamp, and by day; customer c has the
    entities from ``entities[c]`` to ``entities[c + 1]``. Writes the places, those of row r from
    ``offsets[r]`` on, as far as ``places`` reaches; returns how many there are.
    """
    count = 0
    for row in range(len(customer)):
        offsets[row] = count
        day = as_of[row]
        for entity in range(entities[customer[row]], entities[customer[row] + 1]):
            start = entity_starts[entity]
            place = first_not_before(event, last[row] + 1, start, entity_starts[entity + 1]) - 1
            while place >= start and known[place] >= day:
                place -= 1
            newest = stamp[place] if place >= start else np.int64(0)
            while place >= start and stamp[place] == newest:
                if known[place] < day:
                    if count < len(places):
                        places[count] = place
                    count += 1
                place -= 1
    offsets[len(customer)] = count
    return count


@_compiled
def over_states(
    aggregate: int,
    offsets: Longs,
    places: Ints,
    event: Ints,
    value: Longs,
    kept: Flags,
    as_of: Ints,
    oldest: int,
    youngest: int,
    empty: float,
    out: Floats,
) -> None:
    """Aggregate the facts that are states, where they are kept and inside the window."""
    for row in range(len(as_of)):
        total, count = np.int64(0), np.int64(0)
        for index in range(offsets[row], offsets[row + 1]):
            place = places[index]
            age = as_of[row] - event[place]
            if kept[place] and youngest < age <= oldest:
                one = value[place]
                if count == 0 and aggregate >= MIN:
                    total = one
                elif aggregate == SUM:
                    total += one
                elif aggregate == MIN:
                    total = min(total, one)
                elif aggregate == MAX:
                    total = max(total, one)
                count += 1
        if count == 0:
            out[row] = empty
        else:
            out[row] = count if aggregate == COUNT else total


@_compiled
def day_sums(
    entity_starts: Longs,
    entities: Longs,
    event: Ints,
    known: Ints,
    value: Longs,
    kept: Flags,
    customer: Ints,
    as_of: Ints,
    days: int,
    out: Floats,
) -> None:
    """Each state's value times the days of the last ``days`` on which it held, added up."""
    for row in range(len(customer)):
        day = as_of[row]
        opening = day - days
        total = np.int64(0)
        for entity in range(entities[customer[row]], entities[customer[row] + 1]):
            start = entity_starts[entity]
            until = day
            place = first_not_before(event, day, start, entity_starts[entity + 1]) - 1
            while place >= start and until > opening:
                if known[place] < day:
                    since = max(event[place], opening)
                    if kept[place] and until > since:
                        total += value[place] * (until - since)
                    until = event[place]
                place -= 1
        out[row] = total

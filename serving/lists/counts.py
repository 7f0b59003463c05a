"""The reconciliation of a list: listed + control + suppressed = book, and what marketing sees of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.lists.draws import Draws, mixed, uniform
from serving.lists.placing import PLACES
from serving.lists.reasons import REASONS, Bits

LEAST = 10  # a count of fewer people is not shown to marketing


@dataclass
class Counts:
    """How many customers are where, and why.

    Attributes:
        first: code -> customers for whom it is the reason that counts.
        applies: code -> suppressed customers to whom it applies, whatever counts.
        lots: code -> sum of the draws of those in ``first``, which rounds what marketing sees.
    """

    book: int = 0
    listed: int = 0
    control: int = 0
    suppressed: int = 0
    first: dict[str, int] = field(default_factory=lambda: {r.code: 0 for r in REASONS})
    applies: dict[str, int] = field(default_factory=lambda: {r.code: 0 for r in REASONS})
    lots: dict[str, int] = field(default_factory=lambda: {r.code: 0 for r in REASONS})

    def add(
        self,
        place: npt.NDArray[np.int8],
        reasons: Bits,
        counting: npt.NDArray[np.int8],
        draws: Draws,
    ) -> None:
        """Count some customers, shape (n,) each; ``counting`` is the reason that counts."""
        self.book += len(place)
        for number, name in enumerate(PLACES):
            setattr(self, name, getattr(self, name) + int(np.sum(place == number)))
        out = place == PLACES.index("suppressed")
        self.suppress(reasons[out], counting[out], draws[out])

    def suppress(self, reasons: Bits, counting: npt.NDArray[np.int8], draws: Draws) -> None:
        """Count the reasons of some suppressed customers, who are counted already."""
        for place, reason in enumerate(REASONS):
            counted = counting == place
            self.first[reason.code] += int(counted.sum())
            self.applies[reason.code] += int(np.sum(reasons & (1 << place) != 0))
            lots = int(draws[counted].sum(dtype=np.uint64)) + self.lots[reason.code]
            self.lots[reason.code] = lots % 2**64

    @property
    def reconciled(self) -> bool:
        """Whether everybody of the book is in exactly one place."""
        places = self.listed + self.control + self.suppressed
        return places == self.book and sum(self.first.values()) == self.suppressed


def of_json(told: Mapping[str, Any]) -> Counts:
    """Counts as they were stored."""
    return Counts(**{name: told[name] for name in Counts.__dataclass_fields__})


def for_marketing(counts: Counts) -> dict[str, int | None]:
    """Code -> customers as marketing may see them: rounded to tens by lot, None below ten.

    The lot hangs on who exactly is counted. Two lists that differ by one customer are rounded
    independently, so their difference tells nothing of that customer; the same customers are
    rounded the same, so asking again tells nothing more. Nothing is told where fewer than ten times
    ten were selected at all, so that a narrow filter cannot single anybody out.
    """
    selected = counts.book - counts.first["not_selected"]
    if selected < LEAST * LEAST:
        return dict.fromkeys(counts.first)
    return {code: _rounded(counts, code) for code in counts.first}


def _rounded(counts: Counts, code: str) -> int | None:
    count = counts.first[code]
    if 0 < count < LEAST:
        return None
    lot = uniform(mixed(np.array([counts.lots[code]], np.uint64), f"shown/{code}"))[0]
    down, rest = divmod(count, LEAST)
    return LEAST * (down + int(lot < rest / LEAST))

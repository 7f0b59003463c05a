"""The reconciliation of a list: listed + control + suppressed = book, and what marketing sees of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.lists.draws import Draws, mixed, uniform
from serving.lists.placing import PLACES
from serving.lists.reasons import BIT, REASONS, Bits

LEAST = 10  # a count of fewer people is not shown to marketing


@dataclass
class Counts:
    """How many customers are where, and why.

    Attributes:
        first: code -> customers for whom it is the reason that counts.
        applies: code -> suppressed customers to whom it applies, whatever counts.
        lot: sum of the draws of those selected, from which comes how marketing's view is rounded.
    """

    book: int = 0
    listed: int = 0
    control: int = 0
    suppressed: int = 0
    first: dict[str, int] = field(default_factory=lambda: {r.code: 0 for r in REASONS})
    applies: dict[str, int] = field(default_factory=lambda: {r.code: 0 for r in REASONS})
    lot: int = 0

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
        self.suppress(reasons[out], counting[out])
        selected = reasons & BIT["not_selected"] == 0
        self.lot = (self.lot + int(draws[selected].sum(dtype=np.uint64))) % 2**64

    def suppress(self, reasons: Bits, counting: npt.NDArray[np.int8]) -> None:
        """Count the reasons of some suppressed customers, who are counted already."""
        for place, reason in enumerate(REASONS):
            counted = counting == place
            self.first[reason.code] += int(counted.sum())
            self.applies[reason.code] += int(np.sum(reasons & (1 << place) != 0))

    @property
    def reconciled(self) -> bool:
        """Whether everybody of the book is in exactly one place."""
        places = self.listed + self.control + self.suppressed
        return places == self.book and sum(self.first.values()) == self.suppressed


def of_json(told: Mapping[str, Any]) -> Counts:
    """Counts as they were stored."""
    return Counts(**{name: told[name] for name in Counts.__dataclass_fields__})


def for_marketing(counts: Counts, policy: str) -> dict[str, int | None]:
    """Code -> customers as marketing may see them: rounded to tens by lot, None where few.

    Fewer than ten are never shown, nobody is not told from few, and at how many of ten to nineteen
    showing begins is drawn as well. The lots hang on who was selected and on the policy, not on who
    is counted: of two lists whose filters differ by one customer, every count may move whatever that
    customer is, and asking again for the same selection tells nothing more. Nothing is told where
    fewer than a hundred were selected, so that a narrow filter cannot single anybody out.

    Args:
        policy: name and version of the risk policy.
    """
    selected = counts.book - counts.first["not_selected"]
    if selected < LEAST * LEAST:
        return dict.fromkeys(counts.first)
    return {code: _shown(counts, f"{policy}/{code}") for code in counts.first}


def _shown(counts: Counts, purpose: str) -> int | None:
    count = counts.first[purpose.rpartition("/")[2]]
    lot = np.array([counts.lot], np.uint64)
    begins = LEAST * (1 + uniform(mixed(lot, f"begins/{purpose}"))[0])
    if count < begins:
        return None
    down, rest = divmod(count, LEAST)
    return LEAST * (down + int(uniform(mixed(lot, f"rounds/{purpose}"))[0] < rest / LEAST))

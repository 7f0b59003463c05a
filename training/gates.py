"""What a version must show before it may answer."""

from dataclasses import dataclass
from typing import Literal

from training.judge import ENOUGH_EVENTS
from training.release import ReleaseCard

Verdict = Literal["passed", "refused", "insufficient evidence"]


@dataclass(frozen=True)
class Gate:
    """One gate and what it found."""

    name: str
    verdict: Verdict
    finding: str


def gates(card: ReleaseCard) -> tuple[Gate, ...]:
    """The gates of a version: enough events to judge by, and better than chance.

    A version without enough events may be served as provisional, and every score says so.
    """
    events = int(card.judgement["events"])
    enough = events >= ENOUGH_EVENTS
    counted = Gate(
        "evidence",
        "passed" if enough else "insufficient evidence",
        f"{events} events in the test, {ENOUGH_EVENTS} wanted",
    )
    low, high = card.judgement["interval"]
    figure, chance = ("Gini", 0.0) if card.answer == "money" else ("AUC", 0.5)
    useless = not high > chance  # also where there is no interval
    better = Gate(
        "better than chance",
        "refused" if useless else "passed",
        f"{figure} 95 % interval {low:.3f} to {high:.3f}",
    )
    return counted, better

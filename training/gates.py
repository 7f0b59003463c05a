"""What a version must show before it may answer."""

from dataclasses import dataclass
from typing import Literal

from training.judge import ENOUGH_EVENTS
from training.release import ReleaseCard

# What a bank can know of the future is little: a better figure tells of a leak more than of a model.
BELIEVABLE_AUC = 0.99

Verdict = Literal["passed", "refused", "insufficient evidence"]


@dataclass(frozen=True)
class Gate:
    """One gate and what it found."""

    name: str
    verdict: Verdict
    finding: str


def gates(card: ReleaseCard) -> tuple[Gate, ...]:
    """The gates of a version: enough events to judge by, better than chance, and believable.

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
    return counted, better, _believable(card)


def _believable(card: ReleaseCard) -> Gate:
    found = card.judgement["metrics"].get("auc", 0.5)
    if found > BELIEVABLE_AUC:
        told = f"AUC {found:.4f} is over {BELIEVABLE_AUC}: a feature seems to know the outcome"
        return Gate("believable", "refused", told)
    return Gate("believable", "passed", f"at most {BELIEVABLE_AUC} of AUC")

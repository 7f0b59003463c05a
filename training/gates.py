"""What a version must show before it may answer."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from features.catalogue import CATALOGUE
from training.conformal import Spread
from training.judge import ENOUGH_EVENTS, MAIN, Interval
from training.recipes import PURPOSES
from training.release import ReleaseCard

Verdict = Literal["passed", "refused", "held", "insufficient evidence", "not applicable"]
Standing = Literal["passed", "provisional", "held", "refused"]
SLOPE, OBSERVED_OVER_EXPECTED = (0.9, 1.1), (0.95, 1.05)
MOST_PSI = 0.25
COVERAGE_SLACK = 0.02
TOO_GOOD = 0.99
NAMED = {"auc": "AUC", "normalised_gini": "normalised Gini"}


@dataclass(frozen=True)
class Gate:
    """One gate: what it looks at, what it allows, and what it found."""

    name: str
    verdict: Verdict
    finding: str
    tolerance: str = ""
    figure: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class GateReport:
    """Every gate of one version."""

    model: str
    version: str
    gates: tuple[Gate, ...]

    def of(self, verdict: Verdict) -> tuple[Gate, ...]:
        """The gates with a verdict."""
        return tuple(gate for gate in self.gates if gate.verdict == verdict)

    @property
    def standing(self) -> Standing:
        """What the gates allow: refused beats held, held beats provisional."""
        if self.of("refused"):
            return "refused"
        if self.of("held"):
            return "held"
        return "provisional" if self.of("insufficient evidence") else "passed"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The report as a table: gate, figure, 95 % interval, tolerance, verdict."""
        return [
            (
                gate.name,
                "" if gate.figure is None else f"{gate.figure:,.3f}".removesuffix(".000"),
                "" if gate.interval is None else "{:.3f} to {:.3f}".format(*gate.interval),
                gate.tolerance,
                gate.verdict,
            )
            for gate in self.gates
        ]

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {**asdict(self), "standing": self.standing}


COLUMNS = ("gate", "figure", "95 % interval", "tolerance", "verdict")


def gates(card: ReleaseCard) -> GateReport:
    """The gates of a version, from its judgement alone.

    A gate refuses when the 95 % interval lies wholly outside its tolerance. With fewer than 100
    events in the test the intervals say too little: those gates answer "insufficient evidence"
    with the count, and the version may be served as provisional, which every score says.
    """
    found = card.judgement
    main = MAIN["money" if card.answer == "money" else "probability"]
    events = int(found["events"])
    spans = {main: tuple(found["interval"]), **found.get("intervals", {})}
    metrics = found.get("metrics", {})

    def within(name: str, key: str, allowed: Interval) -> Gate:
        gate = _within(name, metrics.get(key), spans.get(key), allowed, events)
        return _by_extrapolation(gate) if card.extrapolated else gate

    return GateReport(
        card.name,
        card.version,
        (
            _evidence(events),
            _better_than_chance(main, metrics.get(main), spans[main]),
            _not_too_good(metrics.get("auc")),
            within("calibration slope", "calibration_slope", SLOPE),
            within("observed over expected", "o_e", OBSERVED_OVER_EXPECTED),
            *_covered(card.spread, within),
            _stable(found.get("psi"), spans.get("psi"), events),
            _better_than("simple benchmark", main, found.get("benchmark"), events),
            _better_than("champion", main, found.get("champion"), events),
            _may_serve(card),
        ),
    )


def _by_extrapolation(gate: Gate) -> Gate:
    """An extrapolated label is no outcome: it cannot refuse, and what it finds is no evidence."""
    if gate.verdict != "refused":
        return gate
    finding = f"{gate.finding}; but the label is extrapolated"
    return replace(gate, verdict="insufficient evidence", finding=finding)


def _may_serve(card: ReleaseCard) -> Gate:
    """Refused where today's catalogue does not let every feature serve the question's purpose."""
    name, purpose = "features may serve the purpose", PURPOSES.get(card.question)
    features = card.profiled
    if card.columns:
        return Gate(name, "not applicable", "the catalogue does not know a bank's own columns")
    foreign = [n for n in features if n not in CATALOGUE or purpose not in CATALOGUE[n].purposes]
    if purpose is None:
        return Gate(name, "refused", f"there is no question '{card.question}'")
    if foreign:
        return Gate(name, "refused", f"{', '.join(foreign)} may not serve {purpose}")
    return Gate(name, "passed", f"all {len(features)} features may serve {purpose}")


def _covered(
    spread: Spread | None, within: Callable[[str, str, Interval], Gate]
) -> tuple[Gate, ...]:
    if spread is None:
        return ()
    low, high = spread.coverage - COVERAGE_SLACK, spread.coverage + COVERAGE_SLACK
    return (within("coverage of the interval", "coverage", (low, high)),)


def _evidence(events: int) -> Gate:
    return Gate(
        "evidence",
        "passed" if events >= ENOUGH_EVENTS else "insufficient evidence",
        f"{events} events in the test, {ENOUGH_EVENTS} wanted",
        f">= {ENOUGH_EVENTS} events",
        events,
    )


def _better_than_chance(main: str, figure: float | None, interval: Interval) -> Gate:
    chance = 0.5 if main == "auc" else 0.0
    useless = not interval[1] > chance  # also where there is no interval
    span = "{:.3f} to {:.3f}".format(*interval)
    return Gate(
        "better than chance",
        "refused" if useless else "passed",
        f"{NAMED[main]} 95 % interval {span}",
        f"{NAMED[main]} > {chance:g}",
        figure,
        interval,
    )


def _not_too_good(auc: float | None) -> Gate:
    name, allowed = "not too good to be true", f"AUC <= {TOO_GOOD:g}"
    if auc is None:
        return Gate(name, "not applicable", "an amount has no AUC", allowed)
    if auc > TOO_GOOD:
        finding = f"AUC {auc:.4f}: look for a feature that knows the outcome"
        return Gate(name, "held", finding, allowed, auc)
    return Gate(name, "passed", f"AUC {auc:.3f}", allowed, auc)


def _within(
    name: str, figure: float | None, interval: Interval | None, allowed: Interval, events: int
) -> Gate:
    low, high = allowed
    tolerance = f"{low:g} to {high:g}"
    if figure is None or interval is None or math.isnan(interval[0]):
        verdict: Verdict = "insufficient evidence" if events < ENOUGH_EVENTS else "refused"
        return Gate(name, verdict, f"{name} is not determined by {events} events", tolerance)
    finding = f"{name} {figure:.3f}, 95 % interval {interval[0]:.3f} to {interval[1]:.3f}"
    return Gate(
        name,
        _verdict(interval[1] < low or interval[0] > high, events),
        f"{finding}, allowed {tolerance}",
        tolerance,
        figure,
        (interval[0], interval[1]),
    )


def _stable(psi: float | None, interval: Interval | None, events: int) -> Gate:
    name, tolerance = "score stability (PSI)", f"<= {MOST_PSI:g}"
    if psi is None or interval is None:
        return Gate(name, "not applicable", "the test rows are the training rows", tolerance)
    finding = f"PSI {psi:.3f} between training and test scores, at most {MOST_PSI:g}"
    verdict = _verdict(interval[0] > MOST_PSI, events)
    return Gate(name, verdict, finding, tolerance, psi, (interval[0], interval[1]))


def _better_than(rival: str, main: str, found: dict[str, Any] | None, events: int) -> Gate:
    name, tolerance = f"better than the {rival}", "difference > 0"
    if found is None:
        finding = f"no {rival} to compare with on these rows"
        return Gate(name, "not applicable", finding, tolerance)
    low, high = found["interval"]
    finding = (
        f"{NAMED[main]} {found['difference']:+.3f} against {found['rival']}"
        f" ({found['figure']:.3f}), 95 % interval {low:+.3f} to {high:+.3f}"
    )
    verdict = _verdict(high < 0, events)
    return Gate(name, verdict, finding, tolerance, found["difference"], (low, high))


def _verdict(refused: bool, events: int) -> Verdict:
    if events < ENOUGH_EVENTS:
        return "insufficient evidence"
    return "refused" if refused else "passed"

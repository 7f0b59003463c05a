"""The model card: the validation report as JSON and as one self-contained page. The door to shap."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit

from data.warehouse import replace_file
from features.catalogue import CATALOGUE
from features.definition import Array
from training import drawing, page
from training.backtest import by_grade, jeffreys
from training.gates import gates
from training.grades import SCALE
from training.judge import population_stability
from training.labels import EXTRAPOLATED, HORIZON
from training.release import PAGE, ReleaseCard

SHOWN_FEATURES = 15
EXPLAINED_ROWS = 400
LIFE_BEGINS, LIFE_ENDS = "<!--life-->", "<!--/life-->"

PURPOSE: Mapping[str, str] = {
    "outcome": (
        "Estimates the chance of the outcome below, as the bank's own table defines it. What the"
        " figure may be used for is for the bank to say and to approve."
    ),
    "churn": (
        "Tells which customers are about to leave, so that their manager speaks with them in time."
        " It is not meant for prices, limits or the refusal of service."
    ),
    "lifetime_value": (
        "Estimates what the relationship will contribute in the next 12 months, so that effort"
        " goes where it pays. It is not meant for credit decisions."
    ),
    "propensity": (
        "Ranks customers by how likely they take up the product of their own accord, so that"
        " offers meet a need. It does not say what a contact adds, nor whether the product suits."
    ),
    "credit_risk": (
        "Estimates how likely a customer is to default, for the monitoring of existing exposures"
        " and as one input to a decision that a person takes."
    ),
}
OWN_PURPOSE: Mapping[str, str] = {
    "lifetime_value.five_years": (
        "Estimates what the relationship will contribute in the next five years, discounted, so"
        " that long relationships can be compared. It is not meant for credit decisions, nor for"
        " accounts or reserves: most of what it learnt from is extrapolated."
    ),
    "credit_risk.acquisition": (
        "Estimates how likely a customer is to default within 12 months on book of a new loan or"
        " card, as one input to the decision on it that a person takes."
    ),
}
LIMITS: Mapping[str, tuple[str, ...]] = {
    "outcome": (
        (
            "Population, outcome and columns are as the table has them; whether each was known"
            " before the outcome, nobody but its maker can tell."
        ),
    ),
    "churn": (
        (
            "Churn is judged by own activity and balances at this bank; why a customer leaves is not"
            " observed."
        ),
    ),
    "lifetime_value": (
        (
            "Contribution depends on transfer prices and costs as the bank books them; when these"
            " change, so does what the figures mean."
        ),
        (
            "A single customer's interval is as wide as held-out customers of that worth needed; it"
            " promises its coverage over all customers, not for each."
        ),
    ),
    "propensity": (
        (
            "Learnt from customers whom no contact about the product reached; it says nothing of the"
            " effect of a contact."
        ),
        "Eligibility and suitability are checked elsewhere, before an offer is made.",
    ),
    "credit_risk": (
        (
            "Learnt on business that was accepted; there is no reject inference, so it says little of"
            " applicants unlike those accepted."
        ),
        (
            "The PD is point-in-time: it is neither a capital parameter under IRB nor a lifetime"
            " expected loss under IFRS 9."
        ),
        (
            "LGD comes from defaults worked out over two years, or from a stated table where there are"
            " too few; it is an average, not a downturn LGD, and the CCF of cards is stated."
        ),
        (
            "Stress is a stated shift of the log-odds of every customer, tied to no scenario of the"
            " economy."
        ),
        (
            "A change of the economy moves the level of defaults in a way that customers' own data"
            " foresee only in part; watch observed over expected."
        ),
    ),
}
OWN_LIMITS: Mapping[str, tuple[str, ...]] = {
    "lifetime_value.five_years": (
        LIMITS["lifetime_value"][0],
        EXTRAPOLATED,
        (
            "Observed over expected, slope, Gini, lift and gates on this page compare the model with"
            " the extrapolated label of the test rows, of which 12 months were observed: they tell"
            " that it learnt the label, not that five years come out so. Where slope or O/E lie"
            " outside their tolerance the gate says insufficient evidence and does not refuse."
        ),
        (
            "On a bank that is not simulated nobody has held it against five years that were lived;"
            " ./zhike experiments five_years does so on a simulated one. Do so here once the history"
            " is long enough."
        ),
        (
            "Leaving is the same for all customers in the curve; a bank whose best customers leave"
            " at another pace than the rest has to draw a curve for each."
        ),
    ),
}
FAIR = "How groups that the law protects are treated is measured, not judged, under Fairness."
COMMON_LIMITS = ("The intervals cover the luck of drawing customers, not a change of the world.",)
GUIDANCE = (
    "Arranged for a review under model risk guidance in force (in the United States SR 26-2, which"
    " replaced SR 11-7 in April 2026). It is documentation; it claims no compliance with that or"
    " any other guidance, which only the bank's own process can establish."
)


@dataclass(frozen=True)
class Material:
    """What a card is made from: the calibrated booster, and both samples with their margins."""

    booster: lgb.Booster
    train: pd.DataFrame
    test: pd.DataFrame
    train_margin: Array
    test_margin: Array


def make(about: ReleaseCard, material: Material) -> tuple[dict[str, Any], str]:
    """The validation report as plain values, and as a page."""
    sample = _sample(material.test, list(about.features))
    contributions = np.asarray(
        material.booster.predict(sample.to_numpy(np.float64), pred_contrib=True), np.float64
    )[:, :-1]
    told = report(about, material, np.abs(contributions).mean(axis=0))
    pictures = {
        "reliability": drawing.reliability(told["reliability"], about.unit),
        "lift": drawing.lift(told["lift"], about.answer),
        "scores": drawing.scores(
            _read(about, material.train_margin), _read(about, material.test_margin), about.unit
        ),
        "shap": shap_summary(sample, contributions),
    }
    return told, page.render(told, pictures, LIFE_BEGINS, LIFE_ENDS)


def report(about: ReleaseCard, material: Material, importance: Array) -> dict[str, Any]:
    """The validation report: everything on the page but the pictures and the signatures."""
    target = material.test["target"].to_numpy(np.float64)
    value = _read(about, material.test_margin)
    told: dict[str, Any] = _plain(
        {
            "title": about.name.replace("_", " ").replace(".", ": "),
            "name": about.name,
            "version": about.version,
            "question": about.question,
            "answer": about.answer,
            "unit": about.unit,
            "provisional": about.provisional,
            "trainer": about.trainer,
            "purpose": OWN_PURPOSE.get(about.name, PURPOSE[about.question]),
            "label": {
                "version": about.label_version,
                "population": about.population,
                "outcome": about.outcome,
                "horizon_days": about.horizon_days,
                "default": about.definition,
                "notes": list(about.answer_notes),
                "horizons": list(about.horizons),
            },
            "data": {
                **about.lineage.model_dump(),
                "training": _counts(material.train, about.answer),
                "test": _counts(material.test, about.answer),
                "notes": list(about.notes),
            },
            "method": {
                "booster": "LightGBM, gradient-boosted trees",
                "parameters": about.parameters,
                "calibration": about.calibration,
                "search": about.search,
            },
            "features": _features(about, material, importance),
            "table": {"unused": about.unused, "protected": about.protected}
            if about.columns
            else None,
            "judgement": about.judgement,
            "reliability": reliability(value, target, about.answer),
            "grades": _grades(about, value, target),
            "lift": lift_table(value, target),
            "gates": gates(about).as_json(),
            "limits": [
                *OWN_LIMITS.get(about.name, LIMITS[about.question]),
                *_own_limits(about),
                *COMMON_LIMITS,
            ],
            "guidance": GUIDANCE,
        }
    )

    return told


_TIMELESS = "Judged over folds of customers, not out of time: nothing tells how it fares later."


def _grades(about: ReleaseCard, value: Array, target: Array) -> dict[str, Any] | None:
    """The backtest by grade; None where the answer is no 12-month PD."""
    if about.question != "credit_risk" or not about.horizon_days or about.columns:
        return None
    return {"scale": SCALE, "rows": by_grade(value, target)}


def _own_limits(about: ReleaseCard) -> list[str]:
    events = int(about.judgement["events"])
    limits = []
    if about.extrapolated:
        limits.append(
            "The outcome is extrapolated: nobody has seen whether the gates hold. Whatever is served"
            " from this version is marked provisional."
        )
    elif about.provisional:
        limits.append(
            f"Only {events} events in the test: too few to say that the gates hold. Whatever is"
            " served from this version is marked provisional."
        )
    if about.horizons:
        limits.append(
            f"Gates, rivals and pictures are of the main horizon of {about.horizon_days} days; the"
            " figures of the other horizons stand beside them."
        )
    used = [one.name for one in about.columns if one.data_class == "protected"]
    told = f"among the features: {', '.join(used)}" if used else "not among the features"
    limits.append(f"Protected attributes are {told}. {FAIR}")
    if about.columns:
        return limits + ([] if about.lineage.test_dates else [_TIMELESS])
    if about.question == "credit_risk" and not about.horizon_days:
        limits.append("The outcome is the loan's final status, not default within 12 months.")
    if str(about.judgement.get("protocol", "")).endswith("folds"):
        limits.append(
            "Judged over folds of customers, not out of time: too few loans to keep a period apart."
        )
    return limits


def _counts(rows: pd.DataFrame, answer: str) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "customers": int(rows["customer_id"].nunique()),
        "events": int(rows["target"].sum()) if answer == "probability" else None,
        "mean": float(rows["target"].mean()),
    }


def _features(about: ReleaseCard, material: Material, importance: Array) -> list[dict[str, Any]]:
    """Features, the weightiest first, with direction, median, share known and stability (CSI)."""
    monotone = about.parameters.get("monotone_constraints") or [0] * len(about.features)
    found = []
    for name, weight, direction in zip(about.features, importance, monotone, strict=True):
        values = material.train[name].to_numpy(np.float64), material.test[name].to_numpy(np.float64)
        found.append(
            {
                "name": name,
                **_entry(about, name),
                "direction": {1: "raises only", -1: "lowers only"}.get(direction, "free"),
                "weight": float(weight),
                "median": about.typical[name],
                "known": float(np.mean(~np.isnan(values[1]))),
                "csi": _csi(*values),
            }
        )
    return sorted(found, key=lambda one: (-float(str(one["weight"])), str(one["name"])))


def _entry(about: ReleaseCard, name: str) -> dict[str, str]:
    """What the catalogue says of a feature, or the release of a table's column."""
    if about.horizons and name == HORIZON:
        told = "Days ahead that the question looks; no reason, but in the sum."
        return {"about": told, "unit": "days", "data_class": "ordinary"}
    column = next((one for one in about.columns if one.name == name), None)
    if column is None:
        entry = CATALOGUE[name]
        return {"about": entry.sentence, "unit": entry.unit, "data_class": entry.data_class}
    common = f", most often {column.shown(0.0)}" if column.kind == "category" else ""
    return {
        "about": f"{column.about}{common}".removeprefix(", "),
        "unit": column.kind,
        "data_class": column.data_class,
    }


def _csi(before: Array, after: Array) -> float | None:
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    return population_stability(before, after) if len(before) and len(after) else None


def _sample(rows: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    return rows[features].iloc[
        np.linspace(0, len(rows) - 1, min(EXPLAINED_ROWS, len(rows)), dtype=int)
    ]


def _read(about: ReleaseCard, margin: Array) -> Array:
    return margin if about.answer == "money" else np.asarray(expit(margin), np.float64)


def reliability(value: Array, target: Array, answer: str) -> list[dict[str, float]]:
    """Expected against observed by tenth of the score, lowest first, with 95 % intervals.

    Jeffreys' interval for rates, two standard errors for amounts.
    """
    found = []
    for rows in np.array_split(np.argsort(value, kind="stable"), 10):
        if not len(rows):
            continue
        seen, n, total = target[rows], len(rows), float(target[rows].sum())
        if answer == "money":
            reach = 1.96 * float(seen.std()) / np.sqrt(n)
            low, high = float(seen.mean() - reach), float(seen.mean() + reach)
        else:
            low, high = jeffreys(total, n)
        found.append(
            {
                "rows": n,
                "expected": float(value[rows].mean()),
                "observed": total / n,
                "low": low,
                "high": high,
                **_over(float(value[rows].sum()), n, total / n, low, high),
            }
        )
    return found


def _over(expected: float, n: int, *observed: float) -> dict[str, float]:
    """Observed over expected with the ends of its interval; none where nothing is expected."""
    names = ("o_e", "o_e_low", "o_e_high")
    ratios = (one * n / expected if expected else float("nan") for one in observed)
    return dict(zip(names, ratios, strict=True))


def lift_table(value: Array, target: Array) -> list[dict[str, float]]:
    """By tenth of the score, best first: lift over the mean, and share captured so far."""
    found, captured = [], 0.0
    for number, rows in enumerate(np.array_split(np.argsort(-value, kind="stable"), 10), 1):
        if not len(rows) or target.sum() == 0:
            continue
        captured += float(target[rows].sum() / target.sum())
        found.append(
            {
                "tenth": number,
                "lift": float(target[rows].mean() / target.mean()),
                "captured": captured,
            }
        )
    return found


def shap_summary(rows: pd.DataFrame, contributions: Array) -> str:
    """The summary plot of the shap package, as a PNG in base64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of numpy's and matplotlib's deprecations
        import shap

        names = [name.replace("_", " ") for name in rows.columns]
        with drawing.global_figure() as figure:
            shap.summary_plot(
                contributions,
                rows.to_numpy(np.float64),
                feature_names=names,
                max_display=SHOWN_FEATURES,
                show=False,
                plot_size=(8.6, 5.6),
                rng=np.random.default_rng(0),
            )
            return drawing.encoded(figure())


Line = tuple[datetime, str, str]


def update_life(folder: Path, digest: str, report_digest: str, lines: Sequence[Line]) -> None:
    """Write onto a release's page what it is to be signed and who did what with it, oldest first."""
    path = folder / PAGE
    text = path.read_text("utf-8") if path.exists() else ""
    begin, middle, rest = text.partition(LIFE_BEGINS)
    _, marked, end = rest.partition(LIFE_ENDS)
    if not (middle and marked):
        return
    shown = [
        (at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"), what, who) for at, what, who in lines
    ]
    life = page.life(digest, report_digest, shown)
    replace_file(path, (begin + LIFE_BEGINS + life + LIFE_ENDS + end).encode())


def _plain(value: Any) -> Any:
    """Plain values for strict JSON: what is not a number is null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    return value

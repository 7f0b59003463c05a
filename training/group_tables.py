"""The model card's sections that look at parts of the test rows: dates, segments, protected groups."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training.markup import Html, number, paragraph, section, span, table

Told = Mapping[str, Any]
LISTED: Mapping[str, str] = {
    "churn": "the tenth likeliest to leave",
    "lifetime_value": "the tenth expected to be worth most",
    "propensity": "the tenth likeliest to take it up",
    "credit_risk": "the riskiest tenth",
    "outcome": "the tenth scored highest",
}
HEADS: Mapping[str, str] = {
    "auc": "AUC",
    "normalised_gini": "Gini",
    "o_e": "O/E",
    "calibration_slope": "slope",
    "mean_score": "mean score",
    "selection": "listed",
    "tpr": "events listed",
}
RATES: Mapping[str, str] = {
    "selection": "demographic parity: share listed",
    "tpr": "equal opportunity: share of events listed",
}
ONE_DATE = "All test rows are of one as-of date, so that nothing can be told apart by date."
NO_SEGMENTS = (
    "No segment is declared of this table; name columns under segments in its declaration to see"
    " how the model does in each part of the business."
)
NOTHING_PROTECTED = (
    "No protected attribute of these rows is known, so that it cannot be measured whether groups"
    " are treated alike. That is no finding that they are."
)
LIMITS = (
    (
        "A difference between groups is not in itself unfair: groups may differ in what is to be"
        " foretold. A share listed that differs while calibration and AUC agree points there; a"
        " group whose O/E lies away from 1 is over- or underestimated."
    ),
    (
        "Not reading an attribute does not make a model blind to it: what it does read may stand"
        " in for it, as a district may for origin."
    ),
    (
        "Which attributes are protected, which differences have to be explained and which are"
        " forbidden is a matter of the country's law and of the use. Age is counted among them"
        " here, though it may be lawful to use. The model's owner explains, risk and compliance"
        " decide, and sign; no gate does it for them."
    ),
    (
        "Combinations of groups, and attributes that the bank does not hold, are not looked at."
        " The two groups of a comparison are those farthest apart on these very rows, which"
        " flatters the difference when there are many."
    ),
)


def dates(told: Told) -> str:
    """Figures within each as-of date."""
    found = told["judgement"].get("dates")
    if not found:
        return section("Within each date", paragraph(ONE_DATE))
    lead = (
        "How well one date's list is ranked, and whether the level fits that date: a model may do"
        f" well over all dates together and still miss one. {_all_rows(told)}"
    )
    keys = (_main(told), "o_e", "calibration_slope", "mean_score")
    return section("Within each date", paragraph(lead) + _groups("as-of date", found, keys))


def segments(told: Told) -> str:
    """Figures by part of the business."""
    found = told["judgement"].get("segments")
    if not found:
        return section("By segment", paragraph(NO_SEGMENTS)) if told["table"] else ""
    keys = (_main(told), "o_e", "calibration_slope", "mean_score", "selection")
    lead = f"{_listed(told)} {_all_rows(told)}"
    parts = (
        f"<h3>{escape(one['title'])}</h3>{_about(one)}{_groups('segment', one['groups'], keys)}"
        for one in found
    )
    return section("By segment", paragraph(lead) + "".join(parts))


def fairness(told: Told) -> str:
    """Figures by protected group, how far groups are apart, and what that does not say."""
    found = told["judgement"].get("fairness")
    limits = "<ul>" + "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS) + "</ul>"
    if not found:
        return section("Fairness", paragraph(NOTHING_PROTECTED))
    parts = "".join(_protected(one, told) for one in found)
    return section(
        "Fairness", paragraph(_listed(told)) + parts + "<h3>What this does not say</h3>" + limits
    )


def _protected(one: Told, told: Told) -> str:
    money = told["answer"] == "money"
    keys = [_main(told), "o_e", "calibration_slope", "mean_score", "selection"]
    keys += [] if money else ["tpr"]
    read = "The model reads it." if one["read"] else "The model does not read it."
    return (
        f"<h3>{escape(one['title'])}</h3>"
        + _about(one, read)
        + _groups("group", one["groups"], keys)
        + _gaps(one["gaps"])
    )


def _gaps(gaps: Sequence[Told]) -> str:
    if not gaps:
        return paragraph(
            "Fewer than two groups have enough rows, so that no difference between them is given."
        )
    rows = [
        (
            RATES[gap["rate"]],
            f"{gap['highest']} over {gap['lowest']}",
            _points(gap["difference"], gap["interval"]),
            _figure(gap["ratio"], gap["ratio_interval"]),
        )
        for gap in gaps
    ]
    heads = ("between the groups farthest apart", "groups", "difference, points", "ratio")
    return f'<div class="gaps">{table(heads, rows, (2, 3))}</div>'


def _points(value: float, interval: Sequence[float | None]) -> Html:
    low, high = interval
    if low is None or high is None:
        return Html(f"{100 * value:.1f}")
    return Html(f"{100 * value:.1f}<small>{100 * low:.1f} to {100 * high:.1f}</small>")


def _groups(head: str, groups: Sequence[Told], keys: Sequence[str]) -> str:
    counted = any(group["events"] is not None for group in groups)
    heads = (head, "rows", *(("events",) if counted else ()), *(HEADS[key] for key in keys))
    rows = [
        (
            _named(group),
            f"{group['rows']:,}",
            *((f"{group['events']:,}",) if counted else ()),
            *(_cell(key, group) for key in keys),
        )
        for group in groups
    ]
    return f'<div class="groups">{table(heads, rows, range(1, len(heads)))}</div>'


def _named(group: Told) -> Html:
    few = group["insufficient"]
    why = f"<small>insufficient evidence: {escape(few)}</small>" if few else ""
    return Html(f"{escape(group['name'])}{why}")


def _cell(key: str, group: Told) -> Html:
    value, interval = group["figures"].get(key), group["intervals"].get(key)
    if key in RATES and value is not None:
        low, high = interval
        return Html(f"{value:.1%}<small>{100 * low:.1f} to {100 * high:.1f}</small>")
    return _figure(value, interval)


def _figure(value: float | None, interval: Sequence[float | None] | None) -> Html:
    told = span(interval)
    return Html(f"{number(value)}<small>{told}</small>" if told else number(value))


def _about(one: Told, read: str = "") -> str:
    said = " ".join(filter(None, (one["about"], read)))
    return paragraph(said) if said else ""


def _listed(told: Told) -> str:
    events = "" if told["answer"] == "money" else "; events listed, of those with the event"
    return (
        f"Listed are {LISTED[told['question']]} of all test rows: the share of a group that is"
        f" among them{events}. Small figures are 95 % intervals, drawn over whole customers."
    )


def _all_rows(told: Told) -> str:
    found, main = told["judgement"], _main(told)
    parts = (
        f"{HEADS[key]} {number(found['metrics'].get(key))} ({span(found['intervals'].get(key))})"
        for key in (main, "o_e", "calibration_slope")
    )
    return f"All rows together: {', '.join(parts)}."


def _main(told: Told) -> str:
    return "normalised_gini" if told["answer"] == "money" else "auc"

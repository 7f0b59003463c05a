"""The model card as one page of HTML that needs nothing from outside."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training import group_tables
from training.markup import Html, code, figure, number, paragraph, section, span, table

STANDING = {
    "passed": "All gates hold",
    "provisional": "Provisional: insufficient evidence",
    "held": "Held for review",
    "refused": "Refused by its gates",
}
NAMES = {
    "auc": "AUC, pooled",
    "auc_within_date": "AUC within each as-of date",
    "gini": "Gini",
    "ks": "KS",
    "brier": "Brier score",
    "o_e": "Observed over expected",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "lift_top_decile": "Lift in the best tenth",
    "base_rate": "Rate of events",
    "normalised_gini": "Normalised Gini",
    "correlation": "Correlation",
    "mae": "Mean absolute error",
    "mean": "Mean outcome",
    "coverage": "Share within the interval of 90 %",
}
STYLE = """
:root { color-scheme: light; --ink: #23303f; --soft: #5c6b7a; --line: #dfe5ea; --accent: #1f5f8b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f3f5f7; color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", "Noto Sans", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 36px 44px 56px; background: #fff; }
header { border-bottom: 3px solid var(--accent); padding-bottom: 18px; margin-bottom: 8px; }
h1 { font-size: 30px; line-height: 1.2; margin: 2px 0 8px; }
h1::first-letter { text-transform: uppercase; }
h2 { font-size: 19px; margin: 38px 0 10px; padding-bottom: 5px; border-bottom: 1px solid var(--line); }
h3 { font-size: 15px; margin: 18px 0 4px; }
p, li { max-width: 78ch; } p { margin: 8px 0; }
.over { color: var(--soft); letter-spacing: .06em; text-transform: uppercase; font-size: 12px; }
.badge { display: inline-block; padding: 3px 11px; border-radius: 12px; font-size: 13px; font-weight: 600; white-space: nowrap; }
.passed { background: #e0f1e6; color: #1c6b3c; } .provisional, .insufficient { background: #fdf0d6; color: #855a06; }
.held { background: #fdf0d6; color: #855a06; } .refused { background: #fbe1de; color: #a12a1e; }
.not { background: #eceff2; color: #5c6b7a; }
.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin: 18px 0 6px; }
.figures div { border: 1px solid var(--line); border-radius: 8px; padding: 11px 14px; }
.figures b { display: block; font-size: 23px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: 13px; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 10px 0; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); padding: 6px 10px 6px 0; }
td { border-bottom: 1px solid var(--line); padding: 6px 10px 6px 0; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; }
figure { margin: 8px 0; } img { width: 100%; height: auto; } figcaption { color: var(--soft); font-size: 13px; }
code { font: 12.5px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.groups table, .gaps table { table-layout: fixed; min-width: 720px; }
.groups th.n { white-space: normal; vertical-align: bottom; } .groups th:first-child { width: 23%; } .groups th:nth-child(2) { width: 7%; } .gaps th:nth-child(-n+2) { width: 37%; }
td small { display: block; color: var(--soft); font-size: 11.5px; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 40px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media (max-width: 760px) { main { padding: 20px; } .pair { grid-template-columns: 1fr; } .figures { grid-template-columns: 1fr 1fr; } }
@page { margin: 16mm 14mm; }
@media print { body { background: #fff; } main { padding: 0; max-width: none; } h2, figure, tr { break-inside: avoid; } }
"""


def render(told: Mapping[str, Any], pictures: Mapping[str, str], begins: str, ends: str) -> str:
    """The page of a validation report.

    Args:
        pictures: reliability, lift, scores, shap: PNGs in base64.
        begins, ends: marks between which the signatures are written later.
    """
    title = f"{told['title']}, version {told['version']}"
    parts = (
        _header(told),
        section("Purpose", paragraph(told["purpose"])),
        section("What is asked", _asked(told["label"], own=bool(told.get("table")))),
        section("Gates", _gates(told["gates"])),
        section("Data", _data(told["data"], own=bool(told.get("table")))),
        section("Performance on customers it has never seen", _performance(told, pictures)),
        group_tables.dates(told),
        group_tables.segments(told),
        group_tables.fairness(told),
        section("What moves the score", _features(told["features"], pictures["shap"])),
        _table_columns(told),
        section("Stability", _stability(told, pictures["scores"])),
        section("How it is made", _method(told["method"])),
        section(
            "Limits", "<ul>" + "".join(f"<li>{escape(x)}</li>" for x in told["limits"]) + "</ul>"
        ),
        section("Signatures and life", f"{begins}{life('', '', ())}{ends}"),
        f"<footer>{escape(told['guidance'])}</footer>",
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def life(digest: str, report: str, lines: Sequence[tuple[str, str, str]]) -> str:
    """Digests that are signed, and what happened to the version."""
    shown = (
        table(("when", "what", "who"), lines) if lines else paragraph("Nobody has signed it yet.")
    )
    if not digest:
        return shown
    return shown + table(
        ("what a signature covers", "SHA-256"),
        [("release", code(digest)), ("report", code(report))],
    )


def _header(told: Mapping[str, Any]) -> str:
    standing = told["gates"]["standing"]
    badge = f'<span class="badge {standing}">{STANDING[standing]}</span>'
    trainer = f" · trained by {escape(told['trainer'])}" if told["trainer"] else ""
    last = told["data"]["data_until"]
    until = f" · data until {escape(last)}" if last else ""
    return (
        f'<header><div class="over">Model card</div><h1>{escape(told["title"])}</h1>'
        f"{badge} &nbsp;version {escape(told['version'])}{trainer}"
        f"{until}</header>{_headline(told)}"
    )


def _headline(told: Mapping[str, Any]) -> str:
    found = told["judgement"]
    metrics, spans = found["metrics"], found["intervals"]
    main = "normalised_gini" if told["answer"] == "money" else "auc"
    counted = (
        (f"{found['rows']:,}", "test rows", "customers it has never seen")
        if told["answer"] == "money"
        else (f"{found['events']:,}", "events in the test", f"among {found['rows']:,} rows")
    )
    tiles = [counted] + [
        (number(metrics.get(key)), NAMES[key], span(spans.get(key)))
        for key in (main, "calibration_slope", "o_e")
    ]
    return (
        '<div class="figures">'
        + "".join(
            f"<div><b>{escape(a)}</b>{escape(b)}<span>{escape(c)}</span></div>" for a, b, c in tiles
        )
        + "</div>"
    )


def _asked(label: Mapping[str, Any], own: bool) -> str:
    days = label["horizon_days"]
    final = "as the table defines it" if own else "final status of the loan"
    return table(
        ("", ""),
        [
            ("Population", label["population"]),
            ("Outcome", label["outcome"]),
            ("Horizon", f"{days} days from the as-of date" if days else final),
            *_beside(label),
            ("Label contract", code(label["version"])),
            *(("Said with every answer", note) for note in label["notes"]),
            *((f"Default: {name.lower()}", text) for name, text in label["default"].items()),
        ],
    )


def _beside(label: Mapping[str, Any]) -> list[tuple[str, str]]:
    others = [str(days) for days in label.get("horizons", ()) if days != label["horizon_days"]]
    return [("Beside it", f"{' and '.join(others)} days, by the same model")] if others else []


def _gates(report: Mapping[str, Any]) -> str:
    rows = [
        (
            Html(f"<b>{escape(g['name'])}</b>{_finding(g)}"),
            number(g["figure"]),
            span(g["interval"]),
            g["tolerance"],
            Html(
                f'<span class="badge {escape(g["verdict"].split()[0])}">{escape(g["verdict"])}</span>'
            ),
        )
        for g in report["gates"]
    ]
    return paragraph(
        "A gate refuses when the 95 % interval lies wholly outside its tolerance. With fewer than"
        " 100 events in the test it answers “insufficient evidence”, and the version may only be"
        " served as provisional. These are the verdicts at registration; the gates are asked again"
        " when the version is promoted."
    ) + table(("gate", "figure", "95 % interval", "tolerance", "verdict"), rows, (1, 2))


def _finding(gate: Mapping[str, Any]) -> str:
    """What the columns beside it do not say already."""
    told = gate["interval"] and not gate["name"].startswith("better than the")
    return "" if told else f"<br>{escape(gate['finding'])}"


def _data(data: Mapping[str, Any], own: bool) -> str:
    rows = [
        (
            name,
            f"{data[name]['rows']:,}",
            f"{data[name]['customers']:,}",
            "" if data[name]["events"] is None else f"{data[name]['events']:,}",
            number(data[name]["mean"]),
            _dates(data[dates]),
        )
        for name, dates in (("training", "train_dates"), ("test", "test_dates"))
    ]
    left = [(reason.replace("_", " "), f"{n:,}") for reason, n in sorted(data["left_out"].items())]
    text = table(
        ("sample", "rows", "customers", "events", "mean outcome", "as-of dates"), rows, (1, 2, 3, 4)
    )
    text += paragraph(
        f"Source: {data['source']}. {'File' if own else 'Warehouse manifest'}"
        f" {data['manifest'][:16]}, {'columns' if own else 'feature catalogue'}"
        f" {data['catalogue'][:16]}. Made with "
        + ", ".join(f"{name} {version}" for name, version in data["libraries"].items())
        + "."
    )
    text += "".join(paragraph(f"Note: {note}") for note in data["notes"])
    if left:
        text += "<h3>Left out of both samples</h3>" + table(("reason", "rows"), left, (1,))
    return text


def _dates(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else ""


def _performance(told: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    found = told["judgement"]
    rows = [
        (
            NAMES.get(key, key),
            number(value),
            span(found["intervals"].get(key)),
            number(found["raw"].get(key)),
        )
        for key, value in found["metrics"].items()
    ]
    text = paragraph(
        f"Judged {found['protocol']} on {found['rows']:,} rows"
        + (f" with {found['events']:,} events" if told["answer"] != "money" else "")
        + (f" over {_dates(told['data']['test_dates'])}" if told["data"]["test_dates"] else "")
        + ". Intervals are drawn over whole customers. The last column is the model before its"
        " calibration was folded into the trees."
    )
    text += table(("figure", "calibrated", "95 % interval", "raw"), rows, (1, 2, 3))
    if found.get("horizons"):
        text += "<h3>By horizon</h3>" + _horizons(found["horizons"])
    rivals = [found[k] for k in ("benchmark", "champion") if found[k]]
    if rivals:
        compared = [
            (r["rival"], number(r["figure"]), f"{r['difference']:+.3f}", span(r["interval"]))
            for r in rivals
        ]
        text += "<h3>On the same rows</h3>" + table(
            ("rival", "its figure", "this version is better by", "95 % interval"),
            compared,
            (1, 2, 3),
        )
    text += _profit(found.get("profit"))
    return text + (
        '<div class="pair">'
        + figure(
            pictures["reliability"],
            "Reliability: observed against expected by tenth of the score.",
        )
        + figure(pictures["lift"], "Lift by tenth of the score, and what the best tenths capture.")
        + f"</div>{_tenths(told['reliability'])}{_grades(told['grades'])}"
    )


def _horizons(found: Mapping[str, Any]) -> str:
    figures = ("auc", "calibration_slope", "o_e")
    rows = [
        (
            horizon if horizon == "pooled" else f"{horizon} days",
            f"{one['taught']:,}",
            f"{one['rows']:,}",
            f"{one['events']:,}",
            *(f"{number(one['metrics'][k])} ({span(one['intervals'].get(k))})" for k in figures),
        )
        for horizon, one in found.items()
    ]
    return table(
        ("horizon", "rows taught", "test rows", "events", *(NAMES[k] for k in figures)),
        rows,
        range(1, 7),
    )


def _profit(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    rows = [
        ("as foretold", number(found["expected"])),
        ("as it came", number(found["realised"])),
        ("acting on everybody", number(found["everybody"])),
        ("with perfect foresight", number(found["foresight"])),
    ]
    return (
        "<h3>Profit at the best cut-off</h3>"
        + paragraph(
            f"In costs of one action ({found['act']}), which is assumed to bring"
            f" {found['gain']:g} where the outcome would have come. It pays from a chance of"
            f" {found['cut_off']:.3f} on: {found['acted']:,} test rows. Put the bank's own figures"
            " in their place before deciding by them."
        )
        + table(("acting", "profit"), rows, (1,))
    )


def _tenths(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        (
            tenth,
            f"{row['rows']:,}",
            number(row["expected"]),
            number(row["observed"]),
            span((row["low"], row["high"])),
            number(row.get("o_e")),
        )
        for tenth, row in enumerate(rows, 1)
    ]
    head = ("tenth, lowest first", "rows", "expected", "observed", "95 % interval", "O/E")
    return f"<h3>Reliability by tenth of the score</h3>{table(head, shown, (1, 2, 3, 4, 5))}"


def _grades(found: Mapping[str, Any] | None) -> str:
    """Observed over expected by grade; nothing for what is no PD."""
    if not found:
        return ""
    shown = [
        (
            row["grade"],
            row["band"],
            f"{100 * row['from']:.3g} % to {100 * row['to']:.3g} %",
            f"{row['rows']:,}",
            f"{row['events']:,}",
            number(row["expected"]),
            number(row["observed"]),
            number(row["o_e"]),
            span((row["low"], row["high"])),
        )
        for row in found["rows"]
    ]
    head = (
        "grade",
        "band",
        "PD",
        "rows",
        "defaults",
        "expected",
        "observed",
        "O/E",
        "95 % interval",
    )
    return (
        "<h3>Observed over expected by grade of the master scale</h3>"
        + paragraph(
            f"Scale {found['scale']}: the bounds are fixed, each twice the one before; grade D are"
            " customers in default, who are not asked. The interval is Jeffreys' for the rate, over"
            " the expected rate."
        )
        + table(head, shown, (3, 4, 5, 6, 7, 8))
    )


def _features(features: Sequence[Mapping[str, Any]], picture: str) -> str:
    rows = [
        (
            Html(f"{code(f['name'])}<br>{escape(f['about'])}"),
            f["direction"],
            f["unit"],
            f["data_class"],
            _median(f["median"], f["unit"]),
            f"{f['known']:.0%}",
            number(f["weight"]),
        )
        for f in features
    ]
    head = ("feature", "direction", "unit", "data", "median", "known", "weight")
    text = figure(
        picture,
        "Contributions to the margin (SHAP) of a sample of test rows: one dot a row, red a high"
        " value of the feature, blue a low one; to the right it raises the score.",
    )
    text += paragraph(
        "Weight is the mean size of a feature's contribution to the margin. A direction is imposed"
        " where a banker would insist; the others are free."
    )
    return (
        text
        + table(head, rows[:12], (4, 5, 6))
        + f"<details><summary>All {len(rows)} features</summary>"
        + table(head, rows[12:], (4, 5, 6))
        + "</details>"
    )


def _table_columns(told: Mapping[str, Any]) -> str:
    """Of a bank's own table: what protected columns are worth, and which are not used and why."""
    own = told.get("table")
    if not own:
        return ""
    text = _protected(told, own["protected"]) if own["protected"] else ""
    if own["unused"]:
        text += section(
            "Columns that are not used",
            table(("column", "why"), [(code(n), why) for n, why in own["unused"].items()]),
        )
    return text


def _protected(told: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    main = "normalised_gini" if told["answer"] == "money" else "auc"
    rival, used = found["comparison"], found["used"]
    names = ", ".join(found["columns"])
    ours = told["judgement"]
    keys = (main, "calibration_slope", "o_e")
    judged = (
        ("this model", ours["metrics"], ours["intervals"]),
        (rival["rival"], found["metrics"], found["intervals"]),
    )
    rows = [
        (name, *(cell for key in keys for cell in (number(figures[key]), span(spans.get(key)))))
        for name, figures, spans in judged
    ]
    heads = ("model", NAMES[main], "95 %", "slope", "95 %", "O/E", "95 %")
    told_in_words = (
        f"This model reads the protected columns {names}, because whoever trained it allowed them;"
        if used
        else f"This model does not read the protected columns {names};"
    )
    return section(
        "Protected columns",
        paragraph(
            f"{told_in_words} on the same rows its {NAMES[main]} differs by"
            f" {rival['difference']:+.4f} from that of the model {'without' if used else 'with'} them"
            f" (95 % interval {rival['interval'][0]:+.4f} to {rival['interval'][1]:+.4f})."
        )
        + table(heads, rows, (1, 3, 5)),
    )


def _stability(told: Mapping[str, Any], picture: str) -> str:
    psi, drawn = told["judgement"]["psi"], told["judgement"]["intervals"].get("psi")
    text = (
        paragraph(
            "The test rows are the training rows, so that nothing can have shifted between them."
        )
        if psi is None
        else paragraph(
            f"PSI of the score between training and test rows: {psi:.3f} ({span(drawn)}). Below 0.1"
            " is customarily called stable, above 0.25 shifted."
        )
    )
    moved = sorted((f for f in told["features"] if f["csi"] is not None), key=lambda f: -f["csi"])[
        :8
    ]
    rows = [(code(f["name"]), number(f["csi"]), number(f["weight"])) for f in moved]
    most = "<h3>Features that moved most</h3>" + table(("feature", "CSI", "weight"), rows, (1, 2))
    spread = figure(picture, "Scores of the training and of the test rows.")
    return text + f'<div class="pair">{spread}<div>{most}</div></div>'


def _method(method: Mapping[str, Any]) -> str:
    shown = {k: v for k, v in method["parameters"].items() if not isinstance(v, list)}
    text = paragraph(
        f"{method['booster']}. Calibration: margin = {method['calibration']['slope']:.4f} × raw"
        f" margin {method['calibration']['intercept']:+.4f}, learnt on customers that each fold had"
        " not seen, and folded into the leaves."
    )
    if method["search"]:
        text += paragraph(
            f"Search for parameters, on the training rows alone: {method['search']['told']}."
        )
    rows = [(code(key), str(value)) for key, value in sorted(shown.items())]
    return (
        text
        + f"<details><summary>Parameters</summary>{table(('parameter', 'value'), rows)}</details>"
    )


def _median(value: float | None, unit: str) -> str:
    """A feature's value as a person reads it: money is kept in minor units, rates in millionths."""
    scale = {"money": 100, "rate": 1_000_000}.get(unit, 1)
    return number(None if value is None else value / scale)

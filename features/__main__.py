"""Commands of the features floor: list the catalogue, identify customers, build profiles."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from data.database import migrated
from data.errors import ConfigurationError, FeatureError
from data.terminal import application, err, out, plain, progress, run, show_table
from data.warehouse import Warehouse
from features import spark
from features.batches import build_snapshot
from features.catalogue import CATALOGUE
from features.documentation import catalogue_page, entries, window
from features.engines import Engine
from features.identity.reviews import decide, queue, sides
from features.identity.run import Identified, identify
from features.online import profile_of
from features.restatement import difference
from features.snapshot import read_snapshot, read_spine
from features.spine import customers_as_of, extent, month_ends, newest_as_of, refuse_outside


class Step(Enum):
    """From one as-of day to the next."""

    month = "month"


class Chosen(Enum):
    """The engines to choose from."""

    duckdb = "duckdb"
    spark = "spark"


app = application("List the features, find who is who, build profiles as of any day.")


@app.command("catalogue")
def show_catalogue(
    as_json: Annotated[bool, typer.Option("--json", help="Whole entries, as JSON.")] = False,
    write: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
) -> None:
    """Print every feature: what it is, in which unit and window, and what it may serve."""
    if as_json:
        print(json.dumps(entries(), ensure_ascii=False, indent=2))
    elif write is not None and not write.parent.is_dir():
        raise ConfigurationError(f"{write.parent} is not a folder; make it first.")
    elif write is not None:
        write.write_text(catalogue_page(), encoding="utf-8")
    else:
        rows = [
            (f.subject, f.name, f.unit, window(f), f.higher, f.data_class, f.sentence)
            for f in CATALOGUE.values()
        ]
        heads = ("subject", "feature", "unit", "days", "higher is", "class", "sentence")
        show_table(f"{len(rows)} features", heads, rows)


@app.command("build")
def build_profiles(
    as_of: Annotated[str, typer.Option(help="Day, YYYY-MM-DD; default: the last month-end.")] = "",
    every: Annotated[Step, typer.Option(help="From one as-of day to the next.")] = Step.month,
    count: Annotated[int, typer.Option(min=1, help="As-of days up to that day.")] = 1,
    spine: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of customer_id and as_of instead.")
    ] = None,
    engine: Annotated[Chosen, typer.Option(help="What computes.")] = Chosen.duckdb,
    master: Annotated[str, typer.Option(help="Where Spark runs: local[*], spark://...")] = "",
) -> None:
    """Build an immutable snapshot of profiles with its lineage."""
    if master and engine is not Chosen.spark:
        raise ConfigurationError(f"--master {master} goes with --engine spark only.")
    warehouse = Warehouse()
    rows = _rows(warehouse, as_of, count, spine)
    with progress("profiles") as report, _opened(warehouse, engine, master) as store:
        snapshot = build_snapshot(store, rows, progress=report)
    told = snapshot.lineage
    out.print(f"{len(rows):,} profiles of {len(told.features)} features in {snapshot.folder}")
    for name, reason in told.absent.items():
        err.print(f"absent: {name}: {reason}")
    for name, reason in told.stale.items():
        err.print(f"stale: {name}: {reason}", soft_wrap=True)


@app.command("diff")
def show_difference(
    old: Annotated[Path, typer.Argument(help="Folder of a snapshot.")],
    new: Annotated[Path, typer.Argument(help="Folder of a later one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what later facts changed: which features, in how many profiles."""
    found = difference(read_snapshot(old), read_snapshot(new))
    if as_json:
        print(json.dumps(asdict(found)))
        return
    out.print(
        f"{found.rows:,} profiles are in both, {found.changed:,} of them differ;"
        f" {found.removed:,} are gone, {found.added:,} are new."
    )
    for label, names in (("gone", found.features_removed), ("new", found.features_added)):
        if names:
            out.print(f"Features that are {label}: {', '.join(names)}", soft_wrap=True)
    if found.features:
        rows = [(name, f"{count:,}") for name, count in found.features.items()]
        show_table("Features that differ", ("feature", "profiles"), rows)


@app.command("identify")
def identify_customers(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find which records of several systems are one customer; write crosswalk and golden records."""
    warehouse, database = Warehouse(), migrated()
    with progress("identify") as report:
        found = identify(warehouse, database, report=report)
    if as_json:
        out.print(json.dumps(asdict(found)), soft_wrap=True)
    else:
        show_identified(found)


def show_identified(found: Identified) -> None:
    """Print what a run of identification did."""
    if found.passed:
        out.print(f"Nothing to do: {found.passed}.")
        return
    rules = ", ".join(f"{count:,} {rule}" for rule, count in found.rules.items())
    out.print(f"{found.records:,} records are {found.customers:,} customers ({rules}).")
    out.print(
        f"Run {found.run}: {found.changed:,} records changed hands, {found.merged:,} customers were"
        f" merged, {found.split:,} split; {found.pairs:,} pairs were compared."
    )
    if not found.trained:
        out.print(
            "There are too few records to learn from: the model's stated parameters were used."
        )
    if found.common_keys:
        out.print(f"{found.common_keys:,} keys are shared by too many records to compare by.")
    if found.overruled:
        out.print(
            f"{found.overruled:,} decisions could not be followed: the records have different valid"
            " identity numbers by now, or another decision tells them apart."
        )
    if found.reviews:
        out.print(f"{found.reviews:,} pairs wait for a decision: ./zhike features review")


@app.command("review")
def review_pairs(
    limit: Annotated[int, typer.Option(min=1, help="Pairs at most.")] = 20,
) -> None:
    """List the pairs that a person must decide, the most probable first, side by side."""
    waiting = queue(migrated())
    shown = waiting[:limit]
    told = sides(Warehouse(), [r for pair in shown for r in (pair.record_a, pair.record_b)])
    for pair in shown:
        both = [told.get(record, {}) for record in (pair.record_a, pair.record_b)]
        rows = [(name, *(_shown(side.get(name)) for side in both)) for name in COMPARED]
        title = f"{pair.probability:.1%}: {pair.reason}"
        show_table(title, ("", pair.record_a, pair.record_b), rows)
    out.print(f"{len(waiting):,} pairs wait for a decision, {len(shown):,} are shown.")
    if shown:
        err.print("Decide with: ./zhike features decide RECORD RECORD same|different --by NAME")


COMPARED = (
    "system", "name", "latin_name", "birth_date", "sex", "identity_type", "identity_number",
    "phone", "email", "address", "postcode",
)  # fmt: skip


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


class Verdict(StrEnum):
    SAME = "same"
    DIFFERENT = "different"


@app.command("decide")
def decide_pair(
    record: Annotated[str, typer.Argument(help="One record.")],
    other: Annotated[str, typer.Argument(help="The other record.")],
    verdict: Annotated[Verdict, typer.Argument(help="Whether they are one person.")],
    by: Annotated[str, typer.Option(help="Who decides.")],
) -> None:
    """Settle whether two records are one person; binds every later run of identify."""
    found = decide(Warehouse(), migrated(), record, other, verdict.value, by)
    out.print(
        f"{found.record_a} and {found.record_b}: {found.verdict}, says {plain(found.decided_by)}."
        " It holds from the next ./zhike features identify on."
    )


@app.command("profile")
def show_profile(
    customer: Annotated[str, typer.Argument(help="The customer's identifier.")],
    as_of: Annotated[str, typer.Option(help="Day, YYYY-MM-DD; default: the last month-end.")] = "",
) -> None:
    """Print one customer's profile, built from that customer's facts alone."""
    warehouse = Warehouse()
    day = _day(as_of) if as_of else newest_as_of(warehouse)
    built = profile_of(warehouse, customer, day)
    values = dict(zip(built.features, built.values[0], strict=True))
    rows = [(n, CATALOGUE[n].unit, f"{v:,.6g}", CATALOGUE[n].sentence) for n, v in values.items()]
    show_table(f"{customer} as of {day}", ("feature", "unit", "value", "sentence"), rows)


def _rows(warehouse: Warehouse, as_of: str, count: int, spine: Path | None) -> pd.DataFrame:
    if spine is not None:
        rows = read_spine(spine)
        refuse_outside(warehouse, sorted(set(rows["as_of"])))
        return rows
    day = _day(as_of) if as_of else month_ends(extent(warehouse)[1], 1)[0]
    return customers_as_of(warehouse, [day] if count == 1 else month_ends(day, count))


@contextmanager
def _opened(warehouse: Warehouse, engine: Chosen, master: str) -> Iterator[Warehouse | Engine]:
    if engine is Chosen.duckdb:
        yield warehouse
    else:
        with spark.session(master or "local[*]") as session:
            yield spark.SparkEngine(warehouse, session)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FeatureError(f"--as-of {text} is not a day; write it as YYYY-MM-DD.") from None


if __name__ == "__main__":
    run(app, "./zhike features")

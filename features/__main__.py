"""Commands of the features floor: list the catalogue, build profiles."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from data.errors import ConfigurationError, FeatureError
from data.terminal import application, err, out, progress, run, show_table
from data.warehouse import Warehouse
from features import spark
from features.catalogue import CATALOGUE
from features.documentation import catalogue_page, entries, window
from features.engines import DuckEngine, Engine
from features.online import profile_of
from features.profile import build
from features.snapshot import read_spine, write_snapshot
from features.spine import customers_as_of, extent, month_ends, newest_as_of, refuse_outside


class Chosen(Enum):
    """The engines to choose from."""

    duckdb = "duckdb"
    spark = "spark"


app = application("List the features, build profiles as of any day.")


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
    count: Annotated[int, typer.Option(min=1, help="Month-ends up to that day.")] = 1,
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
        profiles = build(store, rows, progress=report)
    snapshot = write_snapshot(profiles)
    out.print(f"{len(rows):,} profiles of {len(profiles.features)} features in {snapshot.folder}")
    for name, reason in profiles.absent.items():
        err.print(f"absent: {name}: {reason}")


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
def _opened(warehouse: Warehouse, engine: Chosen, master: str) -> Iterator[Engine]:
    if engine is Chosen.duckdb:
        yield DuckEngine(warehouse)
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

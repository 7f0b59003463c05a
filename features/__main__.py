"""Commands of the features floor: list the catalogue, build profiles."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from data.errors import FeatureError
from data.terminal import application, err, out, progress, run, show_table
from data.warehouse import Warehouse
from features.catalogue import CATALOGUE
from features.profile import build
from features.snapshot import read_spine, write_snapshot
from features.spine import customers_as_of, extent, month_ends

app = application("List the features, build profiles as of any day.")


@app.command("catalogue")
def show_catalogue() -> None:
    """Print every feature: subject, name, unit, window, class, sentence."""
    rows = [
        (f.subject, f.name, f.unit, f.days or "ever", f.data_class, f.sentence)
        for f in CATALOGUE.values()
    ]
    heads = ("subject", "feature", "unit", "days", "class", "sentence")
    show_table(f"{len(rows)} features", heads, rows)


@app.command("build")
def build_profiles(
    as_of: Annotated[str, typer.Option(help="Day, YYYY-MM-DD; default: the last month-end.")] = "",
    count: Annotated[int, typer.Option(min=1, help="Month-ends up to that day.")] = 1,
    spine: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of customer_id and as_of instead.")
    ] = None,
) -> None:
    """Build an immutable snapshot of profiles with its lineage."""
    warehouse = Warehouse()
    if spine is not None:
        rows = read_spine(spine)
    else:
        day = _day(as_of) if as_of else month_ends(extent(warehouse)[1], 1)[0]
        days = [day] if count == 1 else month_ends(day, count)
        rows = customers_as_of(warehouse, days)
    with progress("profiles") as report:
        profiles = build(warehouse, rows, progress=report)
    snapshot = write_snapshot(profiles)
    out.print(f"{len(rows):,} profiles of {len(profiles.features)} features in {snapshot.folder}")
    for name, reason in profiles.absent.items():
        err.print(f"absent: {name}: {reason}")
    for name, reason in profiles.stale.items():
        err.print(f"stale: {name}: {reason}", soft_wrap=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FeatureError(f"--as-of {text} is not a day; write it as YYYY-MM-DD.") from None


if __name__ == "__main__":
    run(app, "./zhike features")

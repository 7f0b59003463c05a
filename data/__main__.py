"""Commands of the data floor: simulate a bank, load a source, show tables and rejects."""

from pathlib import Path
from typing import Annotated

import typer

from data.contracts import KINDS
from data.documentation import tables_page
from data.errors import ConfigurationError
from data.loading import Loaded, load
from data.simulation import Format, simulate
from data.sources import SOURCES, open_source
from data.terminal import application, note, out, plain, progress, run, show_table
from data.warehouse import Warehouse

app = application("Simulate a bank, load a source, show what was loaded.")


@app.command("simulate")
def simulate_bank(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    customers: Annotated[int, typer.Option(min=1, help="Customers.")] = 5_000,
    months: Annotated[int, typer.Option(min=1, help="Months of history.")] = 48,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    form: Annotated[Format, typer.Option("--format", help="parquet or csv.")] = "parquet",
) -> None:
    """Write a simulated bank in the layouts of its four systems."""
    with progress("simulating") as report:
        simulate(
            out_folder,
            customers=customers,
            months=months,
            seed=seed,
            form=form,
            progress=lambda done, total: report("", done, total),
        )
    told = f"simulated {customers:,} customers over {months} months in {out_folder}"
    out.print(plain(told), soft_wrap=True)


@app.command("load")
def load_source(
    folder: Annotated[Path, typer.Argument(help="Folder that holds the files.")],
    source: Annotated[str, typer.Option(help=f"One of {', '.join(SOURCES)}.")] = "canonical",
    replace: Annotated[bool, typer.Option(help="Start from an empty warehouse.")] = False,
    reject_limit: Annotated[
        float, typer.Option(min=0, max=1, help="Share of broken rows that refuses a file.")
    ] = 0.5,
) -> None:
    """Load a source's files and account for every row."""
    opened = open_source(source, folder)
    with progress("loading") as report:
        loaded = load(
            opened, Warehouse(), replace=replace, reject_limit=reject_limit, progress=report
        )
    show_reconciliation(loaded)
    if records := Warehouse().unidentified():
        note(
            f"{records:,} records of several systems stand for themselves until"
            " ./zhike features identify finds which of them are one customer"
        )
    for file, reason in opened.refused.items():
        note(f"refused as a source of features: {file}: {reason}")


def show_reconciliation(loaded: Loaded) -> None:
    """Print, by file or folder of files, rows in = accepted + rejected + duplicate."""
    counts: dict[str, list[int]] = {}
    for file in loaded.files:
        folder, slash, _ = file.file.partition("/")
        sums = counts.setdefault(folder + slash, [0, 0, 0, 0])
        for place, rows in enumerate((file.rows_in, file.accepted, file.rejected, file.duplicate)):
            sums[place] += rows
    total = [sum(column) for column in zip(*counts.values(), strict=True)]
    show_table(
        "Rows in = accepted + rejected + duplicate",
        ("file", "rows in", "accepted", "rejected", "duplicate"),
        [(name, *sums) for name, sums in {**counts, "all files": total}.items()],
    )
    for name, rows in loaded.withdrawn.items():
        note(f"{rows:,} {name} accepted earlier were withdrawn, contradicted by what came now")
    for warning in loaded.warnings:
        note(f"note: {warning}")
    if total[2] or loaded.withdrawn:
        note(f"{total[2]:,} rows were rejected: ./zhike data rejects shows where and why")


@app.command("tables")
def show_tables() -> None:
    """Show the tables of the warehouse, their rows, and the days that they lack or got late."""
    manifest = Warehouse().manifest
    rows = [(name, sum(b.rows for b in manifest.of(name))) for name in manifest.tables]
    show_table(
        f"Warehouse {manifest.digest[:12]}, source {manifest.source}", ("table", "rows"), rows
    )
    named = [(day.table, "missing", str(day.day)) for day in manifest.gaps]
    named += [(day.table, "came late", str(day.day)) for day in manifest.late]
    if named:
        show_table("Daily files", ("table", "what", "day"), named)


@app.command("rejects")
def show_rejects(
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 50,
) -> None:
    """Show the rows that were set aside: file, line, column and reason."""
    rows = Warehouse().rejects(limit)
    show_table("Rejects", ("file", "line", "column", "reason"), rows)


@app.command("contracts")
def show_contracts(
    write: Annotated[Path | None, typer.Option(help="Write the page to this file.")] = None,
) -> None:
    """Print the page that documents the canonical tables column by column."""
    page = tables_page(KINDS)
    if write is None:
        print(page, end="")
    elif not write.parent.is_dir():
        raise ConfigurationError(f"{write.parent} is not a folder; make it first.")
    else:
        write.write_text(page)


if __name__ == "__main__":
    run(app, "./zhike data")

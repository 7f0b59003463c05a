"""The command that trains a model on one file of finished columns."""

import json
from pathlib import Path
from typing import Annotated

import typer

from data.database import migrated
from data.errors import ConfigurationError
from data.terminal import out, plain, progress, show_table
from training import actors, life
from training.judge import Judgement
from training.tables.preparing import QUESTIONS, Asked, Question
from training.tables.run import TableModel, train_table


def table(
    file: Annotated[Path, typer.Argument(help="One CSV or Parquet file.")],
    id: Annotated[str, typer.Option("--id", help="Column: whose row it is.")],  # noqa: A002
    target: Annotated[str, typer.Option(help="Column: what happened, 0 or 1, or an amount.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the release; empty.")],
    time: Annotated[str, typer.Option(help="Column: the as-of day; then out of time.")] = "",
    question: Annotated[
        str, typer.Option(help=f"{', '.join(QUESTIONS)}; an amount: lifetime_value.")
    ] = "outcome",
    columns: Annotated[Path | None, typer.Option(help="TOML file that declares columns.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Use a column though it looks like a leak, or is protected."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model; default: the file's.")] = "",
    actor: Annotated[str, typer.Option(help="Who trains and signs; default: operator.")] = "",
) -> None:
    """Train a model on a bank's own table of features; the last line is JSON."""
    asked = Asked(
        path=file,
        id=id,
        target=target,
        out=folder,
        time=time,
        question=_question(question),
        declared=columns,
        allowed=tuple(allow or ()),
        name=name,
    )
    database = migrated()
    signer = actors.actor(database, actor) if actor else actors.available(database, "operator")
    with progress("table") as report:
        made = train_table(asked, report)
    life.sign(database, made.folder, signer)
    show(made)
    print(json.dumps(made.summary(), allow_nan=False))


def _question(named: str) -> Question:
    found = [question for question in QUESTIONS if question == named]
    if not found:
        raise ConfigurationError(f"--question {named}: choose one of {', '.join(QUESTIONS)}.")
    return found[0]


def show(made: TableModel) -> None:
    """Print what became of the rows and columns, and how well the model does."""
    card = made.card
    rows = [("used", made.rows_used), *sorted(card.lineage.left_out.items())]
    show_table(f"{made.rows_in:,} rows in {card.lineage.source}", ("rows", "count"), rows)
    show_table(
        f"{len(card.columns)} columns are features",
        ("column", "kind", "categories", "direction", "data"),
        [
            (
                one.name,
                one.kind,
                len(one.categories) or "",
                _DIRECTIONS[one.direction],
                one.data_class,
            )
            for one in card.columns
        ],
    )
    if card.unused:
        show_table("Columns that are not used", ("column", "why"), list(card.unused.items()))
    figures = [_figures("this model", made.judgement)]
    if made.protection:
        figures.append(_figures(made.protection.difference.rival, made.protection.other))
    show_table(f"Judged {made.judgement.protocol}", _HEADS, figures)
    for rival in (made.judgement.benchmark, made.protection and made.protection.difference):
        if rival:
            low, high = rival.interval
            told = f"{rival.difference:+.4f} to {rival.rival}, 95 % {low:+.4f} to {high:+.4f}"
            out.print(plain(told))
    out.print(plain(f"{card.name} version {card.version} in {made.folder}"), soft_wrap=True)


_DIRECTIONS = {1: "raises only", -1: "lowers only", 0: "free"}
_HEADS = ("model", "figure", "95 %", "slope", "95 %", "O/E", "95 %")


def _figures(named: str, found: Judgement) -> tuple[str, ...]:
    main = "auc" if "auc" in found.metrics else "normalised_gini"
    cells = [named]
    for key in (main, "calibration_slope", "o_e"):
        low, high = found.intervals[key]
        cells += [f"{found.metrics[key]:.4f}", f"{low:.3f} to {high:.3f}"]
    return tuple(cells)

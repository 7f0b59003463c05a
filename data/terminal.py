"""The command line's manners: one sentence for an error, a bar for a wait, a table for counts."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, NoReturn
from unicodedata import category

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from data.errors import ZhikeError

Report = Callable[[str, int, int], None]

PAPER = 140  # columns where the output is no terminal

err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PAPER)
out = Console(highlight=False, width=None if sys.stdout.isatty() else PAPER)


def application(about: str) -> typer.Typer:
    """A command group whose help is ``about``."""
    return typer.Typer(
        help=about, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


def run(app: typer.Typer, name: str) -> None:
    """Run a command group; an error meant for people becomes one sentence and exit status 2."""
    try:
        app(prog_name=name)
    except ZhikeError as error:
        _fail(str(error))
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        _fail(f"{named}{error.strerror or error}.")
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _fail(sentence: str) -> NoReturn:
    err.print(f"[bold red]error[/]: {plain(sentence)}", soft_wrap=True)
    sys.exit(2)


def note(sentence: str) -> None:
    """Print a remark on the error stream, on one line."""
    err.print(plain(sentence), soft_wrap=True)


def plain(text: str) -> str:
    """A text from outside, fit to be printed: no markup, no control characters."""
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return escape("".join(ascii(c)[1:-1] if category(c) in hidden else c for c in text))


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """Progress on the error stream, a bar or lines; the report takes (step, done, total)."""
    began = monotonic()
    if err.is_terminal:
        with _bar(title) as report:
            yield report
    else:
        yield _lines(title)
    note(f"{title}: done in {monotonic() - began:.1f} s")


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(step: str, done: int, total: int) -> None:
            label = f"{title}: {step}" if step else title
            bar.update(task, description=plain(label)[:34], completed=done, total=total)

        yield report


def _lines(title: str) -> Report:
    """One line when the step changes, or every quarter of one without steps."""
    told: set[str] = set()

    def report(step: str, done: int, total: int) -> None:
        mark = step or f"{4 * done // max(total, 1) * 25} %"
        if mark not in told:
            told.add(mark)
            note(f"{title}: {mark}" + (f" ({done} of {total})" if step else ""))

    return report


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table; numbers stand to the right."""
    out.print(plain(title), style="italic", soft_wrap=True)
    table = Table(header_style="bold")
    for position, column in enumerate(columns):
        numeric = all(isinstance(row[position], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(f"{c:,}" if isinstance(c, int) else plain(str(c)) for c in row))
    out.print(table)

"""Commands of the serving floor: score the book, one customer, serve, keys, the audit chain."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from data.audit import first_broken
from data.database import migrated
from data.errors import ConfigurationError, ZhikeError
from data.terminal import application, out, progress, run, show_table
from data.warehouse import Warehouse
from serving.answering import answer, as_json
from serving.book import BookRun, score_book
from serving.inline import load_tables
from serving.keys import make_key
from serving.scoring import Scorer
from serving.service import listen, serve

app = application("Score the book or one customer, serve the API, make keys, verify the audit.")


@app.command("score-book")
def score_whole_book(
    as_of: Annotated[str, typer.Option(help="Day, YYYY-MM-DD; default: the newest.")] = "",
) -> None:
    """Profile, publish and score every customer; one audit record."""
    try:
        day = date.fromisoformat(as_of) if as_of else None
    except ValueError:
        raise ConfigurationError(f"--as-of {as_of} is not a day; write YYYY-MM-DD.") from None
    database = migrated()
    with progress("book") as report:
        book = score_book(Warehouse(), database, as_of=day, report=report)
    show_book(book)


def show_book(book: BookRun) -> None:
    """Print how many customers each model scored, and why not the others."""
    rows = [
        (name, count, ", ".join(f"{n:,} {why}" for why, n in book.aside[name].items()))
        for name, count in book.scored.items()
    ]
    title = f"The book as of {book.as_of}: {book.customers:,} customers"
    show_table(title, ("model", "scored", "not scorable"), rows)
    out.print(f"contributions in {book.folder}, audit record {book.audit_sequence}")


@app.command("score")
def score_customer(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
) -> None:
    """Print one customer's scores with reasons as JSON."""
    given, _ = answer(Scorer.load(), migrated(), customer_id, actor="command line")
    print(as_json(given))


@app.command("serve")
def serve_api(
    host: Annotated[str, typer.Option(help="Loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    release: Annotated[
        list[Path] | None, typer.Option(help="Folder of a table's release to serve as well.")
    ] = None,
) -> None:
    """Serve the API until stopped."""
    listener = listen(host, port)
    scorer, database = Scorer.load(load_tables(release or [])), migrated()
    shown = listener.getsockname()
    out.print(f"serving on http://{shown[0]}:{shown[1]}")
    serve(listener, scorer, database)


@app.command("key")
def new_key(
    name: Annotated[str, typer.Argument(help="Who will hold it.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it expires.")] = 90,
) -> None:
    """Make an API key and print it, for the only time."""
    print(make_key(migrated(), name, days))


@app.command("verify-audit")
def verify_audit() -> None:
    """Check the audit chain from its first record to its last."""
    broken = first_broken(migrated())
    if broken is not None:
        raise ZhikeError(f"the audit chain is broken at record {broken}.")
    out.print("the audit chain is whole")


if __name__ == "__main__":
    run(app, "./zhike serving")

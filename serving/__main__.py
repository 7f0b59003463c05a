"""Commands of the serving floor: score the book, one customer, serve, keys, the audit chain."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data.audit import first_broken
from data.database import migrated
from data.errors import ConfigurationError, ZhikeError
from data.terminal import application, note, out, plain, progress, run, show_table
from data.warehouse import Warehouse
from features import spark
from serving.answering import answer, as_json
from serving.book import BookRun, cluster, newest_book, publish_newest, score_book
from serving.book.reading import scores_of
from serving.book.replay import replay
from serving.book.run import Engine, here
from serving.inline import load_tables
from serving.keys import make_key
from serving.publication import manifest_now, published
from serving.reasons import Language
from serving.refusals import Jurisdiction, refuse
from serving.scoring import Scorer
from serving.service import listen, serve
from serving.stress import stress

app = application("Score the book or one customer, serve the API, make keys, verify the audit.")


class Chosen(StrEnum):
    """The engines to choose from."""

    LOCAL = "local"
    SPARK = "spark"


@app.command("score-book")
def score_whole_book(
    as_of: Annotated[str, typer.Option(help="Day, YYYY-MM-DD; default: the newest.")] = "",
    engine: Annotated[Chosen, typer.Option(help="What scores.")] = Chosen.LOCAL,
    master: Annotated[str, typer.Option(help="Where Spark runs: local[*], spark://...")] = "",
) -> None:
    """Profile, score and publish every customer; one audit record. Takes up a run that was killed."""
    if master and engine is not Chosen.SPARK:
        raise ConfigurationError(f"--master {master} goes with --engine spark only.")
    try:
        day = date.fromisoformat(as_of) if as_of else None
    except ValueError:
        raise ConfigurationError(f"--as-of {as_of} is not a day; write YYYY-MM-DD.") from None
    database = migrated()
    with progress("book") as report, _opened(engine, master) as scores:
        book = score_book(Warehouse(), database, as_of=day, report=report, engine=scores)
    show_book(book)


@contextmanager
def _opened(engine: Chosen, master: str) -> Iterator[Engine]:
    if engine is Chosen.LOCAL:
        yield here
    else:
        with spark.session(master or "local[*]") as session:
            yield cluster.on(session)


@app.command("book")
def show_customer_in_book(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    language: Annotated[Language, typer.Option(help="Of the reasons.")] = "en",
) -> None:
    """Print what the published book says of a customer, with its top reasons."""
    day, found = scores_of(migrated(), customer_id, language)
    out.print(f"Customer {plain(customer_id)} in the book as of {day}")
    for score in found:
        value = "in default" if score.value is None else _read(score.value, score.unit)
        grade = f", grade {score.grade}" if score.grade else ""
        out.print(f"\n{score.model}, version {score.version}: {value}{grade}")
        for sentence in score.reasons:
            out.print(f"  {plain(sentence)}", soft_wrap=True)


def _read(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "probability" else f"{value:,.0f} {unit}"


@app.command("replay-book")
def replay_customer_of_book(
    sequence: Annotated[int, typer.Argument(help="The book's audit record.")],
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
) -> None:
    """Work a customer's scores of a book out again from its audit record, and compare every bit."""
    found = replay(migrated(), sequence, customer_id)
    if odd := [one.model for one in found if not one.same]:
        raise ZhikeError(
            f"worked out again, {', '.join(odd)} differ from what the book of record {sequence}"
            " holds: the code or a library is not the one that scored."
        )
    out.print(f"{len(found)} answers of audit record {sequence} are the same, bit for bit")


@app.command("publish")
def publish_profiles() -> None:
    """Put the snapshot of profiles that was built last before the service, switched at once."""
    snapshot, day, count = publish_newest(Warehouse(), migrated())
    out.print(f"{count:,} profiles as of {day} from {snapshot.folder} are published")


def show_book(book: BookRun) -> None:
    """Print how many customers each model scored, and why not the others."""
    rows = [
        (name, count, ", ".join(f"{n:,} {why}" for why, n in book.aside[name].items()))
        for name, count in book.scored.items()
    ]
    title = f"The book as of {book.as_of}: {book.customers:,} customers"
    show_table(title, ("model", "scored", "not scorable"), rows)
    if book.resumed:
        out.print(f"{book.resumed} of {book.parts} parts stood already, from a run before")
    out.print(f"contributions in {book.folder}, audit record {book.audit_sequence}")


@app.command("stress")
def stress_book(
    shift: Annotated[
        float, typer.Option(min=-5.0, max=5.0, help="Added to every customer's log-odds.")
    ],
) -> None:
    """Show the expected loss of the newest book before and after a shift of the log-odds."""
    found = stress(newest_book(migrated()), shift)
    rows = [
        (
            one.currency,
            f"{one.customers:,}",
            f"{one.pd:.2%}",
            f"{one.stressed_pd:.2%}",
            *(f"{v:,.0f}" for v in (one.ead, one.expected, one.stressed, one.in_default)),
        )
        for one in found
    ]
    heads = ("", "customers", "mean PD", "after", "EAD", "EL", "EL after", "EL of grade D")
    show_table(f"Log-odds of default {shift:+g}", heads, rows)


@app.command("score")
def score_customer(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    language: Annotated[Language, typer.Option(help="Of the reasons.")] = "en",
) -> None:
    """Print one customer's scores with reasons as JSON."""
    given, _ = answer(
        Scorer.load(), migrated(), customer_id, language=language, actor="command line"
    )
    print(as_json(given))


@app.command("refusal")
def explain_refusal(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    cut_off: Annotated[float, typer.Option(help="Chance of default that is refused.")],
    language: Annotated[Language, typer.Option(help="Of the notice.")] = "en",
    jurisdiction: Annotated[Jurisdiction, typer.Option(help="Whose wording.")] = "general",
) -> None:
    """Print why credit is refused: one to four reasons, each verified by scoring anew."""
    profile, _ = published(migrated(), customer_id, manifest_now())
    model = Scorer.load().model("credit_risk", profile)
    found = refuse(
        model, profile.row(model.release.card.features), cut_off,
        language=language, jurisdiction=jurisdiction,
    )  # fmt: skip
    out.print(plain(found.notice), soft_wrap=True)
    for reason, anew in zip(found.reasons, found.rescored, strict=True):
        said = f"{reason.group} at the baseline: {found.value:.2%} becomes {anew:.2%}"
        note(plain(said))


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

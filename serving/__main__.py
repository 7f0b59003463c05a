"""Commands of the serving floor: score the book, one customer, serve, keys, the audit chain."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from data.audit import verify
from data.audit.checkpoints import checkpoint
from data.backup import backup, restore
from data.database import Database, migrated
from data.errors import ConfigurationError, ZhikeError
from data.terminal import application, note, out, plain, progress, run, show_table
from data.warehouse import Warehouse, canonical_json
from features import spark
from serving import reasons_page
from serving.access import commands as access
from serving.answering import answer, as_json
from serving.api.app import application as api
from serving.api.description import described
from serving.baselines import Kind
from serving.book import BookRun, cluster, newest_book, publish_newest, score_book
from serving.book.reading import scores_of
from serving.book.replay import replay as replay_book
from serving.book.run import Engine, here
from serving.changes import change
from serving.inline import load_tables
from serving.lists import commands
from serving.moves import IN_ALL, Asked, moved_by, why_moved
from serving.reasons import Language, said
from serving.refusals import Jurisdiction, refusal
from serving.releases import Served
from serving.replay import replay
from serving.scoring import Scorer
from serving.service import listen, opened, serve
from serving.stress import stress
from serving.warming import warm
from serving.work import Worker
from serving.workers import supervise, work

app = application("Score the book or one customer, serve the API, make keys, verify the audit.")
app.add_typer(commands.app, name="list")
app.add_typer(commands.policy, name="policy")


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
    day = _day("--as-of", as_of) if as_of else None
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
    found = replay_book(migrated(), sequence, customer_id)
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
    cut_off: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance of default that is refused.")
    ],
    language: Annotated[Language, typer.Option(help="Of the notice.")] = "en",
    jurisdiction: Annotated[Jurisdiction, typer.Option(help="Whose wording.")] = "general",
    baseline: Annotated[
        Kind, typer.Option(help="Compared with all, or with those just within the cut-off.")
    ] = "all",
) -> None:
    """Print why credit is refused: one to four reasons, each verified by scoring anew."""
    found, _ = refusal(
        Scorer.load(), migrated(), customer_id, cut_off, language=language,
        jurisdiction=jurisdiction, compared=baseline, actor="command line",
    )  # fmt: skip
    for line in found.notice.splitlines():
        out.print(plain(line), soft_wrap=True)
    for reason, anew in zip(found.reasons, found.rescored, strict=True):
        note(f"{reason.group} at the baseline: {found.value:.2%} becomes {anew:.2%}")


@app.command("what-would-change")
def show_change(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    question: Annotated[str, typer.Option(help="credit_risk or churn, or a model of theirs.")],
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance to come below, from 0 to 1.")
    ],
    language: Annotated[Language, typer.Option(help="Of the answer.")] = "en",
    as_json_line: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Print the least that the customer, or the bank, could do to take a score below a threshold."""
    found, _ = change(
        Scorer.load(), migrated(), customer_id, question, threshold,
        language=language, actor="command line",
    )  # fmt: skip
    if as_json_line:
        print(canonical_json(found.model_dump(mode="json", exclude_none=True)))
        return
    out.print(plain(found.text), soft_wrap=True)
    for step in found.smallest.steps if found.smallest else []:
        for moved in step.moved:
            out.print(f"  {plain(moved.text)}", soft_wrap=True)
    for other in found.others or []:
        shown = f"{other.steps[0].text}: {other.value:.2%}"
        out.print(plain(shown), soft_wrap=True)
    note(found.statement)


@app.command("why-moved")
def show_movement(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    question: Annotated[str, typer.Option(help="A model, such as churn or propensity.fund.")],
    since: Annotated[str, typer.Option("--from", help="The earlier day, YYYY-MM-DD.")],
    until: Annotated[str, typer.Option("--to", help="The later day, YYYY-MM-DD.")],
    old_version: Annotated[
        str, typer.Option(help="Version that answered then; default: as the book of that day.")
    ] = "",
    new_version: Annotated[str, typer.Option(help="The same of the later day.")] = "",
    language: Annotated[Language, typer.Option(help="Of the answer.")] = "en",
    as_json_line: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Print which reasons moved a score between two days; they add up to the difference."""
    days = _day("--from", since), _day("--to", until)
    asked = Asked(customer_id, question, *days, old_version, new_version)
    found, _ = why_moved(Scorer.load(), migrated(), asked, language=language, actor="command line")
    if as_json_line:
        print(canonical_json(found.model_dump(mode="json", exclude_none=True)))
        return
    out.print(plain(found.text), soft_wrap=True)
    for line in found.lines or []:
        shown = moved_by(line.shown, found.unit, language)
        out.print(f"  {shown:>9}  {plain(line.text)}", soft_wrap=True)
    if found.shown is not None:
        total = moved_by(found.shown, found.unit, language)
        out.print(f"  {total:>9}  {said(IN_ALL, language)}")
    for side in (found.before, found.after):
        note(f"{side.as_of}: version {side.version} ({side.grounds})")


@app.command("reasons-page")
def write_reasons_page(
    out_file: Annotated[Path, typer.Option("--out", help="The page to write.")],
    customers: Annotated[list[str] | None, typer.Argument(help="Which customers.")] = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many, where none is named.")] = 5,
) -> None:
    """Write a page of customers with all four answers and their reasons, in three languages."""
    scorer, database = Scorer.load(), migrated()
    chosen = customers or reasons_page.spread_out(database, count)
    told = reasons_page.sheets(scorer, database, chosen, actor="command line")
    reasons_page.write(told, out_file)
    out.print(f"{len(told)} customers in {plain(str(out_file))}; it names them: keep it safe")


def _day(option: str, given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise ConfigurationError(f"{option} {given} is not a day; write YYYY-MM-DD.") from None


@app.command("serve")
def serve_api(
    host: Annotated[str, typer.Option(help="Loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    release: Annotated[
        list[Path] | None, typer.Option(help="Folder of a table's release to serve as well.")
    ] = None,
    jobs: Annotated[bool, typer.Option(help="Work jobs off as well.")] = True,
) -> None:
    """Serve the API until stopped."""
    listener = listen(host, port)
    shown = listener.getsockname()

    def ready() -> None:
        out.print(f"serving on http://{shown[0]}:{shown[1]}")

    if workers > 1:
        options = [word for folder in release or [] for word in ("--release", str(folder))]
        supervise(listener, workers, [*options, "--jobs" if jobs else "--no-jobs"], ready)
    else:
        database = opened(listener)
        served = _released(database, release)
        warm(served.current, database)
        serve(listener, served, database, jobs=jobs, ready=ready)


def _released(database: Database, tables: list[Path] | None) -> Served:
    """The champions, and tables' releases beside them; what is refused is told."""
    served = Served.open(database, load_tables(tables or []))
    for fault in served.degraded:
        note(fault)
    return served


@app.command("worker", hidden=True)
def serve_as_worker(
    listener: Annotated[int, typer.Argument(help="Descriptor of the socket.")],
    line: Annotated[int, typer.Argument(help="Descriptor of the line to the supervisor.")],
    release: Annotated[list[Path] | None, typer.Option()] = None,
    jobs: Annotated[bool, typer.Option()] = True,
) -> None:
    """Be one of several processes that answer; started by their supervisor."""
    work(listener, line, lambda database: _released(database, release), jobs=jobs)


@app.command("work")
def work_jobs_off() -> None:
    """Work jobs off until stopped; several may, here and on other machines that share the home."""
    database, stop = migrated(), threading.Event()
    served = Served.open(database)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    out.print("working jobs off")
    with served.watching():
        Worker(database, lambda: served.current).run(stop)


app.add_typer(access.keys, name="key")
app.command("end-session")(access.end_session)
app.command("roles")(access.show_roles)


@app.command("replay")
def replay_record(
    number: Annotated[int, typer.Argument(min=1, help="The audit record.")],
    release: Annotated[
        list[Path] | None, typer.Option(help="Folder of a table's release outside the home.")
    ] = None,
) -> None:
    """Work the answers of an audit record out again, and compare every bit."""
    found = replay(migrated(), number, [*load_tables(release or []).values()])
    if found.status in ("different", "impossible"):
        raise ZhikeError(f"{found}.")
    out.print(plain(str(found)), soft_wrap=True)


@app.command("checkpoint")
def state_heads() -> None:
    """Sign where every audit chain ends now; print the digest, for paper or a medium written once."""
    made = checkpoint(migrated())
    out.print(f"checkpoint {made.number}: {made.digest}", soft_wrap=True)


@app.command("openapi")
def describe_api() -> None:
    """Print what the API offers, as OpenAPI."""
    typer.echo(json.dumps(described(api(Scorer({}, {}), Database())), indent=1, ensure_ascii=False))


@app.command("backup")
def back_up(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Copy the database as of one moment, the releases and the audit's checkpoints."""
    out.print(f"{len(backup(migrated(), folder)):,} files in {plain(str(folder))}; keep it safe")


@app.command("restore")
def bring_back(folder: Annotated[Path, typer.Argument(help="A folder that backup made.")]) -> None:
    """Bring a backup back to an empty database and an empty ZHIKE_HOME."""
    count = restore(Database(), folder)
    out.print(f"{count:,} files are back; check them with ./zhike serving verify-audit")


@app.command("verify-audit")
def verify_audit() -> None:
    """Check every audit chain, the payloads as sealed, and the checkpoints with their copy."""
    found = verify(migrated())
    if found.faults:
        raise ZhikeError(f"the audit is not whole. {' '.join(found.faults)}")
    out.print(
        f"the audit is whole. Records: {found.records:,}; chains: {len(found.ends):,};"
        f" checkpoints: {found.checkpoints:,}"
    )
    if found.newer:
        note(f"newer than the last checkpoint, so that a cut would not be found: {found.newer:,}")
    if found.lag:
        note(f"checkpoints that the next one adds to the file: {found.lag:,}")


if __name__ == "__main__":
    run(app, "./zhike serving")

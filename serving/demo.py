"""The demo: from source files to four scores with reasons, then the API."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from data.__main__ import show_reconciliation
from data.database import Database, migrated
from data.errors import ConfigurationError, TrainingError
from data.loading import load
from data.settings import settings
from data.simulation import simulate
from data.sources import SOURCES, open_source
from data.terminal import application, note, out, plain, progress, run
from data.warehouse import Warehouse
from features.__main__ import show_identified
from features.identity.run import identify
from serving.__main__ import show_book
from serving.access.keys import make_key
from serving.access.roles import Role
from serving.answering import answer, as_json
from serving.book import BookRun, score_book
from serving.releases import Served
from serving.scoring import Answer, Score, Scorer
from serving.service import listen, serve
from serving.standings import why_not
from training import actors, life, release
from training.__main__ import promote_all, show_outcomes
from training.labels import SCORABLE
from training.run import Trained, train

app = application("From source files to four scores with reasons, then the API.")
# Whoever tries the demo may ask for scores, and look an answer up in the audit log.
DEMO_ROLES = (Role.SYSTEM, Role.AUDITOR)


@dataclass(frozen=True)
class Plan:
    """What to demonstrate on."""

    source: str
    folder: Path
    customers: int
    months: int
    seed: int


@app.command()
def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the source's files; none when simulated.")
    ] = None,
    source: Annotated[str, typer.Option(help=f"One of {', '.join(SOURCES)}.")] = "simulated",
    customers: Annotated[int, typer.Option(min=1, help="Customers to simulate.")] = 5_000,
    months: Annotated[int, typer.Option(min=1, help="Months to simulate.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bank.")] = 1,
    serving: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve at the end.")] = True,
    as_json_line: Annotated[
        bool, typer.Option("--json", help="One JSON object as the last line; does not serve.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on.")] = 8000,
) -> None:
    """Simulate or read a bank, load, identify, train, score the book, explain one customer."""
    plan = _plan(source, folder, customers, months, seed)
    listener = listen("127.0.0.1", port) if serving and not as_json_line else None
    database = migrated()
    _load(plan)
    with progress("identifying") as report:
        show_identified(identify(Warehouse(), database, actor="demo", report=report))
    _train(database)
    with progress("book") as report:
        book = score_book(Warehouse(), database, actor="demo", report=report)
    show_book(book)
    scorer = Scorer.load()
    given, _ = answer(scorer, database, _customer_for_all(book, scorer), actor="demo")
    show_answer(given)
    if as_json_line:
        print(as_json(given))
    if listener:
        key = _local_key(database)
        host, number = listener.getsockname()[:2]
        _show_curl(host, number, key, given.customer_id)
        serve(listener, Served.open(database), database)


def _plan(source: str, folder: Path | None, customers: int, months: int, seed: int) -> Plan:
    if source not in SOURCES:
        raise ConfigurationError(f"--source {source}: choose one of {', '.join(SOURCES)}.")
    if source != "simulated" and folder is None:
        raise ConfigurationError(f"--source {source} needs the folder of its files: DIR.")
    if source == "simulated":
        if folder is not None:
            raise ConfigurationError(
                f"the simulated bank reads no folder ({folder}); name its source with --source."
            )
        folder = settings().home / "simulated" / f"{customers}-{months}-{seed}"
    return Plan(source, folder or Path(), customers, months, seed)


def _load(plan: Plan) -> None:
    warehouse = Warehouse()
    if plan.source == "simulated":
        shutil.rmtree(plan.folder, ignore_errors=True)
        with progress("simulating") as report:
            simulate(
                plan.folder,
                customers=plan.customers,
                months=plan.months,
                seed=plan.seed,
                progress=lambda done, total: report("", done, total),
            )
    opened = open_source(plan.source, plan.folder)
    with progress("loading") as report:
        loaded = load(opened, warehouse, replace=True, progress=report)
    release.retire_all()
    show_reconciliation(loaded)
    for file, reason in opened.refused.items():
        note(f"refused as a source of features: {file}: {reason}")
    for remark in opened.notes:
        note(f"note: {remark}")


def _train(database: Database) -> None:
    """Train as one person, approve as another, promote what passes its gates."""
    trainer = actors.available(database, "demo-trainer")
    approver = actors.available(database, "demo-approver")
    with progress("training") as report:
        outcomes = train(Warehouse(), trainer=trainer.name, report=report)
    show_outcomes(outcomes)
    trained = [outcome for outcome in outcomes if isinstance(outcome, Trained)]
    for outcome in trained:
        life.vouch(database, outcome.name, outcome.version, trainer, approver)
    if not promote_all(database, trained, "demo"):
        raise TrainingError("no question has a champion; the reasons stand above.")


def _customer_for_all(book: BookRun, scorer: Scorer) -> str:
    """A customer whom the most questions fit, then the most models; of equals the first."""
    fits: dict[str, list[str]] = {}
    for name in scorer.models:
        table = pq.read_table(book.folder / f"{name}.parquet", columns=["customer_id", "status"])
        for customer, status in zip(*(c.to_pylist() for c in table.columns), strict=True):
            fits.setdefault(customer, []).extend([name] if status == SCORABLE else [])

    def breadth(customer: str) -> tuple[int, int]:
        names = fits[customer]
        return len({name.partition(".")[0] for name in names}), len(names)

    return max(sorted(fits), key=breadth)


def show_answer(given: Answer) -> None:
    """Print a customer's scores and the reasons for each."""
    out.print(f"\n[bold]Customer {plain(given.customer_id)} as of {given.as_of}[/]")
    for question, told in given.scores.items():
        if isinstance(told, Score):
            _show_score(question, told)
        else:
            for product, score in told.items():
                _show_score(f"{question}: {product}", score)


def _show_score(title: str, score: Score) -> None:
    name = f"[bold]{title.replace('_', ' ').replace('.', ': ')}[/]"
    if score.value is None:
        why = why_not(score.reason or "", "en")
        out.print(f"\n{name}: {score.status.replace('_', ' ')}, {plain(why)}", soft_wrap=True)
        _show_credit(score)
        return
    read = f"{score.value:.1%}" if score.unit == "probability" else _amount(score)
    span = f"within {score.horizon:,} days" if score.horizon else "final status of the loan"
    mark = f", {score.status}" if score.status != "scored" else ""
    out.print(f"\n{name}: {read} ({span}{mark}){_others(score)}")
    _show_credit(score)
    for reason in score.reasons or []:
        out.print(f"  {_impact(reason.impact, score)}  {plain(reason.text)}", soft_wrap=True)


def _amount(score: Score) -> str:
    """An amount of money, and its interval where it has one."""
    if score.interval is None or score.coverage is None:
        return f"{score.value:,.0f} {score.unit}"
    low, high = score.interval
    return (
        f"{score.value:,.0f} {score.unit}, between {low:,.0f} and {high:,.0f} for"
        f" {score.coverage:.0%} of such customers"
    )


def _impact(impact: float, score: Score) -> str:
    """How far a reason moves the score: points of a percent, or money."""
    return f"{impact:+7.1%}" if score.unit == "probability" else f"{impact:+9,.0f}"


def _show_credit(score: Score) -> None:
    for note_ in score.notes or []:
        out.print(f"  {plain(note_)}", soft_wrap=True)
    told = score.credit
    if told is None:
        return
    line = f"  grade {told.grade} of {told.scale}, band {told.band}"
    if told.expected_loss is not None:
        line += (
            f"; EAD {told.ead:,.0f} {told.currency}, LGD {told.lgd:.0%},"
            f" expected loss {told.expected_loss:,.0f} {told.currency}"
        )
    out.print(line, soft_wrap=True)


def _others(score: Score) -> str:
    """The other horizons of a score, on the same line."""
    beside = [one for one in score.horizons or [] if one.horizon != score.horizon]
    return "".join(f", {one.value:.1%} within {one.horizon} days" for one in beside)


def _local_key(database: Database) -> Path:
    path = settings().home.resolve() / "demo-key"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(make_key(database, "demo", days=1, roles=DEMO_ROLES) + "\n")
    return path


def _show_curl(host: str, port: int, key: Path, customer_id: str) -> None:
    body = json.dumps({"customer_id": customer_id})
    out.print(f"\nServing on http://{host}:{port} until stopped (Ctrl-C). Try, in another window:")
    print(
        f"curl -s http://{host}:{port}/v1/scores -H 'Content-Type: application/json'"
        f" -H \"Authorization: Bearer $(cat {key})\" -d '{body}'",
        flush=True,
    )


if __name__ == "__main__":
    run(app, "./zhike demo")

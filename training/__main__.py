"""Commands of the training floor: train, sync, sign, approve, promote, roll back, retire, list."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from data.database import Database, migrated
from data.errors import ConfigurationError, RegistryError, TrainingError
from data.settings import settings
from data.terminal import application, note, out, plain, progress, run, show_table
from data.warehouse import Warehouse
from training import actors, life
from training.gates import COLUMNS, GateReport
from training.outbox import Outbox, waiting
from training.recipes import QUESTIONS
from training.release import champions, read
from training.run import NotTrained, Outcome, Seek, Trained, train
from training.tables.command import table

app = application("Train the questions, promote versions, show models.")


Promote = Annotated[bool, typer.Option("--promote", help="Promote what passes its gates.")]
Trainer = Annotated[
    str, typer.Option("--actor", help="Who trains, and signs the versions; default: operator.")
]
Operator = Annotated[str, typer.Option("--actor", help="Who does it, for the audit chain.")]
Search = Annotated[
    int, typer.Option("--search", min=0, help="Trials of a search for better parameters.")
]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0.0, help="No trial begins after so many; 0: no limit.")
]
Model = Annotated[str, typer.Argument(help="Model, such as churn.")]
Version = Annotated[str, typer.Argument(help="Its version.")]


@app.command("train")
def train_question(
    question: Annotated[
        str, typer.Option(help="all, a question, or a model such as propensity.fund.")
    ] = "all",
    champion: Promote = False,
    actor: Trainer = "",
    search: Search = 0,
    seconds: Seconds = 0.0,
) -> None:
    """Label, split, fit, judge and register the recipes of a question."""
    if seconds and not search:
        raise ConfigurationError("--seconds limits a search; say how many trials with --search.")
    database = migrated()
    trainer = actors.actor(database, actor) if actor else actors.available(database, "operator")
    with progress("training") as report:
        seek = Seek(search, seconds) if search else None
        outcomes = train(Warehouse(), question, trainer=trainer.name, report=report, seek=seek)
    show_outcomes(outcomes)
    trained = [outcome for outcome in outcomes if isinstance(outcome, Trained)]
    for outcome in trained:
        life.sign_as_trainer(database, outcome.name, outcome.version, trainer)
    if champion:
        promote_all(database, trained, trainer.name)
    if not trained:
        raise TrainingError("nothing was trained; the reasons stand above.")


def promote_all(database: Database, trained: list[Trained], actor: str) -> list[str]:
    """Promote what passes its gates, say of the others why not; names of the new champions."""
    promoted = []
    for outcome in trained:
        try:
            life.promote(database, outcome.name, outcome.version, actor=actor)
            promoted.append(outcome.name)
        except RegistryError as refusal:
            note(f"not promoted: {refusal}")
    return promoted


def _train_alone(question: str) -> Callable[[bool, str, int, float], None]:
    def train_it(
        champion: Promote = False, actor: Trainer = "", search: Search = 0, seconds: Seconds = 0.0
    ) -> None:
        train_question(question, champion, actor, search, seconds)

    return train_it


for _question in QUESTIONS:
    app.command(_question, help=f"Train {_question}: short for train --question {_question}.")(
        _train_alone(_question)
    )


app.command("table")(table)


@app.command("sync")
def sync_outbox() -> None:
    """Tell MLflow what it could not be told when it was down; mark what was interrupted failed."""
    with Outbox() as outbox:
        settled = outbox.sync()
    show_table(
        "Outbox", ("model", "version", "now"), [(s.name, s.version, s.told) for s in settled]
    )
    if left := waiting():
        names = ", ".join(f"{entry.name} {entry.version}" for entry in left)
        raise RegistryError(f"{names} could not be told; the reasons stand above.")


@app.command("actor")
def make_actor(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.")],
) -> None:
    """Make a person's key: the private half in a file of their own, the public one registered."""
    path = actors.make_actor(migrated(), name)
    out.print(f"{name} signs with {path}; whoever has this file can sign as {name}", soft_wrap=True)


@app.command("sign")
def sign_release(
    name: Annotated[str, typer.Argument(help="Model, or the folder of a table's release.")],
    version: Annotated[str, typer.Argument(help="Its version; none with a folder.")] = "",
    actor: Annotated[str, typer.Option(help="Who vouches for it.")] = "operator",
) -> None:
    """Vouch for a release that nobody has signed, or that comes from elsewhere."""
    database = migrated()
    signer = actors.actor(database, actor)
    found = life.sign(
        database, settings().releases / name / version if version else Path(name), signer
    )
    out.print(f"{actor} signed {plain(found.card.name)} version {found.card.version}")


@app.command("approve")
def approve_version(
    name: Model,
    version: Version,
    actor: Annotated[str, typer.Option(help="Who approves; not the trainer.")],
    artefact: Annotated[str, typer.Option(help="Digest of the release that was read.")] = "",
    report: Annotated[str, typer.Option(help="Digest of the report that was read.")] = "",
) -> None:
    """Sign a version and its validation report."""
    database = migrated()
    signer = actors.actor(database, actor)
    life.approve(database, name, version, signer, artefact=artefact, report=report)
    found = life.read(name, version)
    out.print(f"{actor} approved {name} version {version}")
    out.print(f"release {found.digest}\nreport  {found.report_digest}", soft_wrap=True)


@app.command("gates")
def show_version(name: Model, version: Version) -> None:
    """Show what the gates say of a version now, without promoting it."""
    show_gates(life.examine(migrated(), name, version))


@app.command("promote")
def promote_version(name: Model, version: Version, actor: Operator = "operator") -> None:
    """Make a version the champion if its gates hold."""
    database = migrated()
    show_gates(life.examine(database, name, version))
    life.promote(database, name, version, actor=actor)
    out.print(f"{name} version {version} is champion")


@app.command("rollback")
def roll_back(name: Model, actor: Operator = "operator") -> None:
    """Let the version answer again that answered before."""
    version = life.rollback(migrated(), name, actor=actor)
    out.print(f"{name} version {version} is champion again")


@app.command("retire")
def retire_version(name: Model, version: Version, actor: Operator = "operator") -> None:
    """Let a version never answer again; its release stays."""
    life.retire(migrated(), name, version, actor=actor)
    out.print(f"{name} version {version} is retired")


def show_gates(report: GateReport) -> None:
    """Print a gate report as a table, and what the gates that did not pass found."""
    title = f"Gates of {report.model} version {report.version}: {report.standing}"
    show_table(title, COLUMNS, report.rows())
    for gate in report.gates:
        if gate.verdict != "passed":
            out.print(plain(f"{gate.name}: {gate.finding}"), soft_wrap=True)


@app.command("models")
def show_models() -> None:
    """Show the champions: version, test figures, events."""
    cards = [read(folder).card for folder in champions().values()]
    rows = [
        (c.name, c.version, c.judgement["events"], _figure(c.judgement["metrics"]), c.label_version)
        for c in cards
    ]
    show_table("Champions", ("model", "version", "test events", "figure", "label"), rows)


def show_outcomes(outcomes: list[Outcome]) -> None:
    """Print what was trained with its figures, and what was not with its reason."""
    rows = [_judged(outcome) for outcome in outcomes if isinstance(outcome, Trained)]
    if rows:
        heads = ("model", "version", "judged on", "rows", "events", "figure", "95 %", "O/E", "")
        show_table("Trained", heads, rows)
    for outcome in outcomes:
        if isinstance(outcome, NotTrained):
            note(f"not trained: {outcome.name}: {outcome.reason}")
        else:
            for remark in outcome.remarks:
                note(remark)


def _judged(trained: Trained) -> tuple[object, ...]:
    found = trained.judgement
    low, high = found.interval
    return (
        trained.name,
        trained.version,
        found.protocol,
        found.rows,
        found.events,
        _figure(found.metrics),
        f"{low:.3f} to {high:.3f}",
        f"{found.metrics['o_e']:.2f}",
        "provisional" if trained.provisional else "",
    )


def _figure(metrics: dict[str, float]) -> str:
    if "auc" in metrics:
        return f"AUC {metrics['auc']:.3f}"
    return f"Gini {metrics['normalised_gini']:.3f}"


if __name__ == "__main__":
    run(app, "./zhike training")

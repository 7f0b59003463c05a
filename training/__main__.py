"""Commands of the training floor: train a question, promote a version, list what there is."""

from collections.abc import Callable
from typing import Annotated

import typer

from data.errors import TrainingError
from data.terminal import application, note, out, progress, run, show_table
from data.warehouse import Warehouse
from training.recipes import QUESTIONS
from training.release import champions, read
from training.run import NotTrained, Outcome, Trained, promote, train

app = application("Train the questions, promote versions, show models.")


Promote = Annotated[bool, typer.Option("--promote", help="Promote what passes its gates.")]


@app.command("train")
def train_question(
    question: Annotated[
        str, typer.Option(help="all, a question, or a model such as propensity.fund.")
    ] = "all",
    champion: Promote = False,
) -> None:
    """Label, split, fit, judge and register the recipes of a question."""
    with progress("training") as report:
        outcomes = train(Warehouse(), question, report=report)
    show_outcomes(outcomes)
    trained = [outcome for outcome in outcomes if isinstance(outcome, Trained)]
    if champion:
        for outcome in trained:
            promote(outcome.name, outcome.version)
    if not trained:
        raise TrainingError("nothing was trained; the reasons stand above.")


def _train_alone(question: str) -> Callable[[bool], None]:
    def train_it(champion: Promote = False) -> None:
        train_question(question, champion)

    return train_it


for _question in QUESTIONS:
    app.command(_question, help=f"Train {_question}: short for train --question {_question}.")(
        _train_alone(_question)
    )


@app.command("promote")
def promote_version(
    name: Annotated[str, typer.Argument(help="Model, such as churn.")],
    version: Annotated[str, typer.Argument(help="Version to become champion.")],
) -> None:
    """Make a version the champion if its gates hold."""
    for finding in promote(name, version):
        out.print(finding)
    out.print(f"{name} version {version} is champion")


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

"""Commands of the training floor: train a question, promote a version, list what there is."""

from typing import Annotated

import typer

from data.errors import TrainingError
from data.terminal import application, out, progress, run, show_table
from data.warehouse import Warehouse
from training.release import champions, read
from training.run import NotTrained, Outcome, Trained, promote, train

app = application("Train the questions, promote versions, show models.")


@app.command("train")
def train_question(
    question: Annotated[
        str, typer.Option(help="all, a question, or a model such as propensity.fund.")
    ] = "all",
    champion: Annotated[
        bool, typer.Option("--promote", help="Promote what passes its gates.")
    ] = False,
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
    rows = [
        (
            o.name,
            o.version,
            o.judgement.rows,
            o.judgement.events,
            f"{_figure(o.judgement.metrics)} ({o.judgement.interval[0]:.3f} to"
            f" {o.judgement.interval[1]:.3f})",
            f"{o.judgement.metrics['o_e']:.2f}",
            "provisional" if o.provisional else "",
        )
        for o in outcomes
        if isinstance(o, Trained)
    ]
    heads = ("model", "version", "test rows", "events", "figure (95 %)", "O/E", "")
    if rows:
        show_table("Trained, judged out of time on unseen customers", heads, rows)
    for outcome in outcomes:
        if isinstance(outcome, NotTrained):
            out.print(f"not trained: [bold]{outcome.name}[/]: {outcome.reason}")


def _figure(metrics: dict[str, float]) -> str:
    if "auc" in metrics:
        return f"AUC {metrics['auc']:.3f}"
    return f"Gini {metrics['normalised_gini']:.3f}"


if __name__ == "__main__":
    run(app, "./zhike training")

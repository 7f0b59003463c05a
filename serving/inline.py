"""Score features that come with the request, by the released model of a bank's own table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data.database import Database
from data.errors import ReleaseError, UnknownQuestion
from serving.reasons import Language
from serving.recording import PURPOSE, record
from serving.scoring import Model, Score, Scorer
from training.seal import Keys
from training.tables.columns import Value, coded


class InlineAnswer(BaseModel):
    """The score of features that were sent, and what was remarkable about them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: dict[str, Score]
    remarks: list[str]


def load_tables(folders: Sequence[Path], keys: Keys | None = None) -> dict[str, Model]:
    """Model name -> model of each release folder of a table.

    Args:
        keys: of registered actors; by default those of the database in force.

    Raises:
        ReleaseError: a folder that holds no such release, or two of one name.
    """
    found: dict[str, Model] = {}
    for folder in folders:
        model = Model.load(folder, keys)
        card = model.release.card
        if not card.columns:
            raise ReleaseError(
                f"{folder} is no release of a table; ./zhike training promote serves {card.name}."
            )
        if card.name in found:
            raise ReleaseError(
                f"{folder} and {found[card.name].release.folder} are both called {card.name};"
                " train one of them with another --name."
            )
        found[card.name] = model
    return found


def inline(model: Model, features: Mapping[str, Value], language: Language = "en") -> InlineAnswer:
    """The score of one row by name.

    Raises:
        BadFeatures: values that the model cannot read.
    """
    row, remarks = coded(model.release.card.columns, features)
    return InlineAnswer(
        scores={model.release.card.name: model.score(row, language=language)}, remarks=remarks
    )


def answer_inline(
    scorer: Scorer,
    database: Database,
    named: str,
    features: Mapping[str, Value],
    *,
    language: Language = "en",
    actor: str,
    purpose: str = PURPOSE,
) -> tuple[InlineAnswer, int]:
    """The score of features that were sent, and the sequence number of its audit record.

    Raises:
        UnknownQuestion: no table's model of this name is served.
        BadFeatures: values that the model cannot read.
    """
    if named not in scorer.tables:
        served = ", ".join(sorted(scorer.tables)) or "none; ./zhike serving serve --release DIR"
        raise UnknownQuestion(f"no such model of a table; served: {served}")
    model = scorer.tables[named]
    given = inline(model, features, language)
    number = record(
        database,
        "inline_answer",
        {named: model},
        {"language": language},
        {"model": named, "features": dict(features), "answer": given.model_dump(mode="json")},
        actor=actor,
        purpose=purpose,
        person=None,
    )
    return given, number

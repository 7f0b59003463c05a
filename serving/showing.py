"""What there is to ask: models, their versions and cards, and the features they read."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from data import audit
from data.database import Database
from data.errors import ReleaseError
from data.settings import settings
from features.catalogue import CATALOGUE
from features.definition import DataClass, Feature, Higher, Purpose, Unit
from features.reason_groups import GROUP_OF
from serving.reasons import Language, said
from serving.scoring import NAMES, Scorer
from serving.versions import folder_of
from training.release import PAGE, Release, ReleaseCard, read

# As training.life writes them; it is not imported, for it loads the registry.
_ANSWERS_SINCE = ("model_promoted", "model_rolled_back")
_LANGUAGES: tuple[Language, ...] = ("en", "zh-TW", "zh-CN")
Standing = Literal["answers", "kept", "damaged"]


class ModelShown(BaseModel):
    """A version of a model.

    Attributes:
        unit: of the value: probability, or a currency. ``horizon`` is in days.
        label_version: the contract of what is predicted, in words in ``outcome``.
        standing: whether it answers now, is kept, or is damaged and cannot answer.
        since: when it last became the version that answers.
        release: digest of the release.
        figures: of its judgement on customers it had not seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    standing: Standing
    question: str | None = None
    product: str | None = None
    unit: str | None = None
    horizon: int | None = None
    horizons: list[int] | None = None
    label_version: str | None = None
    population: str | None = None
    outcome: str | None = None
    provisional: bool | None = None
    since: datetime | None = None
    release: str | None = None
    figures: dict[str, float] | None = None


def models(scorer: Scorer, database: Database) -> list[ModelShown]:
    """The versions that answer now, those of tables among them."""
    since = _since(database)
    served = {**scorer.models, **scorer.tables}
    return [_shown(model.release, "answers", since) for _, model in sorted(served.items())]


def versions(scorer: Scorer, database: Database, name: str) -> list[ModelShown]:
    """All versions of a model that the home has, the oldest first; none of an unknown name."""
    since, now = _since(database), scorer.models.get(name)
    if name in scorer.tables:
        return [_shown(scorer.tables[name].release, "answers", since)]
    if name not in NAMES:
        return []
    return sorted(
        _versions(name, now.release.digest if now else "", since),
        key=lambda one: (len(one.version), one.version),
    )


def _versions(name: str, answers: str, since: Mapping[str, datetime]) -> Iterator[ModelShown]:
    for folder in (settings().releases / name).glob("[!.]*/"):
        try:
            release = read(folder)
        except ReleaseError:
            yield ModelShown(name=name, version=folder.name, standing="damaged")
        else:
            yield _shown(release, "answers" if release.digest == answers else "kept", since)


def _shown(release: Release, standing: Standing, since: Mapping[str, datetime]) -> ModelShown:
    card: ReleaseCard = release.card
    metrics = card.judgement.get("metrics") or {}
    return ModelShown(
        name=card.name,
        version=card.version,
        standing=standing,
        question=card.question,
        product=card.product,
        unit=card.unit,
        horizon=card.horizon_days,
        horizons=list(card.horizons) or None,
        label_version=card.label_version,
        population=card.population,
        outcome=card.outcome,
        provisional=card.provisional,
        since=since.get(release.digest),
        release=release.digest,
        figures={name: v for name, v in metrics.items() if isinstance(v, int | float)},
    )


def _since(database: Database) -> dict[str, datetime]:
    """Digest of a release -> when it last began to answer."""
    found = audit.records(database, _ANSWERS_SINCE)
    return {str(json.loads(record.body)["release"]): record.at for record in found}


def card(name: str, version: str) -> dict[str, Any]:
    """The validation report of a version, as it was approved.

    Raises:
        UnknownQuestion: there is no such model, or no such version of it.
        ReleaseError: it is damaged.
    """
    return read(folder_of(name, version)).report


def page(name: str, version: str) -> str:
    """The same as an HTML page, with the signatures that came later.

    Raises:
        UnknownQuestion, ReleaseError: as ``card``; or there is no page.
    """
    path = folder_of(name, version) / PAGE
    try:
        return path.read_text("utf-8")
    except OSError:
        raise ReleaseError(f"{path} is missing; restore the release from a backup.") from None


class FeatureShown(BaseModel):
    """A feature as the catalogue declares it.

    Attributes:
        window: days before the as-of date that it reads; None reads everything ever known.
        higher: what a higher value usually means.
        reasons, groups: how a reason names it, and the group of it, by language.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str
    unit: Unit
    window: int | None
    subject: str
    group: str | None
    higher: Higher
    data_class: DataClass
    purposes: tuple[Purpose, ...]
    reasons: dict[Language, str]
    groups: dict[Language, str] | None


def catalogued(group: str = "", after: str = "", limit: int = 100) -> list[FeatureShown]:
    """Some features of the catalogue in its order.

    Args:
        group: a reason group, or all.
        after: the feature before the first; none is after an unknown one.
        limit: how many at most.
    """
    names = list(CATALOGUE)
    start = names.index(after) + 1 if after in CATALOGUE else len(names) if after else 0
    wanted = [CATALOGUE[name] for name in names[start:] if not group or _group(name) == group]
    return [_feature(feature) for feature in wanted[:limit]]


def _group(name: str) -> str | None:
    return GROUP_OF[name].name if name in GROUP_OF else None


def _feature(feature: Feature) -> FeatureShown:
    group = GROUP_OF.get(feature.name)
    return FeatureShown(
        name=feature.name,
        about=feature.sentence,
        unit=feature.unit,
        window=feature.days,
        subject=feature.subject,
        group=_group(feature.name),
        higher=feature.higher,
        data_class=feature.data_class,
        purposes=feature.purposes,
        reasons={language: said(feature.reasons, language) for language in _LANGUAGES},
        groups={lang: said(group.reasons, lang) for lang in _LANGUAGES} if group else None,
    )

"""A customer's published profile as people read it: each value with its unit, group and words."""

from datetime import date

from pydantic import BaseModel, ConfigDict

from data import audit
from data.database import Database
from features.catalogue import CATALOGUE
from features.definition import DataClass, Feature, Purpose, Unit
from features.reason_groups import GROUP_OF
from serving.publication import manifest_now, published
from serving.reasons import Language, said, shown
from serving.scoring import Profile


class Value(BaseModel):
    """A feature of a customer; money in minor units, None where it is not known.

    ``purposes`` are what the feature may serve; ``text`` says it in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float | None
    unit: Unit
    group: str | None
    data_class: DataClass
    purposes: tuple[Purpose, ...]
    text: str


class ProfileShown(BaseModel):
    """What is known of a customer as of a day; what may serve no model is left out.

    Attributes:
        stale: whether the bank's data changed since.
        standing: model -> scorable, or why the question does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: str
    as_of: date
    stale: bool
    features: list[Value]
    standing: dict[str, str]


def profile(
    database: Database, customer_id: str, *, language: Language = "en", actor: str
) -> tuple[ProfileShown, int]:
    """The profile of a customer, and the number of the reading's audit record.

    Raises:
        UnknownCustomer, NotReady: see ``published``.
    """
    found, snapshot = published(database, customer_id, manifest_now())
    record = audit.append(
        database,
        kind="profile_read",
        actor=actor,
        body={"snapshot": snapshot, "language": language},
        payload={"customer_id": customer_id},
        person=customer_id,
    )
    return in_words(found, language), record.sequence


def in_words(found: Profile, language: Language) -> ProfileShown:
    """A profile with the words of a language."""
    told = zip(found.features, found.vector.tolist(), strict=True)
    known = [(CATALOGUE[name], value) for name, value in told if name in CATALOGUE]
    return ProfileShown(
        customer_id=found.customer_id,
        as_of=found.as_of,
        stale=found.stale,
        features=[
            _value(feature, value, language)
            for feature, value in known
            if feature.data_class != "protected"
        ],
        standing=dict(found.standing),
    )


def _value(feature: Feature, value: float, language: Language) -> Value:
    group = GROUP_OF.get(feature.name)
    return Value(
        name=feature.name,
        value=None if value != value else value,
        unit=feature.unit,
        group=group.name if group else None,
        data_class=feature.data_class,
        purposes=feature.purposes,
        text=f"{said(feature.reasons, language)} {shown(value, feature.unit, language)}",
    )

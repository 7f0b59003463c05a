"""Every feature there is, listed by hand: nothing registers itself by being imported."""

import hashlib
from types import ModuleType

from data.errors import FeatureError
from features import activity, balances, channels, credit, demographics, products, value
from features.definition import Feature

SUBJECTS: tuple[ModuleType, ...] = (
    demographics,
    products,
    balances,
    activity,
    channels,
    credit,
    value,
)


def _declared(module: ModuleType) -> list[Feature]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, Feature) and module.__name__.endswith(value.subject)
    ]


CATALOGUE: dict[str, Feature] = {
    feature.name: feature for module in SUBJECTS for feature in _declared(module)
}


def feature_named(name: str) -> Feature:
    """The feature called ``name``.

    Raises:
        FeatureError: there is none; the message says how to list them.
    """
    if name not in CATALOGUE:
        raise FeatureError(
            f"there is no feature '{name}'. ./zhike features catalogue lists all {len(CATALOGUE)}."
        )
    return CATALOGUE[name]


def version() -> str:
    """A digest of every definition: it changes when any feature does."""
    code = "\n".join(
        f"{f.name}\n{f.days}\n{f.unit}\n{f.code}\n{[s.query for s in f.sources]}"
        for f in CATALOGUE.values()
    )
    return hashlib.sha256(code.encode()).hexdigest()[:16]

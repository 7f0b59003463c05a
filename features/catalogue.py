"""Every feature there is, listed by hand: nothing registers itself by being imported."""

import hashlib
import re
from collections.abc import Mapping
from types import ModuleType

from data.errors import FeatureError
from features import (
    activity,
    balances,
    channels,
    consents,
    contacts,
    credit,
    demographics,
    products,
    value,
)
from features.definition import Feature

SUBJECTS: tuple[ModuleType, ...] = (
    demographics,
    products,
    balances,
    activity,
    channels,
    contacts,
    consents,
    credit,
    value,
)


def declared(module: ModuleType) -> Mapping[str, Feature]:
    """The features of a subject by the names under which its module has them, in order.

    The windows of one function stand in a dictionary of the function's name.
    """
    here: dict[str, Feature] = {}
    for name, found in vars(module).items():
        windows = found if isinstance(found, dict) and not name.startswith("_") else {None: found}
        for days, feature in windows.items():
            if isinstance(feature, Feature) and _of(module, feature):
                here[f"{name}_{days}d" if days else name] = feature
    return here


def _of(module: ModuleType, feature: Feature) -> bool:
    return module.__name__ == f"features.{feature.subject}"


CATALOGUE: dict[str, Feature] = {
    feature.name: feature for module in SUBJECTS for feature in declared(module).values()
}


def feature_named(name: str) -> Feature:
    """The feature called ``name``.

    Raises:
        FeatureError: there is none; the message says which windows there are, or how to list all.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    family = re.sub(r"_\d+d$", "", name)
    windows = [n for n in CATALOGUE if re.sub(r"_\d+d$", "", n) == family]
    told = f" With other windows there is: {', '.join(windows)}." if windows else ""
    raise FeatureError(
        f"there is no feature '{name}'.{told} ./zhike features catalogue lists all"
        f" {len(CATALOGUE)}."
    )


def version() -> str:
    """A digest of every definition: it changes when any feature does, or a word about it."""
    code = "\n".join(
        f"{f.name}\n{f.days}\n{f.unit}\n{f.higher}\n{f.data_class}\n{f.purposes}\n{f.sentence}"
        f"\n{f.reasons}\n{[i.name for i in f.inputs]}\n{f.code}\n{[s.query for s in f.sources]}"
        for f in CATALOGUE.values()
    )
    return hashlib.sha256(code.encode()).hexdigest()[:16]

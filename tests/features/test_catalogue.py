"""The catalogue is complete: whatever a model may read can be read about."""

from collections import Counter

import pytest

from data.errors import FeatureError
from features.catalogue import CATALOGUE, SUBJECTS, feature_named, version
from features.definition import Feature
from features.sources import SOURCES

EACH = pytest.mark.parametrize("feature", CATALOGUE.values(), ids=list(CATALOGUE))


@EACH
def test_a_feature_has_one_sentence_a_unit_and_a_reason(feature: Feature) -> None:
    assert feature.sentence.endswith(".")
    assert len(feature.sentence) <= 80
    assert "\n" not in feature.sentence
    assert ". " not in feature.sentence
    assert feature.unit
    assert feature.reason
    assert not feature.reason.endswith(".")


@EACH
def test_a_window_in_the_name_is_the_window_read(feature: Feature) -> None:
    last = feature.name.rsplit("_", 1)[-1]
    if feature.days and last.endswith("d") and last[:-1].isdigit():
        assert last == f"{feature.days}d"


@EACH
def test_a_feature_is_measured_or_derived_and_reads_listed_sources(feature: Feature) -> None:
    assert (feature.measure is None) == (feature.source is None)
    assert bool(feature.inputs) == (feature.combine is not None) != (feature.measure is not None)
    assert feature.sources
    assert set(feature.sources) <= set(SOURCES)
    assert all(CATALOGUE[used.name] is used for used in feature.inputs)


def test_names_are_those_of_the_functions_and_none_is_hidden_by_another() -> None:
    written = [
        (name, value)
        for module in SUBJECTS
        for name, value in vars(module).items()
        if isinstance(value, Feature) and module.__name__ == f"features.{value.subject}"
    ]
    assert [name for name, _ in written] == [value.name for _, value in written]
    assert len(written) == len({name for name, _ in written}) == len(CATALOGUE)


def test_at_least_25_features_over_five_subjects() -> None:
    subjects = Counter(feature.subject for feature in CATALOGUE.values())
    assert len(CATALOGUE) >= 25
    assert {"demographics", "balances", "activity", "products", "credit"} <= set(subjects)


def test_two_features_do_not_share_a_reason() -> None:
    shared = [text for text, n in Counter(f.reason for f in CATALOGUE.values()).items() if n > 1]
    assert shared == []


def test_sex_is_protected_and_age_is_sensitive() -> None:
    assert CATALOGUE["is_female"].data_class == "protected"
    assert CATALOGUE["age_years"].data_class == "sensitive"


def test_what_is_derived_from_a_sensitive_feature_is_not_less_sensitive() -> None:
    order = ("ordinary", "personal", "sensitive", "protected")
    for feature in CATALOGUE.values():
        classes = [order.index(used.data_class) for used in feature.inputs]
        assert order.index(feature.data_class) >= max(classes, default=0)


def test_an_unknown_feature_is_refused_by_name_with_the_remedy() -> None:
    with pytest.raises(FeatureError, match=r"'spend_91d'.*features catalogue"):
        feature_named("spend_91d")


def test_the_version_of_the_catalogue_is_stable() -> None:
    assert version() == version()
    assert len(version()) == 16

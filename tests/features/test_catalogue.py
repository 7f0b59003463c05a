"""The catalogue is complete: whatever a model may read can be read about."""

from collections import Counter
from typing import Any

import pytest

from data.errors import FeatureError
from features.catalogue import CATALOGUE, SUBJECTS, declared, feature_named, version
from features.definition import (
    DATA_CLASSES,
    DIRECTIONS,
    PURPOSES,
    WINDOWS,
    Array,
    Facts,
    Feature,
    Measure,
    derived,
    feature,
)
from features.sources import CONSENTS, LOANS, SOURCES

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
    written = [(name, f) for module in SUBJECTS for name, f in declared(module).items()]
    assert [name for name, _ in written] == [f.name for _, f in written]
    assert len(written) == len({name for name, _ in written}) == len(CATALOGUE)


def test_at_least_a_hundred_features_over_every_subject() -> None:
    subjects = Counter(feature.subject for feature in CATALOGUE.values())
    assert len(CATALOGUE) >= 100
    assert set(subjects) == {module.__name__.partition(".")[2] for module in SUBJECTS}


@pytest.mark.parametrize("language", ["en", "zh_tw", "zh_cn"])
def test_two_features_do_not_share_a_reason(language: str) -> None:
    texts = Counter(getattr(f.reasons, language) for f in CATALOGUE.values())
    assert [text for text, n in texts.items() if n > 1] == []


@EACH
def test_a_feature_has_a_direction_a_class_and_purposes_of_the_vocabulary(
    feature: Feature,
) -> None:
    assert feature.higher in DIRECTIONS
    assert feature.data_class in DATA_CLASSES
    assert feature.purposes
    assert set(feature.purposes) <= set(PURPOSES)


def test_the_windows_are_those_of_the_vocabulary() -> None:
    assert {f.days for f in CATALOGUE.values() if f.source} == set(WINDOWS)


def test_a_protected_attribute_serves_no_model() -> None:
    protected = [f for f in CATALOGUE.values() if f.data_class == "protected"]
    assert protected
    assert all(f.purposes == ("fairness",) for f in protected)


def test_marketing_may_not_read_how_a_customer_pays_back() -> None:
    offered = [f.name for f in CATALOGUE.values() if "marketing" in f.purposes]
    tell_tale = ("past_due", "arrears", "minimum_payments", "penalties", "refusals", "over_limit")
    assert [name for name in offered if any(word in name for word in tell_tale)] == []


def test_a_complaint_or_a_consent_does_not_touch_a_credit_decision() -> None:
    lending = {f.name for f in CATALOGUE.values() if "credit" in f.purposes}
    assert not {n for n in lending if "complaint" in n or "consent" in n or "contact" in n}


WHOLE: dict[str, Any] = {"unit": "count", "higher": "neither", "reason": "Loans | 貸款 | 贷款"}


@pytest.mark.parametrize(
    "spoilt,fault",
    [
        ({"unit": "furlongs"}, "unit 'furlongs' is none of"),
        ({"higher": "up"}, "higher 'up' is none of better, worse, neither"),
        ({"days": 45}, "window 45 is none of 30, 90"),
        ({"data_class": "secret"}, "data class 'secret' is none of"),
        ({"purposes": ("gossip",)}, "purpose 'gossip' is none of"),
        ({"purposes": ()}, "may serve no purpose"),
        ({"purposes": ("fairness",)}, "a protected attribute serves fairness"),
        ({"data_class": "protected"}, "a protected attribute serves fairness"),
        ({"reason": "Loans | 貸款"}, "its reason has 2 languages"),
        ({"reason": " | 貸款 | 贷款"}, r"reason \(en\) must be a phrase"),
        ({"reason": "Loans. | 貸款 | 贷款"}, "without a full stop"),
        ({"reason": "Loans | 贷款 | 贷款"}, r"reason \(zh_tw\) is not written with 贷"),
        ({"reason": "Loans | 貸款 | 貸款"}, r"reason \(zh_cn\) is not written with 貸"),
        ({"reason": "Loans | loans | 贷款"}, r"reason \(zh_tw\) is not Chinese"),
    ],
)
def test_a_feature_that_lacks_part_of_its_entry_cannot_be_declared(
    spoilt: dict[str, Any], fault: str
) -> None:
    def loans_counted(granted: Facts) -> Measure:
        """Loans."""
        return granted.count()

    with pytest.raises(FeatureError, match=f"'loans_counted' cannot be declared.*{fault}"):
        feature(LOANS, **(WHOLE | spoilt))(loans_counted)
    assert feature(LOANS, **WHOLE)(loans_counted).reason == "Loans"


@pytest.mark.parametrize("sentence", ["", "No full stop", "Two. Sentences.", "Long " * 20 + "."])
def test_a_feature_without_its_one_sentence_cannot_be_declared(sentence: str) -> None:
    def loans_counted(granted: Facts) -> Measure:
        return granted.count()

    loans_counted.__doc__ = sentence
    with pytest.raises(FeatureError, match=r"'loans_counted'.*one sentence of at most 80"):
        feature(LOANS, **WHOLE)(loans_counted)


def test_a_feature_is_no_less_sensitive_than_its_facts_and_serves_no_more() -> None:
    def given(consent: Facts) -> Measure:
        """Consents."""
        return consent.count()

    with pytest.raises(FeatureError, match="'consents' is personal, so it must be that at least"):
        feature(CONSENTS, **WHOLE, data_class="ordinary")(given)
    with pytest.raises(FeatureError, match="'consents' may not serve all of credit"):
        feature(CONSENTS, **WHOLE, purposes=("credit",))(given)


def test_what_is_derived_serves_what_all_of_its_inputs_may_serve() -> None:
    both = CATALOGUE["complaints"], CATALOGUE["penalties_365d"]

    @derived(both, "ratio", "worse", "Both | 兩者 | 两者")
    def both_of_them(complained: Array, fined: Array) -> Array:
        """Both."""
        return complained + fined

    assert both_of_them.purposes == ("service", "value")
    assert both_of_them.data_class == "personal"


def test_sex_is_protected_and_age_is_sensitive() -> None:
    assert CATALOGUE["is_female"].data_class == "protected"
    assert CATALOGUE["age_years"].data_class == "sensitive"


def test_what_is_derived_from_a_sensitive_feature_is_not_less_sensitive() -> None:
    order = ("ordinary", "personal", "sensitive", "protected")
    for name, told in CATALOGUE.items():
        classes = [order.index(used.data_class) for used in told.inputs]
        assert order.index(told.data_class) >= max(classes, default=0), name


def test_an_unknown_feature_is_refused_by_name_with_the_remedy() -> None:
    with pytest.raises(FeatureError, match=r"'mood'.*features catalogue"):
        feature_named("mood")


def test_an_unknown_window_is_refused_with_the_windows_there_are() -> None:
    with pytest.raises(FeatureError, match=r"'spend_91d'.*spend_30d, spend_90d, spend_180d"):
        feature_named("spend_91d")


def test_the_version_of_the_catalogue_is_stable() -> None:
    assert version() == version()
    assert len(version()) == 16

"""Every feature that may stand in a model belongs to one reason group."""

from collections import Counter

import pytest

from features.catalogue import CATALOGUE
from features.reason_groups import GROUPS, ReasonGroup, version


def test_every_feature_that_a_model_may_use_has_exactly_one_group() -> None:
    counts = Counter(name for group in GROUPS for name in group.features)
    usable = {f.name for f in CATALOGUE.values() if f.data_class != "protected"}
    assert set(counts) == usable
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_group_is_named_in_the_script_of_each_language(group: ReasonGroup) -> None:
    group.reasons.zh_tw.encode("big5")
    group.reasons.zh_cn.encode("gb2312")
    assert not group.reasons.zh_tw.isascii()
    assert group.reasons.en[0].isupper()


def test_names_of_groups_are_told_apart() -> None:
    for language in ("en", "zh_tw", "zh_cn"):
        names = [getattr(group.reasons, language) for group in GROUPS]
        assert len(set(names)) == len(GROUPS) == 27


def test_the_version_changes_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    monkeypatch.setattr("features.reason_groups.GROUPS", GROUPS[:-1])
    assert version() != before

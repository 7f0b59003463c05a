"""Every reason that a label contract gives for no score has words in three languages."""

import re
from dataclasses import astuple
from pathlib import Path

from data.settings import CHECKOUT
from serving.standings import NOT_SCORABLE, why_not
from training.labels import SCORABLE

CASE = re.compile(r"THEN '([a-z_]+)'")


def test_each_reason_of_the_contracts_has_words() -> None:
    contracts = sorted((CHECKOUT / "training" / "labels").glob("*.py"))
    codes = {code for path in contracts for code in CASE.findall(Path(path).read_text("utf-8"))}
    assert codes - {SCORABLE} == NOT_SCORABLE.keys()


def test_each_reason_that_was_published_has_words(standings: dict[str, dict[str, str]]) -> None:
    given = {why for who in standings.values() for why in who.values()} - {SCORABLE}
    assert given
    assert given <= NOT_SCORABLE.keys()


def test_words_are_written_in_their_own_characters() -> None:
    for reasons in NOT_SCORABLE.values():
        english, taiwan, mainland = astuple(reasons)
        assert english.isascii()
        assert taiwan.encode("big5")
        assert mainland.encode("gb2312")


def test_what_has_no_words_is_told_as_it_is() -> None:
    assert why_not("no model: too few events", "zh-TW") == "no model: too few events"
    assert why_not("dormant", "zh-CN") == NOT_SCORABLE["dormant"].zh_cn

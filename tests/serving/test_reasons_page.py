"""The page of reasons: five customers, four questions, three languages, nothing from outside."""

import re
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data import audit
from data.database import Database
from serving import reasons_page
from serving.__main__ import app
from serving.reasons_page import LANGUAGES, TAGS, Sheet, page, sheets, spread_out
from serving.scoring import Score, Scorer

VOID = {"meta", "input"}


class Reader(HTMLParser):
    """The text of each article, and every attribute; a tag that is not closed is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.articles: dict[str, str] = {}
        self.now = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag == "article":
            self.now = dict(attrs)["lang"] or ""
            self.articles[self.now] = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.now = "" if tag == "article" else self.now

    def handle_data(self, data: str) -> None:
        if self.now:
            self.articles[self.now] += f"{data}\n"


@pytest.fixture
def told(served: Database, scorer: Scorer) -> list[Sheet]:
    return sheets(scorer, served, spread_out(served, 5), actor="test")


def test_five_customers_are_shown_with_all_four_answers_in_each_language(
    told: list[Sheet],
) -> None:
    found = Reader(page(told)).articles
    assert list(found) == [TAGS[language] for language in LANGUAGES]
    for language in LANGUAGES:
        for sheet in told:
            answer = sheet.told[language]
            assert answer.customer_id in found[TAGS[language]]
            for question in ("churn", "lifetime_value", "credit_risk"):
                score = answer.scores[question]
                assert isinstance(score, Score)
                assert score.value is not None
                assert reasons_page.shown_value(score.value, score) in found[TAGS[language]]


def test_an_article_is_written_in_its_own_language(told: list[Sheet]) -> None:
    found = Reader(page(told)).articles
    assert found["en"].replace("·", "").isascii()
    for language, charset in (("zh-Hant-TW", "big5"), ("zh-Hans-CN", "gb2312")):
        text = found[language].replace("·", "")
        assert text.encode(charset, "replace").decode(charset) == text


def test_the_page_needs_nothing_from_outside(told: list[Sheet]) -> None:
    text = page(told)
    assert "://" not in text
    assert not {name for name, _ in Reader(text).attributes} & {"src", "href", "action"}
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert re.search("<title>Scores and their reasons</title>", text)


def test_a_name_that_is_markup_is_text(told: list[Sheet]) -> None:
    answers = {
        language: one.model_copy(update={"customer_id": "<b>&marker"})
        for language, one in told[0].told.items()
    }
    text = page([Sheet(answers)])
    assert "<b>&marker" not in text
    assert "<b>&marker" in Reader(text).articles["en"]


def test_customers_are_taken_evenly_from_the_safest_to_the_riskiest(
    served: Database, told: list[Sheet]
) -> None:
    risks = [score.value or 0.0 for score in scores(told)]
    assert risks == sorted(risks)
    assert len(set(risks)) == 5
    assert spread_out(served, 5) == spread_out(served, 5)
    assert len(spread_out(served, 1)) == 1


def scores(told: list[Sheet]) -> Iterator[Score]:
    for sheet in told:
        score = sheet.told["en"].scores["credit_risk"]
        assert isinstance(score, Score)
        yield score


def test_the_command_writes_the_page_for_its_owner_alone_and_records_each_answer(
    served: Database, tmp_path: Path
) -> None:
    before = len(audit.records(served, ("answer",)))
    out = tmp_path / "reasons.html"
    said = CliRunner().invoke(app, ["reasons-page", "--count", "2", "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert len(audit.records(served, ("answer",))) == before + 2 * len(LANGUAGES)
    [who] = spread_out(served, 1)
    named = CliRunner().invoke(app, ["reasons-page", who, "--out", str(out)])
    assert named.exit_code == 0, named.output
    assert out.read_text("utf-8").count(f"<h2>{who}</h2>") == len(LANGUAGES)

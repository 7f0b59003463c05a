"""The model card says what was found, needs nothing from outside, and takes later signatures."""

import base64
import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from tests.training import test_release
from tests.training.test_fit import FEATURES, MONEY, RECIPE, rows_of
from training import card, fairness, group_tables, judge, release
from training.card import Material
from training.fairness import Partitions
from training.fit import fit
from training.groups import NOT_KNOWN, Partition, Unseen
from training.labels import ACQUISITION
from training.labels.default import USUAL
from training.recipes import PURPOSES, Recipe
from training.release import ReleaseCard

TRAIN, TEST = rows_of(count=400), rows_of(seed=1, count=400)
DATED = TEST.assign(as_of=np.where(np.arange(len(TEST)) < 250, "2024-01-31", "2024-02-29"))
HALVES = (np.arange(len(TEST)) % 2).astype(np.intp)
PARTED = Partitions(
    (Partition("Time with the bank", "By years.", ("new", "<old>"), HALVES, read=True),),
    (Partition("Sex", "As registered.", ("male", "female", NOT_KNOWN), HALVES),),
)
SECTIONS = (
    "Purpose",
    "What is asked",
    "Gates",
    "Data",
    "Performance on customers it has never seen",
    "Within each date",
    "By segment",
    "Fairness",
    "What moves the score",
    "Stability",
    "How it is made",
    "Limits",
    "Signatures and life",
)


def about_and_material(recipe: Recipe = RECIPE, **about: Any) -> tuple[ReleaseCard, Material]:
    fitted = fit(recipe, TRAIN, FEATURES)
    said = judge.margins(fitted, TEST)
    taught = judge.margins(fitted, TRAIN).calibrated
    judged = judge.judge(said, TEST, recipe.label.answer, "out of time")
    judged = judge.with_stability(judged, taught, said.calibrated, TEST)
    unseen = Unseen(said.calibrated, DATED, recipe.label.answer)
    judged = fairness.with_groups(judged, unseen, PARTED)
    made = {
        "name": recipe.name,
        "question": recipe.label.question,
        "answer": recipe.label.answer,
        "judgement": asdict(judged),
        "parameters": fitted.parameters,
        "typical": dict.fromkeys(FEATURES, 1.0),
    }
    told = test_release.card(**(made | about))
    return told, Material(fitted.booster, TRAIN, TEST, taught, said.calibrated)


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Any], str]:
    return card.make(*about_and_material())


def test_every_question_has_a_purpose_and_its_limits() -> None:
    assert {*PURPOSES, "outcome"} == card.PURPOSE.keys() == card.LIMITS.keys()


@pytest.mark.slow
def test_the_page_has_every_section_and_needs_nothing_from_outside(
    made: tuple[dict[str, Any], str],
) -> None:
    _, page = made
    assert re.findall("<h2>(.*?)</h2>", page) == list(SECTIONS)
    assert not re.findall(r"https?://|@import|<script|<link", page)
    assert set(re.findall(r'src="(.{22})', page)) == {"data:image/png;base64,"}


@pytest.mark.slow
def test_the_four_pictures_are_drawn(made: tuple[dict[str, Any], str]) -> None:
    pictures = [base64.b64decode(text) for text in re.findall(r'base64,([^"]+)"', made[1])]
    assert len(pictures) == 4
    assert all(picture.startswith(b"\x89PNG") and len(picture) > 5_000 for picture in pictures)


@pytest.mark.slow
def test_the_report_is_strict_json_and_the_same_each_time(
    made: tuple[dict[str, Any], str],
) -> None:
    about, material = about_and_material()
    again, page = card.make(about, material)
    assert json.dumps(again, allow_nan=False) == json.dumps(made[0], allow_nan=False)
    assert page == made[1]


@pytest.mark.slow
def test_figures_on_the_page_are_those_of_the_judgement(made: tuple[dict[str, Any], str]) -> None:
    report, page = made
    assert f"<b>{report['judgement']['metrics']['auc']:.3f}</b>" in page
    assert f"<b>{report['judgement']['events']}</b>events in the test" in page
    assert "auc_within_date" in report["judgement"]["intervals"]
    for gate in report["gates"]["gates"]:
        assert f"<b>{gate['name']}</b>" in page


@pytest.mark.slow
def test_every_date_segment_and_protected_group_stands_on_the_page(
    made: tuple[dict[str, Any], str],
) -> None:
    told, page = made[0]["judgement"], made[1]
    assert [one["name"] for one in told["dates"]] == ["2024-01-31", "2024-02-29"]
    for one in (*told["dates"], *told["segments"][0]["groups"], *told["fairness"][0]["groups"]):
        assert f"<td>{one['name'].replace('<', '&lt;').replace('>', '&gt;')}</td>" in page
        assert f">{one['figures']['auc']:.3f}<small>" in page
    assert "As registered. The model does not read it." in page
    assert "demographic parity: share listed" in page
    assert "A difference between groups is not in itself unfair" in page
    assert any("measured, not judged, under Fairness" in limit for limit in made[0]["limits"])


@pytest.mark.slow
def test_an_amount_is_compared_between_groups_without_events() -> None:
    report, page = card.make(*about_and_material(MONEY, unit="TWD"))
    [by_sex] = report["judgement"]["fairness"]
    assert [gap["rate"] for gap in by_sex["gaps"]] == ["selection"]
    assert "events listed" not in page


@pytest.mark.slow
def test_what_cannot_be_told_by_group_says_so() -> None:
    about, material = about_and_material()
    bare = about.judgement | {"dates": [], "segments": [], "fairness": []}
    _, page = card.make(about.model_copy(update={"judgement": bare}), material)
    assert group_tables.ONE_DATE in page
    assert group_tables.NOTHING_PROTECTED in page


@pytest.mark.slow
def test_guidance_is_named_and_no_compliance_claimed(made: tuple[dict[str, Any], str]) -> None:
    assert "SR 26-2, which replaced SR 11-7 in April 2026" in made[1]
    assert "claims no compliance" in made[1]


@pytest.mark.slow
def test_features_stand_by_weight_with_the_directions_a_banker_insists_on(
    made: tuple[dict[str, Any], str],
) -> None:
    found = {one["name"]: one for one in made[0]["features"]}
    assert next(iter(found)) == "spend_90d"  # what the outcome was drawn from
    assert found["limit_use"]["direction"] == "raises only"
    assert found["spend_90d"]["direction"] == "free"
    assert 0.7 < found["limit_use"]["known"] < 0.9


@pytest.mark.slow
def test_an_amount_has_its_card_too() -> None:
    report, page = card.make(*about_and_material(MONEY, unit="TWD"))
    assert "Normalised Gini" in page
    assert report["data"]["test"]["events"] is None


@pytest.mark.slow
def test_a_provisional_version_says_how_few_events_there_were() -> None:
    about, material = about_and_material()
    judged = about.judgement | {"events": 7}
    few = about.model_copy(update={"judgement": judged, "provisional": True})
    report, page = card.make(few, material)
    assert report["gates"]["standing"] == "provisional"
    assert "Only 7 events in the test" in page


@pytest.mark.slow
def test_text_from_outside_is_no_markup() -> None:
    _, page = card.make(*about_and_material(population="<script>alert(1)</script>", notes=("<b>",)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.slow
def test_no_number_is_null_and_not_nan() -> None:
    about, material = about_and_material()
    blank = replace(material, test=material.test.assign(limit_use=np.nan))
    report, _ = card.make(about, blank)
    by_name = {one["name"]: one for one in report["features"]}
    assert by_name["limit_use"]["csi"] is None
    json.dumps(report, allow_nan=False)


def test_reliability_has_jeffreys_intervals() -> None:
    value = np.arange(100.0)
    target = (value >= 95).astype(float)
    tenths = card.reliability(value, target, "probability")
    assert [row["rows"] for row in tenths] == [10] * 10
    assert (tenths[-1]["expected"], tenths[-1]["observed"]) == (94.5, 0.5)
    assert tenths[-1]["low"] == pytest.approx(beta(5.5, 5.5).ppf(0.025))
    assert tenths[0]["low"] < 0.001 < tenths[0]["high"]


def test_lift_counts_the_best_tenth_first_and_captures_all_in_the_end() -> None:
    value = np.arange(100.0)
    tenths = card.lift_table(value, (value >= 95).astype(float))
    assert (tenths[0]["lift"], tenths[0]["captured"]) == (10.0, 1.0)
    assert tenths[-1]["captured"] == 1.0


@pytest.mark.slow
def test_signatures_are_written_onto_the_page_and_replace_what_stood_there(home: Path) -> None:
    about, material = about_and_material()
    report, page = card.make(about, material)
    text = str(material.booster.model_to_string(num_iteration=-1))
    folder = release.write(about, text, TRAIN[list(FEATURES)].to_numpy(), report, page)
    assert release.read(folder).report == report
    moment = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
    for who in ("ben", "carl <x>"):
        card.update_life(folder, "d" * 64, "e" * 64, [(moment, "signed as approver", who)])
    shown = (folder / release.PAGE).read_text("utf-8")
    assert "<td>carl &lt;x&gt;</td>" in shown
    assert "2026-07-01 09:30 UTC" in shown
    assert "d" * 64 in shown
    assert "<td>ben</td>" not in shown
    assert release.read(folder).report == report  # what was signed is as it was


@pytest.mark.slow
def test_credit_risk_tells_what_default_is_and_how_every_grade_did() -> None:
    asked: dict[str, Any] = {
        "question": "credit_risk",
        "name": "credit_risk.acquisition",
        "horizon_days": 365,
    }
    told: dict[str, Any] = {"definition": USUAL.told(), "answer_notes": ACQUISITION.notes}
    report, page = card.make(*about_and_material(**asked, **told))
    assert "Learnt on accepted business only; there is no reject inference." in page
    assert "Default: probation before cure" in page
    assert "no table tells of it" in page
    graded = report["grades"]
    assert graded["scale"] == "master-scale/1"
    assert sum(row["events"] for row in graded["rows"]) == report["judgement"]["events"]
    assert page.count("Observed over expected by grade") == 1


@pytest.mark.slow
def test_what_is_no_pd_of_a_year_has_no_grades(made: tuple[dict[str, Any], str]) -> None:
    assert made[0]["grades"] is None
    final: dict[str, Any] = {"question": "credit_risk", "name": "credit_risk", "horizon_days": 0}
    assert card.make(*about_and_material(**final))[0]["grades"] is None

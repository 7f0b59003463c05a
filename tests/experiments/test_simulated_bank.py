"""The page on the simulated bank tells of a bank that a banker recognises."""

import json
from pathlib import Path

import pytest

from data.errors import ConfigurationError
from data.settings import CHECKOUT
from data.tables import PRODUCT_FAMILIES
from experiments import simulated_bank
from experiments.simulated_bank import Figures, measure, page

PAGE = CHECKOUT / "docs" / simulated_bank.PAGE
BANKERS = {"churn": (0.04, 0.12), "default": (0.01, 0.03)}
PER_PRODUCT = (0.01, 0.10)


def of_the_page() -> Figures:
    told = PAGE.read_text("utf-8").split("```json\n")[1].split("\n```")[0]
    figures: Figures = json.loads(told)
    return figures


@pytest.fixture(scope="module", params=["as written", "as of the small bank"])
def figures(request: pytest.FixtureRequest, bank_files: Path) -> Figures:
    return of_the_page() if request.param == "as written" else measure(bank_files)


def test_the_rates_of_a_year_are_a_bankers(figures: Figures) -> None:
    yearly = figures["yearly"]
    for event, (low, high) in BANKERS.items():
        assert low < yearly[event] < high, event
    assert set(yearly["take_up"]) == {
        f for f in PRODUCT_FAMILIES if f not in ("current", "savings")
    }
    for family, rate in yearly["take_up"].items():
        assert PER_PRODUCT[0] < rate < PER_PRODUCT[1], family


def test_every_family_is_held_and_everybody_has_a_current_account(figures: Figures) -> None:
    assert set(figures["held"]) == set(PRODUCT_FAMILIES)
    assert figures["held"]["current"] == pytest.approx(1, abs=0.01)
    for family, share in figures["held"].items():
        assert 0.05 < share <= 1, family


def test_amounts_are_those_of_a_retail_bank(figures: Figures) -> None:
    amounts = figures["quantiles"]
    for quantiles in amounts.values():
        values = list(quantiles.values())
        assert values == sorted(values)
    assert 35_000 < amounts["salary"]["p50"] < 70_000
    assert 20_000 < amounts["balance"]["p50"] < 150_000
    assert 5 < amounts["bookings"]["p50"] < 40
    assert amounts["contribution"]["p5"] < 0 < amounts["contribution"]["p50"]
    assert 0.6 < figures["contribution_of_top_fifth"] < 0.95


def test_the_best_possible_model_is_good_and_not_perfect(figures: Figures) -> None:
    assert len(figures["attainable_auc"]) == 9
    for question, area in figures["attainable_auc"].items():
        assert 0.75 < area < 0.92, question


def test_spending_has_its_feasts_its_summers_and_its_weekends(figures: Figures) -> None:
    months, weekdays = figures["spending"]["by_month"], figures["spending"]["by_weekday"]
    for year in ("2023", "2024", "2025"):
        feast = max(months[f"{year}-01"], months[f"{year}-02"])
        assert feast > 1.1 * max(months[f"{year}-{m:02}"] for m in range(3, 13))
        assert months[f"{year}-07"] > 1.05 * months[f"{year}-05"]
    assert min(weekdays["Friday"], weekdays["Saturday"]) > 1.05 > 0.95 > weekdays["Tuesday"]


def test_the_page_names_every_family_in_its_table_and_shows_its_picture() -> None:
    text = PAGE.read_text("utf-8")
    products = text.split("\n## Products\n")[1].split("\n## ")[0]
    for family in PRODUCT_FAMILIES:
        assert f"| {family} |" in products
    assert f"]({simulated_bank.PICTURE})" in text
    assert (PAGE.parent / simulated_bank.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_the_page_says_what_is_modelled_and_what_is_not() -> None:
    text = page(of_the_page(), simulated_bank.Size(10, 12, 3))
    for told in ("\nModelled: ", "\nNot modelled: "):
        assert told in PAGE.read_text("utf-8")
        assert told in text
    assert "10 customers over 12 months, seed 3" in text


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    simulated_bank.draw(of_the_page()["spending"], tmp_path / "seasons.png")
    assert (tmp_path / "seasons.png").stat().st_size > 10_000


def test_a_page_of_a_quick_run_or_into_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        simulated_bank.run(write=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="a quick one"):
        simulated_bank.run(quick=True, write=tmp_path)

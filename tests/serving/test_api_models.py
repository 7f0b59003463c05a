"""Models, their versions and cards, and the features: what there is to ask, and nothing beside."""

import pytest
from starlette.testclient import TestClient

from features.catalogue import CATALOGUE
from features.reason_groups import GROUPS
from serving.scoring import Scorer
from training.release import read


def test_every_champion_is_listed_with_its_contract_and_figures(
    client: TestClient, scorer: Scorer
) -> None:
    told = client.get("/v1/models").json()
    assert [one["name"] for one in told["models"]] == sorted(scorer.models)
    for one in told["models"]:
        card = scorer.models[one["name"]].release.card
        assert (one["version"], one["unit"], one["horizon"]) == (
            card.version,
            card.unit,
            card.horizon_days,
        )
        assert one["figures"] == card.judgement["metrics"]
        assert one["since"]
    assert set(told["untrained"]) == set(scorer.untrained)


def test_the_versions_of_a_model_say_which_answers(client: TestClient) -> None:
    told = client.get("/v1/models/churn").json()["versions"]
    assert [(one["version"], one["standing"]) for one in told] == [("1", "answers")]


def test_the_card_is_the_report_that_was_approved_and_a_page_for_people(
    client: TestClient, scorer: Scorer
) -> None:
    path = "/v1/models/credit_risk/1/card"
    assert client.get(path).json() == read(scorer.models["credit_risk"].release.folder).report
    page = client.get(path, headers={"accept": "text/html,*/*;q=0.5"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert ", version 1</title>" in page.text


@pytest.mark.parametrize(
    "path, status",
    [
        ("/v1/models/weather", 404),
        ("/v1/models/%2e%2e", 404),
        ("/v1/models/...", 404),
        ("/v1/models/marker%20x", 422),
        ("/v1/models/churn/999/card", 404),
        ("/v1/models/churn/..%2f1/card", 404),
        ("/v1/models/../outbox/card", 404),
        ("/v1/features?group=marker", 404),
        ("/v1/features?limit=0", 422),
        ("/v1/features?limit=99999999999999999999", 422),
        ("/v1/features?cursor=%27", 422),
    ],
)
def test_f40_what_is_not_there_is_not_found_and_nothing_is_echoed(
    client: TestClient, path: str, status: int
) -> None:
    refused = client.get(path)
    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert "marker" not in refused.text


def test_paging_through_the_features_gives_each_once_in_three_languages(
    quick_client: TestClient,
) -> None:
    found, cursor = [], ""
    while True:
        page = quick_client.get("/v1/features", params={"limit": 90, "cursor": cursor}).json()
        found += page["features"]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert [one["name"] for one in found] == list(CATALOGUE)
    assert all(one["reasons"].keys() == {"en", "zh-TW", "zh-CN"} for one in found)


def test_the_features_of_a_group_are_its_members(quick_client: TestClient) -> None:
    group = next(group for group in GROUPS if group.name == "arrears")
    told = quick_client.get("/v1/features", params={"group": "arrears"}).json()
    assert {one["name"] for one in told["features"]} == set(group.features)
    assert (told["next"], told["features"][0]["groups"]["en"]) == (None, "Arrears")

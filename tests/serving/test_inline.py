"""Features sent with the request are scored by a table's release: exactly, strictly, on record."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from data.audit import first_broken, payload_of, record_of
from data.database import Database
from data.errors import ReleaseError
from data.schema import AUDIT
from serving.access.keys import make_key
from serving.inline import inline, load_tables
from serving.scoring import Model, Scorer
from tests.serving.conftest import knocking
from tests.serving.test_replay import fresh
from tests.training.mart import DECLARED, mart, written
from tests.training.sealing import sealed
from training.actors import Actor
from training.tables.columns import Value
from training.tables.preparing import Asked
from training.tables.run import TableModel, train_table
from training.trees import Forest

NAME = "table.feature_mart"
ANN = Actor("ann", Ed25519PrivateKey.generate())
KEYS = {"ann": ANN.public_key}
ROW: dict[str, Value] = {
    "負債 ratio, %": 61.5, "region": "east", "grade": 2, "digital": True, "visits": None,
}  # fmt: skip
REPLAY = """
import json, sys
from pathlib import Path
from serving.inline import inline, load_tables
folder, keys, payload = json.load(sys.stdin)
model = load_tables([Path(folder)], keys)[payload["model"]]
print(json.dumps(inline(model, payload["features"]).model_dump(mode="json")))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TableModel:
    folder = tmp_path_factory.mktemp("inline")
    (folder / "mart.toml").write_text(
        DECLARED.replace('["sex"]', "[]").replace('"notes"', '"notes", "sex"'), "utf-8"
    )
    path = written(mart(), folder / "Feature mart.csv")
    made = train_table(Asked(path, "client", "y", folder / "out", declared=folder / "mart.toml"))
    sealed(made.folder, ANN, NAME, made.card.version)
    return made


@pytest.fixture(scope="module")
def model(made: TableModel) -> Model:
    return load_tables([made.folder], KEYS)[NAME]


@pytest.fixture
def client(store: Database, model: Model) -> TestClient:
    return knocking(Scorer({}, {}, {NAME: model}), store, make_key(store, "a test"))


def ask(client: TestClient, features: dict[str, Any], name: str = NAME) -> Any:
    return client.post("/v1/scores", json={"model": name, "features": features})


def test_the_answer_is_the_releases_own_margin_bit_for_bit(
    client: TestClient, model: Model
) -> None:
    told = ask(client, ROW)
    assert told.status_code == 200, told.text
    score = told.json()["scores"][NAME]
    coded = [[61.5, 2.0, float(model.release.card.columns[2].code("2")), 1.0, float("nan")]]
    margin = Forest.from_text(model.release.model).margin(coded)[0]
    assert score["margin"].hex() == float(margin).hex()
    assert score["base_value"] + sum(score["contributions"].values()) == pytest.approx(
        score["margin"], abs=1e-9
    )
    assert set(score["contributions"]) == set(ROW)
    assert "reason" not in score
    assert told.json()["remarks"] == []


def test_reasons_speak_of_columns_by_their_names(client: TestClient) -> None:
    reasons = {r["feature"]: r for r in ask(client, ROW).json()["scores"][NAME]["reasons"]}
    assert reasons["負債 ratio, %"]["text"].startswith("Debt over income 61.5 (typical ")
    assert reasons["負債 ratio, %"]["direction"] == "raises"
    assert reasons["region"]["text"].startswith("region east (typical north) ")
    assert "value" not in reasons["region"]


def test_what_lies_beyond_the_training_is_scored_and_remarked_on(client: TestClient) -> None:
    told = ask(client, ROW | {"負債 ratio, %": 9e9, "region": "moon"}).json()
    assert [r.partition(":")[0] for r in told["remarks"]] == ["負債 ratio, %", "region"]
    highest = ask(client, ROW | {"負債 ratio, %": 1e5, "region": "islands"}).json()
    assert told["scores"][NAME]["margin"] == highest["scores"][NAME]["margin"]


@pytest.mark.parametrize(
    "features, told",
    [
        ({k: v for k, v in ROW.items() if k != "region"}, "region is missing"),
        (ROW | {"regoin": "x"}, "regoin is not a feature"),
        (ROW | {"visits": "3"}, "visits must be a finite number"),
        (ROW | {"region": None}, "region is null"),
        (ROW | {"digital": 1}, "digital must be true or false"),
        (ROW | {"visits": [1]}, "features"),
        ({}, "負債 ratio, % is missing"),
    ],
)
def test_features_that_cannot_be_read_are_refused_by_name(
    client: TestClient, store: Database, features: dict[str, Any], told: str
) -> None:
    refused = ask(client, features)
    assert (refused.status_code, refused.json()["title"]) == (422, "Not valid")
    assert told in refused.json()["detail"]
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one() == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": NAME},
        {"features": ROW},
        {"customer_id": "C1", "model": NAME, "features": ROW},
        {"customer_id": "C1", "features": {}},
        {"model": NAME, "features": ROW, "questions": ["churn"]},
    ],
)
def test_a_request_is_of_a_customer_or_of_features(client: TestClient, body: Any) -> None:
    refused = client.post("/v1/scores", json=body)
    assert refused.status_code == 422
    assert "customer_id, with questions if you like, or model and features" in refused.text


def test_a_model_that_is_not_served_is_not_found(client: TestClient) -> None:
    refused = ask(client, ROW, "table.other")
    assert refused.status_code == 404
    assert NAME in refused.json()["detail"]


def test_a_stranger_gets_no_inline_score(store: Database, model: Model) -> None:
    assert ask(knocking(Scorer({}, {}, {NAME: model}), store), ROW).status_code == 401


def test_an_inline_answer_is_replayed_from_its_record_bit_for_bit(
    client: TestClient, store: Database, made: TableModel, model: Model
) -> None:
    sequence = ask(client, ROW).json()["audit"]
    payload = payload_of(store, sequence)
    assert json.loads(record_of(store, sequence).body)["releases"] == {NAME: model.release.digest}
    again = fresh(REPLAY, stdin=json.dumps([str(made.folder), KEYS, payload]))
    assert again == payload["answer"]
    assert first_broken(store) is None


def test_inline_scores_are_the_same_on_every_database(database: Database, model: Model) -> None:
    client = knocking(Scorer({}, {}, {NAME: model}), database, make_key(database, "a test"))
    assert (
        ask(client, ROW).json()["scores"][NAME]["margin"] == inline(model, ROW).scores[NAME].margin
    )


def test_two_releases_of_one_name_are_not_served(made: TableModel) -> None:
    with pytest.raises(ReleaseError, match=r"both called table\.feature_mart"):
        load_tables([made.folder, made.folder], KEYS)


def test_a_folder_that_is_no_release_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="missing or damaged"):
        load_tables([tmp_path], KEYS)

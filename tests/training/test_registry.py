"""What is registered in MLflow is what is released, and aliases say which version answers."""

import os
from pathlib import Path

import mlflow
import numpy as np
import pytest

from data.database import Database, migrated
from data.errors import RegistryError
from data.warehouse import Warehouse
from training import actors, life, registry, release
from training.run import Trained, train
from training.trees import Forest


@pytest.mark.slow
def test_the_trained_bank_has_challenger_and_champion_of_every_model(served: Database) -> None:
    champions = release.champions()
    assert {"churn", "lifetime_value"} <= set(champions)
    for name, folder in champions.items():
        assert registry.versions(name) == {"challenger": folder.name, "champion": folder.name}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow warns of itself
def test_mlflow_gives_the_probabilities_of_the_release(served: Database) -> None:
    found = release.read(release.champions()["churn"])
    with registry.tracking():
        booster = mlflow.lightgbm.load_model("models:/churn@champion")
        signature = mlflow.models.get_model_info("models:/churn@champion").signature
    assert tuple(signature.inputs.input_names()) == found.card.features
    margins = Forest.from_text(found.model).margin(found.golden_rows)
    theirs = booster.predict(found.golden_rows, raw_score=True)
    assert np.asarray(theirs).tobytes() == margins.tobytes()
    chances = booster.predict(found.golden_rows)
    assert np.allclose(chances, 1 / (1 + np.exp(-margins)), rtol=1e-14, atol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow warns of itself
def test_a_question_is_trained_inside_somebody_elses_run(
    loaded_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0123456789abcdef0123456789abcdef")
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    ann, ben = (actors.available(migrated(), name) for name in ("ann", "ben"))
    outcome, run_off = train(Warehouse(), "churn", trainer="ann")
    assert isinstance(outcome, Trained), outcome
    assert isinstance(run_off, Trained), run_off
    life.vouch(migrated(), "churn", outcome.version, ann, ben)
    assert os.environ["MLFLOW_RUN_ID"] == "0123456789abcdef0123456789abcdef"
    with registry.tracking() as client:
        made_by = client.get_model_version("churn", outcome.version).run_id or ""
        run = client.get_run(made_by)
    assert run.data.tags["parent"] == "0123456789abcdef0123456789abcdef"
    assert registry.versions("churn") == {"challenger": outcome.version}
    life.promote(migrated(), "churn", outcome.version, actor="tests")
    assert registry.versions("churn")["champion"] == outcome.version


@pytest.mark.slow
def test_a_version_that_is_not_registered_cannot_be_promoted(served: Database) -> None:
    with pytest.raises(RegistryError, match="refused"):
        registry.promote("churn", "99")
    assert registry.versions("nobody") == {}

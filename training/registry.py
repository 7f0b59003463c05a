"""The only door to MLflow: runs, registered versions and their aliases."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# MLflow's mode without telemetry has to be chosen before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
# A model needs four packages, not this application's whole lock.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from data.errors import RegistryError
from data.settings import settings

# MLflow narrates; what matters of it comes back as an exception.
logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)

CHALLENGER, CHAMPION = "challenger", "champion"


@contextmanager
def tracking() -> Iterator[MlflowClient]:
    """A client of the tracking server in force.

    Under ``mlflow run`` the parent's run id leaves the environment meanwhile: MLflow would
    otherwise refuse runs in other experiments. The runs are linked by a tag instead.
    """
    home = settings().home
    home.mkdir(parents=True, exist_ok=True)
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    mlflow.set_tracking_uri(settings().tracking)
    try:
        with warnings.catch_warnings():
            # MLflow warns of itself: integer hints, inferred sources, its own deprecations.
            warnings.simplefilter("ignore")
            yield MlflowClient()
    except MlflowException as error:
        raise RegistryError(
            f"MLflow at {settings().tracking} refused: {str(error).splitlines()[0]}"
        ) from error
    finally:
        if parent:
            os.environ["MLFLOW_RUN_ID"] = parent


def register(
    name: str,
    booster: lgb.Booster,
    example: pd.DataFrame,
    *,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    lineage: Mapping[str, pd.DataFrame],
) -> str:
    """Log one run and register its booster, as the challenger; returns the version.

    Args:
        example: some rows of the features, from which the signature is made.
        lineage: context (training, test) -> the rows, logged as datasets by digest.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    parent = os.environ.get("MLFLOW_RUN_ID")
    with tracking() as client:
        _experiment(client, tags["question"])
        with mlflow.start_run(run_name=name) as run:
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics({k: v for k, v in metrics.items() if v == v})
            mlflow.set_tags({**tags, **({"parent": parent} if parent else {})})
            for context, rows in lineage.items():
                mlflow.log_input(from_pandas(rows, name=context), context=context)
            answers = np.asarray(booster.predict(example))
            logged = mlflow.lightgbm.log_model(
                booster,
                name="model",
                signature=infer_signature(example, answers),
                pip_requirements=["lightgbm", "numpy", "pandas", "scipy"],
            )
        with contextlib.suppress(MlflowException):
            client.create_registered_model(name)
        model = client.create_model_version(
            name, logged.model_uri, run.info.run_id, model_id=logged.model_id
        )
        client.set_registered_model_alias(name, CHALLENGER, model.version)
    return str(model.version)


def _experiment(client: MlflowClient, question: str) -> None:
    if client.get_experiment_by_name(question) is None:
        artifacts = (settings().home / "mlruns").resolve()
        client.create_experiment(question, artifact_location=(artifacts / question).as_uri())
    mlflow.set_experiment(question)


def promote(name: str, version: str) -> None:
    """Give a version the alias champion.

    Raises:
        RegistryError: there is no such version.
    """
    with tracking() as client:
        client.set_registered_model_alias(name, CHAMPION, version)


def withdraw(name: str, version: str) -> None:
    """Take every alias from a version; one that was never registered here has none."""
    for alias, held in versions(name).items():
        if held == version:
            with tracking() as client:
                client.delete_registered_model_alias(name, alias)


def attach(name: str, version: str, files: Sequence[Path]) -> None:
    """Log files with the run that made a version.

    Raises:
        RegistryError: there is no such version.
    """
    with tracking() as client:
        run = client.get_model_version(name, version).run_id or ""
        for file in files:
            client.log_artifact(run, str(file), "card")


def versions(name: str) -> dict[str, str]:
    """Alias -> version of a model; empty when it was never registered."""
    with tracking() as client:
        try:
            return {a: str(v) for a, v in client.get_registered_model(name).aliases.items()}
        except MlflowException:
            return {}

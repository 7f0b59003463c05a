"""The only door to MLflow: runs, registered versions and their aliases."""

import contextlib
import hashlib
import json
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
# MLflow's own patience is seven retries of two minutes each; a training has an outbox instead.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.tracking.context.registry import resolve_tags
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError

from data.errors import RegistryError
from data.settings import settings

# MLflow narrates; what matters of it comes back as an exception.
logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)

CHALLENGER, CHAMPION = "challenger", "champion"
SAMPLED = 200  # rows from which a schema is told


PARENT, CONTEXT, VERSION, ENTRY, WHY = (
    "mlflow.parentRunId",
    "mlflow.data.context",
    "version",
    "outbox",
    "why",
)


class Unreachable(RegistryError):
    """MLflow does not answer, or answers that it is broken; later it may."""


class Registration(BaseModel):
    """What MLflow is told of a version; plain values, so that it can wait in a file.

    Attributes:
        signature: MLflow's own dictionary of the model's inputs and outputs.
        datasets: context (training, test) -> MLflow's own dictionary of the rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    signature: dict[str, Any]
    datasets: dict[str, dict[str, Any]]


class Trial(BaseModel):
    """One trial of a search: its parameters, and the mean loss on the folds it was tried on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, float]
    loss: float
    pruned: bool


@contextmanager
def tracking() -> Iterator[MlflowClient]:
    """A client of the tracking server in force.

    Under ``mlflow run`` the parent's run id leaves the environment meanwhile: MLflow would
    otherwise refuse runs in other experiments. The runs are linked by a tag instead.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    home = settings().home
    home.mkdir(parents=True, exist_ok=True)
    parent = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        with warnings.catch_warnings():
            # MLflow warns of itself: integer hints, inferred sources, its own deprecations.
            warnings.simplefilter("ignore")
            mlflow.set_tracking_uri(settings().tracking)
            yield MlflowClient()
    except (MlflowException, SQLAlchemyError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        kind, verb = (Unreachable, "failed") if _broken(error) else (RegistryError, "refused")
        raise kind(f"MLflow at {_shown(settings().tracking)} {verb}: {said}") from error
    finally:
        if parent:
            os.environ["MLFLOW_RUN_ID"] = parent


def _broken(error: Exception) -> bool:
    """Whether MLflow is at fault, or the way to it, and not what it was asked."""
    if not isinstance(error, MlflowException):
        return True
    return bool(error.get_http_status_code() >= 500)  # type: ignore[no-untyped-call]  # MLflow's


def _shown(address: str) -> str:
    """An address without the name and password that may stand in it."""
    scheme, found, rest = address.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


def describe(
    name: str,
    booster: lgb.Booster,
    example: pd.DataFrame,
    *,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    lineage: Mapping[str, pd.DataFrame],
) -> Registration:
    """What there is to tell of a version; asks nothing of MLflow's server.

    Args:
        example: some rows of the features, from which the signature is made.
        lineage: context (training, test) -> the rows, described by digest, schema and counts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signature = infer_signature(example, np.asarray(booster.predict(example)))
        datasets = {context: _described(rows, context) for context, rows in lineage.items()}
    return Registration(
        name=name,
        parameters={key: str(value) for key, value in parameters.items()},
        metrics={key: float(value) for key, value in metrics.items() if np.isfinite(value)},
        tags=dict(tags),
        signature=signature.to_dict(),
        datasets=datasets,
    )


def _described(rows: pd.DataFrame, context: str) -> dict[str, str]:
    """A dataset as MLflow keeps it: its digest and counts are of all rows, its schema of some.

    MLflow's own look at every value takes longer than the training that the rows are for.
    """
    hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    digest = hashlib.sha256(hashes.tobytes()).hexdigest()[:16]
    told: dict[str, str] = from_pandas(rows.head(SAMPLED), name=context, digest=digest).to_dict()
    return {**told, "profile": json.dumps({"num_rows": len(rows), "num_elements": rows.size})}


def begin(name: str, question: str, entry: str) -> str:
    """Open a run in the question's experiment; returns its identifier.

    Args:
        entry: the token by which an interrupted training finds its run again.
    """
    parent = os.environ.get("MLFLOW_RUN_ID")
    tags = {"question": question, ENTRY: entry, **({"parent": parent} if parent else {})}
    with tracking() as client:
        experiment = _experiment(client, question)
        run = client.create_run(experiment, run_name=name, tags={**resolve_tags(), **tags})
    return str(run.info.run_id)


def begun(question: str, entry: str) -> str:
    """The run that was opened with a token; empty where none was."""
    with tracking() as client:
        found = client.get_experiment_by_name(question)
        if found is None:
            return ""
        runs = client.search_runs([found.experiment_id], f"tags.{ENTRY} = '{entry}'")
    return str(runs[0].info.run_id) if runs else ""


def try_out(run: str, question: str, trials: Sequence[Trial]) -> str:
    """Log trials of a search as runs nested in ``run``; those that are there already are not
    logged again. Returns the run.
    """
    with tracking() as client:
        experiment = _experiment(client, question)
        nested = client.search_runs([experiment], f"tags.`{PARENT}` = '{run}'")
        known = {one.info.run_name for one in nested}
        for trial in trials:
            if trial.name not in known:
                _try_out(client, experiment, run, trial)
    return run


def _try_out(client: MlflowClient, experiment: str, run: str, trial: Trial) -> None:
    tags = {**resolve_tags(), PARENT: run, "pruned": str(trial.pruned).lower()}
    nested = client.create_run(experiment, run_name=trial.name, tags=tags).info
    client.log_batch(
        nested.run_id,
        metrics=[Metric("loss", trial.loss, nested.start_time, 0)],
        params=[Param(key, str(value)) for key, value in trial.parameters.items()],
    )
    client.set_terminated(nested.run_id, "KILLED" if trial.pruned else "FINISHED")


def submit(run: str, told: Registration, model: str) -> str:
    """Log everything with a run and make a version of it, without an alias; returns its number.

    Asked again for the same run, it gives the number that was made.

    Args:
        model: LightGBM text.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    with tracking() as client:
        made = client.search_model_versions(f"run_id = '{run}'")
        if made:
            return str(made[0].version)
        _experiment(client, told.tags["question"])
        client.log_batch(
            run,
            metrics=[Metric(key, value, 0, 0) for key, value in told.metrics.items()],
            params=[Param(key, value) for key, value in told.parameters.items()],
            tags=[RunTag(key, value) for key, value in told.tags.items()],
        )
        if told.datasets:
            client.log_inputs(run, [_input(*one) for one in told.datasets.items()])
        with mlflow.start_run(run_id=run):
            logged = mlflow.lightgbm.log_model(
                lgb.Booster(model_str=model),
                name="model",
                signature=ModelSignature.from_dict(told.signature),
                pip_requirements=["lightgbm", "numpy", "pandas", "scipy"],
            )
        client.update_run(run, "RUNNING")  # until the release stands
        with contextlib.suppress(MlflowException):
            client.create_registered_model(told.name)
        version = client.create_model_version(
            told.name, logged.model_uri, run, model_id=logged.model_id
        )
    return str(version.version)


def _input(context: str, rows: Mapping[str, Any]) -> DatasetInput:
    dataset = Dataset(
        name=rows["name"],
        digest=rows["digest"],
        source_type=rows["source_type"],
        source=rows["source"],
        schema=rows.get("schema"),
        profile=rows.get("profile"),
    )
    return DatasetInput(dataset, [InputTag(CONTEXT, context)])


def complete(
    run: str,
    name: str,
    number: str,
    version: str,
    digests: Mapping[str, str],
    files: Sequence[Path],
) -> None:
    """Finish a run whose release stands: tags with the digests, its card, the alias challenger.

    Args:
        number: MLflow's number of the version.
        version: the release's; another than the number where MLflow was told later.
    """
    with tracking() as client:
        for file in files:
            client.log_artifact(run, str(file), "card")
        for key, value in {VERSION: version, **digests}.items():
            client.set_tag(run, key, value)
            client.set_model_version_tag(name, number, key, value)
        client.set_registered_model_alias(name, CHALLENGER, number)
        client.set_terminated(run, "FINISHED")


def fail(run: str, why: str) -> None:
    """Mark a run and the trials nested in it failed, and delete the version it made, if any."""
    with tracking() as client:
        for made in client.search_model_versions(f"run_id = '{run}'"):
            client.delete_model_version(made.name, made.version)
        experiment = client.get_run(run).info.experiment_id
        running = f"tags.`{PARENT}` = '{run}' and attributes.status = 'RUNNING'"
        for trial in client.search_runs([experiment], running):
            client.set_terminated(trial.info.run_id, "FAILED")
        client.set_tag(run, WHY, why)
        client.set_terminated(run, "FAILED")


def _experiment(client: MlflowClient, question: str) -> str:
    if client.get_experiment_by_name(question) is None:
        artifacts = (settings().home / "mlruns").resolve()
        client.create_experiment(question, artifact_location=(artifacts / question).as_uri())
    return str(mlflow.set_experiment(question).experiment_id)


def promote(name: str, version: str) -> None:
    """Give a version the alias champion.

    Raises:
        RegistryError: there is no such version.
    """
    with tracking() as client:
        client.set_registered_model_alias(name, CHAMPION, _number(client, name, version))


def _number(client: MlflowClient, name: str, version: str) -> str:
    """MLflow's number of a release's version."""
    if version.isdigit():
        return version
    for made in client.search_model_versions(f"name = '{name}'"):
        if made.tags.get(VERSION) == version:
            return str(made.version)
    raise RegistryError(
        f"MLflow does not know {name} version {version} yet; ./zhike training sync tells it."
    )


def withdraw(name: str, version: str) -> None:
    """Take every alias from a version; one that was never registered here has none."""
    for alias, held in versions(name).items():
        if held == version:
            with tracking() as client:
                client.delete_registered_model_alias(name, alias)


def versions(name: str) -> dict[str, str]:
    """Alias -> the release's version; empty when the model was never registered."""
    with tracking() as client:
        try:
            aliases = client.get_registered_model(name).aliases
        except MlflowException:
            return {}
        made = {alias: client.get_model_version(name, n) for alias, n in aliases.items()}
    return {alias: str(one.tags.get(VERSION, one.version)) for alias, one in made.items()}

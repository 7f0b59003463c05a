"""What ``./zhike mlflow models serve`` answers is what the API answers."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from data.database import Database
from data.settings import settings
from serving.publication import manifest_now, published
from serving.scoring import Scorer
from tests.serving.test_api import ask, each
from training.labels import HORIZON, SCORABLE

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ASKED = 60


@contextmanager
def mlflow_serving(model: str, log: Path) -> Iterator[str]:
    """MLflow's own scoring server for a model, on a free loopback port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": settings().tracking,
        "PYTHONPATH": str(CHECKOUT),
    }
    command = [sys.executable, "-P", "-m", "mlflow", "models", "serve", "-m", model,
               "--env-manager", "local", "--host", "127.0.0.1", "--port", port, "--workers", "1"]  # fmt: skip
    with log.open("wb") as said:
        # A session of its own: the command starts the server as a child.
        server = subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, cwd=log.parent,
            start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_it_answers(server, address, log)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_it_answers(server: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"MLflow did not serve:\n{log.read_text()}", pytrace=False)


def invoke(address: str, columns: list[str], rows: list[list[float | None]]) -> list[float]:
    body = json.dumps({"dataframe_split": {"columns": columns, "data": rows}}).encode()
    asked = urllib.request.Request(
        f"{address}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answered:
        told: dict[str, Any] = json.load(answered)
    return [float(one) for one in told["predictions"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["churn", "lifetime_value"])
def test_mlflow_serves_the_very_scores_of_the_api(
    client: TestClient,
    served: Database,
    scorer: Scorer,
    standings: dict[str, dict[str, str]],
    tmp_path: Path,
    name: str,
) -> None:
    """Not one bit differs: both print the shortest decimal that reads back as the same number."""
    fitting = [who for who in sorted(standings) if standings[who].get(name) == SCORABLE][:ASKED]
    ours = [each(ask(client, who, name))[name]["value"] for who in fitting]
    card = scorer.models[name].release.card
    features = list(card.features)
    rows: list[list[float | None]] = []
    for who in fitting:
        profile, _ = published(served, who, manifest_now())
        known = dict(zip(profile.features, profile.vector.tolist(), strict=True))
        known[HORIZON] = card.horizon_days
        rows.append([None if math.isnan(known[f]) else known[f] for f in features])
    with mlflow_serving(f"models:/{name}@champion", tmp_path / "log") as address:
        theirs = invoke(address, features, rows)
    assert len(theirs) == len(fitting) > 40
    assert len(set(ours)) > 10
    assert [score.hex() for score in theirs] == [score.hex() for score in ours]

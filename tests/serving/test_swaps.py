"""Releases are swapped under load: no request fails, each answer is of exactly one release."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import lightgbm
import pytest
import uvicorn

from data.database import Database
from data.settings import settings
from serving import canary
from serving.access.keys import make_key
from serving.answering import answer
from serving.api.app import application
from serving.releases import Served
from serving.scoring import Model, Scorer
from serving.service import listen
from training import actors, life, release
from training.fit import Calibration, fold_in

CLIENTS = 32


@pytest.fixture
def swapped(
    trained_home: Path, customer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Database, str]]:
    """A copy of the trained bank of which only churn answers, in two versions; the other version."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "warehouse").symlink_to(trained_home / "warehouse")
    for name in ("actors", "cache", "keys"):
        shutil.copytree(trained_home / name, home / name)
    for file in trained_home.glob("zhike.db*"):
        shutil.copy(file, home / file.name)
    churn = shutil.copytree(trained_home / "releases" / "churn", home / "releases" / "churn")
    monkeypatch.setenv("ZHIKE_HOME", str(home))
    database = Database()
    now = release.champion("churn")
    assert now is not None
    found = release.read(now)
    shifted = fold_in(lightgbm.Booster(model_str=found.model), Calibration(1.0, 0.25))
    about = found.card.model_copy(update={"version": "shifted"})
    text = shifted.model_to_string(num_iteration=-1)
    release.write(about, text, found.golden_rows, found.report)
    other = life.sign(database, churn / "shifted", actors.actor(database, "ann"))
    assert set(canary.try_out([found, other]).values()) == {""}
    yield database, found.card.version
    database.engine.dispose()


def offline(database: Database, customer: str) -> dict[str, Any]:
    """Version -> what it says of the customer, worked out without a service."""
    told = {}
    for folder in (settings().releases / "churn").glob("*/"):
        scorer = Scorer({"churn": Model.load(folder)}, {})
        given, _ = answer(scorer, database, customer, ["churn"], actor="test")
        said = given.model_dump(mode="json", exclude_none=True)["scores"]["churn"]
        told[folder.name] = said
    return told


@contextmanager
def running(served: Served, database: Database) -> Iterator[str]:
    """The service on a free loopback port, swapping; its address."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(application(served, database), log_level="critical", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    with served.watching(every=0.02):
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


def asking(
    address: str, key: str, customer: str, stop: threading.Event
) -> list[tuple[int, dict[str, Any]]]:
    """What one client is told until it is stopped."""
    told = []
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=address, headers=headers, timeout=60) as client:
        while not stop.is_set():
            said = client.post("/v1/scores", json={"customer_id": customer, "questions": ["churn"]})
            told.append((said.status_code, said.json()))
    return told


def answers(served: Served, version: str) -> bool:
    return served.current.models["churn"].release.card.version == version


def waited_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "the service did not take the release up"
        time.sleep(0.005)


@pytest.mark.parametrize("swaps", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_f43_releases_swapped_under_load_fail_no_request_and_mix_no_answer(
    swapped: tuple[Database, str], customer: str, swaps: int
) -> None:
    database, first = swapped
    expected = offline(database, customer)
    assert len({score["margin"] for score in expected.values()}) == 2
    served, key, stop = Served.open(database), make_key(database, "a test"), threading.Event()
    with running(served, database) as address, ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(asking, address, key, customer, stop) for _ in range(CLIENTS)]
        try:
            for swap in range(swaps):
                version = ("shifted", first)[swap % 2]
                release.point_champion("churn", version)
                waited_for(partial(answers, served, version))
        finally:
            stop.set()
        told = [one for client in asked for one in client.result()]
    assert {status for status, _ in told} == {200}
    seen = [said["scores"]["churn"] for _, said in told]
    assert {score["version"] for score in seen} == expected.keys()
    assert all(score == expected[score["version"]] for score in seen)
    assert served.degraded == []

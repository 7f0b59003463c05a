"""A training needs no MLflow, and one that was killed leaves nothing half: the outbox settles both."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from data.database import migrated
from data.errors import RegistryError, ReleaseError
from data.warehouse import Warehouse
from tests.training.test_fit import FEATURES, RECIPE
from tests.training.test_release import MODEL, ROWS, card
from training import actors, life, registry, release
from training.fit import fit
from training.outbox import Outbox, waiting
from training.registry import Registration, Trial
from training.run import Trained, train

CHECKOUT = Path(__file__).resolve().parent.parent.parent
BOOSTER = fit(RECIPE, ROWS, FEATURES).booster
TRIALS = [
    Trial(name=f"churn trial {n}", parameters={"num_leaves": 4.0 + n}, loss=0.3, pruned=n == 1)
    for n in range(2)
]
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def told() -> Registration:
    return registry.describe(
        "churn",
        BOOSTER,
        ROWS[list(FEATURES)].head(5),
        parameters={"seed": 1},
        metrics={"auc": 0.7, "nothing": float("nan")},
        tags={"question": "churn"},
        lineage={"training": ROWS, "test": ROWS.head(40)},
    )


def released(box: Outbox, *, trials: bool = False) -> tuple[str, str]:
    """A version released through an outbox, and why MLflow has not been told."""
    dispatch = box.begin("churn", "churn")
    for trial in TRIALS if trials else []:
        dispatch.try_out(trial)
    version = dispatch.announce(told(), MODEL)
    release.write(card(version), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1}, "<p></p>")
    return version, dispatch.deliver()


def runs(question: str = "churn") -> list[Any]:
    with registry.tracking() as client:
        experiment = client.get_experiment_by_name(question)
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        return [run for run in found if registry.PARENT not in run.data.tags]


def model_versions(name: str = "churn") -> list[Any]:
    with registry.tracking() as client:
        return list(client.search_model_versions(f"name = '{name}'"))


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


class Broken(BaseHTTPRequestHandler):
    """An MLflow that is broken: 500 to everything."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self.fail

    def fail(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def broken_server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Broken)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes every connection and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(params=["closed port", "answers 500", "never answers"])
def down(request: pytest.FixtureRequest) -> str:
    """The address of an MLflow that is down, in each way of being down."""
    if request.param == "closed port":
        return closed_port()
    fixture = "broken_server" if request.param == "answers 500" else "silent_server"
    return str(request.getfixturevalue(fixture))


@pytest.mark.slow
def test_mlflow_is_told_of_a_version_its_digests_and_its_data(home: Path) -> None:
    with Outbox() as box:
        version, why = released(box)
    assert (why, waiting()) == ("", [])
    assert list((home / "outbox").iterdir()) == []
    (run,) = runs()
    (made,) = model_versions()
    found = release.read(home / "releases" / "churn" / version)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "1"}
    assert run.data.metrics == {"auc": 0.7}
    assert made.tags["release_sha256"] == run.data.tags["release_sha256"] == found.digest
    assert made.tags["report_sha256"] == found.report_digest
    data = {
        tag.value: given.dataset.digest for given in run.inputs.dataset_inputs for tag in given.tags
    }
    assert data.keys() == {"training", "test"}
    assert data["training"] != data["test"]


@pytest.mark.slow
def test_f30_a_version_is_released_while_mlflow_is_down_and_told_later(
    home: Path, down: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_TRACKING_URI", down)
    with Outbox() as box:
        version, why = released(box, trials=True)
    assert "MLflow at http://127.0.0.1" in why
    assert version.startswith("local")
    assert release.read(home / "releases" / "churn" / version).card.version == version
    assert [entry.version for entry in waiting()] == [version]
    with Outbox() as box:
        assert [s.told[:6] for s in box.sync()] == ["waits:"]  # still down
    monkeypatch.delenv("ZHIKE_TRACKING_URI")
    with Outbox() as box:
        assert [(s.version, s.told) for s in box.sync()] == [(version, "registered")]
    assert waiting() == []
    assert registry.versions("churn") == {"challenger": version}
    registry.promote("churn", version)
    assert registry.versions("churn") == {"challenger": version, "champion": version}
    (run,) = runs()
    assert run.info.status == "FINISHED"
    with registry.tracking() as client:
        trials = client.search_runs([run.info.experiment_id], f"tags.`{registry.PARENT}` != ''")
    assert {trial.info.run_name: trial.info.status for trial in trials} == {
        "churn trial 0": "FINISHED",
        "churn trial 1": "KILLED",  # cut short
    }


@pytest.mark.slow
def test_f30_an_mlflow_that_cannot_be_reached_is_asked_once_in_a_training(
    home: Path, silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_TRACKING_URI", silent_server)
    asked: list[str] = []

    def again() -> str:
        asked.append("again")
        return "told"

    with Outbox() as box:
        released(box)
        assert box.ask(again)[0] == ""
    assert asked == []


@pytest.mark.slow
def test_f30_a_version_that_waits_cannot_be_champion_of_mlflow_yet(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_TRACKING_URI", closed_port())
    with Outbox() as box:
        version, _ = released(box)
    with pytest.raises(RegistryError, match="failed"):
        registry.promote("churn", version)
    monkeypatch.delenv("ZHIKE_TRACKING_URI")
    with pytest.raises(RegistryError, match=r"does not know .* yet; ./zhike training sync"):
        registry.promote("churn", version)


@pytest.mark.slow
def test_what_mlflow_fails_to_hear_at_the_end_is_told_under_its_own_number(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox() as box:
        dispatch = box.begin("churn", "churn")
        version = dispatch.announce(told(), MODEL)
        release.write(card(version), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1}, "<p></p>")
        monkeypatch.setenv("ZHIKE_TRACKING_URI", closed_port())
        assert dispatch.deliver() != ""
    monkeypatch.delenv("ZHIKE_TRACKING_URI")
    assert registry.versions("churn") == {}  # made, but nobody's challenger yet
    with Outbox() as box:
        assert [s.told for s in box.sync()] == ["registered"]
    assert registry.versions("churn") == {"challenger": version}
    assert [str(made.version) for made in model_versions()] == [version]


@pytest.mark.slow
def test_a_refused_model_leaves_a_failed_run_and_no_version(home: Path) -> None:
    with Outbox() as box:
        dispatch = box.begin("churn", "churn")
        dispatch.announce(told(), MODEL)
        dispatch.drop("3 events among 900 rows")
    (run,) = runs()
    assert (run.info.status, run.data.tags[registry.WHY]) == ("FAILED", "3 events among 900 rows")
    assert model_versions() == []
    assert list((home / "outbox").iterdir()) == []


@pytest.mark.slow
def test_a_training_that_is_still_running_is_left_alone(home: Path) -> None:
    with Outbox() as alive:
        alive.begin("churn", "churn")
        with Outbox() as box:
            assert box.sync() == []
        assert [run.info.status for run in runs()] == ["RUNNING"]
    assert [run.info.status for run in runs()] == ["FAILED"]


def test_a_damaged_entry_is_refused_with_the_remedy(home: Path) -> None:
    (home / "outbox").mkdir(parents=True)
    (home / "outbox" / "0.json").write_text('{"token": ')
    with Outbox() as box, pytest.raises(RegistryError, match=r"0.json is damaged. Delete it"):
        box.sync()


def test_an_address_is_shown_without_its_password() -> None:
    assert registry._shown("https://ann:secret@example.org/x") == "https://example.org/x"


# Audit events are the interpreter's own: nothing in the product knows of these points.
KILLED = """
import os, signal, sys
from data.warehouse import Warehouse
from training.run import train

point, kill = sys.argv[1], getattr(signal, sys.argv[2])

def watch(event, told):
    if event == "os.rename" and point == "digests" and str(told[1]).endswith("/digests.json"):
        os.kill(os.getpid(), kill)
    if event == "open" and point == "registry" and str(told[0]).endswith("releases/lifetime_value.five_years"):
        os.kill(os.getpid(), kill)

def say(step, done, total):
    if point == "fit" and step.startswith("fit"):
        os.kill(os.getpid(), kill)

sys.addaudithook(watch)
train(Warehouse(), "lifetime_value.five_years", report=say)
"""


def killed(point: str, how: str = "SIGKILL") -> None:
    """A training of the home in force that dies at a point."""
    ended = outside(KILLED, point, how)
    assert ended.returncode == -getattr(signal, how), ended.stderr


@pytest.fixture
def bank_home(loaded_home: Path, home: Path) -> Path:
    """A home of the test's own over the small bank."""
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    return home


@pytest.mark.slow
@pytest.mark.parametrize(
    "point, how", [("fit", "SIGKILL"), ("fit", "SIGTERM"), ("digests", "SIGKILL")]
)
def test_f27_a_training_killed_before_its_release_stood_leaves_a_failed_run(
    bank_home: Path, point: str, how: str
) -> None:
    killed(point, how)
    assert [run.info.status for run in runs("lifetime_value")] == ["RUNNING"]
    assert registry.versions("lifetime_value.five_years") == {}
    assert release.champions() == {}
    assert waiting() == []
    with Outbox() as box:
        assert [s.told for s in box.sync()] == ["interrupted; its run is marked failed"]
    assert [run.info.status for run in runs("lifetime_value")] == ["FAILED"]
    assert model_versions("lifetime_value.five_years") == []
    assert not any(path.is_file() for path in (bank_home / "releases").rglob("*"))
    assert list((bank_home / "outbox").iterdir()) == []


@pytest.mark.slow
def test_f27_a_training_killed_after_its_release_stood_is_finished_by_the_next(
    bank_home: Path,
) -> None:
    killed("registry")
    assert (
        registry.versions("lifetime_value.five_years") == {}
    )  # no half version: nobody's challenger
    (outcome,) = train(Warehouse(), "lifetime_value.five_years")
    assert isinstance(outcome, Trained), outcome
    assert sorted(run.info.status for run in runs("lifetime_value")) == [
        "FINISHED",
        "FINISHED",
    ]
    assert outcome.version == "2"
    assert {str(made.version) for made in model_versions("lifetime_value.five_years")} == {"1", "2"}
    first, second = (life.read("lifetime_value.five_years", version) for version in ("1", "2"))
    assert first.model == second.model
    assert registry.versions("lifetime_value.five_years") == {"challenger": "2"}


@pytest.mark.slow
def test_f30_a_question_is_trained_while_mlflow_is_down_and_promoted_when_it_is_back(
    bank_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, ben = (actors.available(migrated(), name) for name in ("ann", "ben"))
    monkeypatch.setenv("ZHIKE_TRACKING_URI", closed_port())
    (outcome,) = train(Warehouse(), "lifetime_value.five_years", trainer="ann")
    assert isinstance(outcome, Trained), outcome
    life.vouch(migrated(), "lifetime_value.five_years", outcome.version, ann, ben)
    assert "./zhike training sync tells it" in outcome.remarks[0]
    monkeypatch.delenv("ZHIKE_TRACKING_URI")
    (again,) = train(Warehouse(), "lifetime_value.five_years")  # the next run tells MLflow first
    assert isinstance(again, Trained), again
    assert again.remarks == ()
    assert {made.tags["version"] for made in model_versions("lifetime_value.five_years")} == {
        outcome.version,
        again.version,
    }
    life.promote(migrated(), "lifetime_value.five_years", outcome.version, actor="tests")
    assert registry.versions("lifetime_value.five_years")["champion"] == outcome.version
    folder = release.champion("lifetime_value.five_years")
    assert folder is not None
    assert folder.name == outcome.version


FULL = """
import resource
from data.errors import ReleaseError
from tests.training.test_release import FEATURES, MODEL, ROWS, card, release
from training.trees import Forest

# Code that is compiled for the first time is cached on the disk that is to be full.
Forest.from_text(MODEL).margin(ROWS[list(FEATURES)].to_numpy())
for limit in (0, 1_000, 15_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": "y" * 20_000})
    except ReleaseError as error:
        print(error)
"""


def outside(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in a process of its own, in the home in force."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-P", "-W", "ignore", "-c", script, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_f28_a_full_disk_leaves_nothing_and_says_so(home: Path) -> None:
    """The kernel lets no file grow past a limit: not by a byte, or not to its end."""
    ended = outside(FULL)
    told = ended.stdout.splitlines()
    assert len(told) == 3, ended.stderr
    assert all("churn/1 cannot be written (File too large); nothing of it" in t for t in told)
    assert [*(home / "releases").rglob("*.*")] == []
    with pytest.raises(ReleaseError, match="there is no version 1"):
        release.read(home / "releases" / "churn" / "1")
    written = release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1})
    assert release.read(written).card == card()  # there is room again


FULL_AT_THE_END = """
import resource, sys
from data.warehouse import Warehouse
from training.run import train
from data.errors import ZhikeError

def watch(recipe, made):
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

try:
    train(Warehouse(), "lifetime_value.five_years", watch=watch)
except (ZhikeError, OSError) as error:
    print(error)
"""


@pytest.mark.slow
def test_f28_a_training_whose_disk_fills_up_can_be_run_again(bank_home: Path) -> None:
    """Neither MLflow's database nor the release has room."""
    ended = outside(FULL_AT_THE_END)
    assert "File too large" in ended.stdout, ended.stderr
    assert [*(bank_home / "releases").glob("lifetime_value.five_years/*")] == []
    (outcome,) = train(Warehouse(), "lifetime_value.five_years")
    assert isinstance(outcome, Trained), outcome
    assert sorted(run.info.status for run in runs("lifetime_value")) == [
        "FAILED",
        "FINISHED",
    ]
    assert [str(made.version) for made in model_versions("lifetime_value.five_years")] == [
        outcome.version
    ]

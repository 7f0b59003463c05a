"""The client: a real one, against the real service, in one process or over a socket."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from data.database import Database
from serving import client as ours
from serving.client import ApiError, Client
from serving.jobs import Job
from serving.outcomes import Noted
from serving.overrides import Settled
from serving.scoring import Scorer
from serving.work import working
from tests.serving.conftest import key_of, knocking
from tests.serving.test_feedback import OVERRIDE
from tests.serving.tiny_bank import publish

TOKEN = "zhike.secret"
Handler = Callable[[httpx2.Request], httpx2.Response]


class Line(httpx2.BaseTransport):
    """Carries a client's requests to a service in this process."""

    def __init__(self, service: TestClient) -> None:
        self.service = service

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.service.request(
            request.method, str(request.url.raw_path, "ascii"),
            content=request.read(), headers=dict(request.headers),
        )  # fmt: skip
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


def connected(database: Database, scorer: Scorer, name: str) -> Client:
    key = key_of(database, name)
    return Client("http://testserver", key, transport=Line(knocking(scorer, database)))


@pytest.fixture
def ann(store: Database) -> Iterator[Client]:
    publish(store, 3)
    with connected(store, Scorer({}, {}), "ann") as client:
        yield client


class Script:
    """A service that answers as it was told, and remembers what it was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **settings: Any) -> Client:
        transport = httpx2.MockTransport(self)
        return Client(
            "http://bank", TOKEN, transport=transport, pause=self.pauses.append, **settings
        )


def busy(status: int = 503, **headers: str) -> httpx2.Response:
    problem = {"title": "Not ready", "status": status, "detail": "try again", "code": "not_ready"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=problem, headers=named)


def job() -> httpx2.Response:
    return httpx2.Response(202, json={"job_id": "1"})


def test_what_is_busy_or_lost_is_tried_again_with_the_same_key() -> None:
    service = Script(
        busy(), httpx2.ConnectError("away"), httpx2.ReadTimeout("slow"), busy(429), job()
    )
    assert service.client().submit(["C1"])["job_id"] == "1"
    keys = {request.headers["idempotency-key"] for request in service.asked}
    assert (len(service.asked), len(keys)) == (5, 1)
    assert service.pauses == sorted(service.pauses)
    assert 0.25 <= service.pauses[0] <= 0.5


def test_two_calls_have_two_keys_unless_they_are_given_one() -> None:
    service = Script(job(), job(), job())
    client = service.client()
    client.submit(["C1"])
    client.submit(["C1"])
    client.submit(["C1"], key="mine")
    keys = [request.headers["idempotency-key"] for request in service.asked]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_the_client_waits_as_long_as_it_is_asked_to_but_not_for_ever() -> None:
    patient = Script(busy(Retry_After="7"), job())
    patient.client().submit(["C1"])
    assert patient.pauses == [7.0]
    service = Script(busy(429, Retry_After="3600"))
    with pytest.raises(ApiError) as told:
        service.client().submit(["C1"])
    assert (told.value.status, service.pauses) == (429, [])


def test_it_gives_up_after_its_tries() -> None:
    service = Script(*(busy() for _ in range(3)))
    with pytest.raises(ApiError) as told:
        service.client(tries=3).scores("C1")
    assert (told.value.code, told.value.status, len(service.asked)) == ("not_ready", 503, 3)
    lost = Script(httpx2.ConnectError("away"))
    with pytest.raises(ApiError) as told:
        lost.client(tries=1).scores("C1")
    assert (told.value.code, told.value.status) == ("unreachable", 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_what_will_not_change_is_not_tried_again(status: int) -> None:
    service = Script(busy(status))
    with pytest.raises(ApiError) as told:
        service.client().scores("C1")
    assert (told.value.status, len(service.asked)) == (status, 1)


def test_an_answer_that_is_no_problem_is_told_without_its_words() -> None:
    service = Script(httpx2.Response(502, text="<html>secret of a proxy</html>"))
    with pytest.raises(ApiError, match="not_understood") as told:
        service.client().models()
    assert "secret" not in str(told.value)


def test_the_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    service = Script(httpx2.ConnectError(TOKEN), busy(401))
    client = service.client(tries=1)
    for _ in range(2):
        with pytest.raises(ApiError) as told:
            client.scores("C1")
        assert TOKEN not in f"{told.value!r} {told.value} {client!r} {vars(told.value)}"
        assert told.value.__cause__ is None
    assert TOKEN not in caplog.text
    assert service.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_damaged_download_is_not_kept(tmp_path: Path) -> None:
    service = Script(httpx2.Response(200, content=b"{}", headers={"X-Content-SHA256": "0" * 64}))
    with pytest.raises(ApiError, match="damaged"):
        service.client().download("1", tmp_path / "result")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "theirs,told", [(Job, ours.Job), (Noted, ours.Outcome), (Settled, ours.Override)]
)
def test_what_the_client_promises_is_what_the_service_tells(theirs: Any, told: Any) -> None:
    assert set(told.__annotations__) == set(theirs.model_fields)


def test_a_job_from_submission_to_file(ann: Client, store: Database, tmp_path: Path) -> None:
    with working(store, lambda: Scorer({}, {})):
        job_id = ann.submit(["C001", "nobody", "C002"], ["churn"], reasons=False)["job_id"]
        job = ann.wait(job_id, every=0.05)
    assert (job["status"], job["done"], job["failed"]) == ("done_with_errors", 3, 1)
    items = [*ann.results(job_id)]
    assert [(item["customer_id"], item["status"]) for item in items] == [
        ("C001", 200), ("nobody", 404), ("C002", 200),
    ]  # fmt: skip
    assert ann.download(job_id, tmp_path / "result.jsonl") == job["result_sha256"]
    lines = (tmp_path / "result.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["item"] for line in lines] == [0, 1, 2]
    assert [one["job_id"] for one in ann.jobs()] == [job_id]


def test_a_job_that_does_not_end_is_not_waited_for_for_ever(ann: Client) -> None:
    job_id = ann.submit(["C001"])["job_id"]
    with pytest.raises(TimeoutError, match="still queued"):
        ann.wait(job_id, at_most=0)
    assert ann.cancel(job_id)["status"] == "cancelled"


def test_feedback_through_the_client(ann: Client, store: Database) -> None:
    told = ann.outcome("C001", "churn", "left", "2026-06-30", "core")
    mended = ann.outcome(
        "C001", "churn", "stayed", "2026-06-30", "core", supersedes=told["outcome_id"]
    )
    assert mended["supersedes"] == told["outcome_id"]
    number = ann.scores("C001", ["churn"])["audit"]
    asked = OVERRIDE | {"score_audit": number, "model": "churn"}
    made = ann.override(**asked)
    with pytest.raises(ApiError) as refused:
        ann.settle(made["override_id"], approve=True)
    assert refused.value.status == 403
    with connected(store, Scorer({}, {}), "ben") as ben:
        assert ben.settle(made["override_id"], approve=True)["approver"] == "ben"
    assert [one["status"] for one in ann.overrides()] == ["approved"]


def test_scores_changes_and_movements_through_the_client(
    served: Database, scorer: Scorer, customer: str
) -> None:
    with connected(served, scorer, "ann") as client:
        given = client.scores(customer, ["churn"], language="zh-TW")
        assert given["scores"]["churn"]["model"] == "churn"
        assert client.changes(customer, "churn", 0.5)["audit"] == given["audit"] + 1
        with pytest.raises(ApiError) as told:
            client.movements(customer, "churn", "2020-01-31", "2020-02-29")
        assert told.value.status in (404, 422, 503)

"""Jobs: every customer is answered once, whoever is killed, and nobody sees another's."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.testclient import TestClient

from data.audit import first_broken
from data.database import Database
from data.errors import NotReady
from data.schema import AUDIT, JOB_CHUNKS, JOBS
from serving import jobs
from serving.api.jobs import MOST_BYTES
from serving.jobs import Asked, Job, State
from serving.scoring import Answer, Profile, Scorer
from serving.work import Worker, working
from tests.requirements import CHECKOUT
from tests.serving.conftest import key_of, knocking
from tests.serving.tiny_bank import publish

AT_ONCE = timedelta(0)
EMPTY = Scorer({}, {})


@pytest.fixture
def bank_of_ten(database: Database, home: Path) -> list[str]:
    return publish(database, 10)


@pytest.fixture
def ten(store: Database) -> list[str]:
    return publish(store, 10)


def queue(database: Database, customers: list[str], chunk: int = 3) -> str:
    asked = Asked(questions=["churn"], actor="ann")
    with database.writing() as connection:
        return jobs.submit(connection, "ann", asked, customers, chunk).job_id


def work(database: Database, scorer: Scorer = EMPTY, lease: timedelta = AT_ONCE) -> bool:
    return Worker(database, lambda: scorer, lease).step()


def found(database: Database, job_id: str) -> Job:
    return jobs.find(database, "ann", job_id)


def result(database: Database, job_id: str) -> bytes:
    return b"".join(part.read() for part in jobs.parts(database, job_id))


def test_a_job_answers_every_customer_in_order(database: Database, bank_of_ten: list[str]) -> None:
    job_id = queue(database, bank_of_ten)
    assert found(database, job_id).status is State.QUEUED
    assert work(database)
    job = found(database, job_id)
    assert (job.status, job.total, job.done, job.failed) == (State.DONE, 10, 10, 0)
    lines = [json.loads(line) for line in result(database, job_id).splitlines()]
    assert [(line["item"], line["customer_id"]) for line in lines] == [*enumerate(bank_of_ten)]
    assert {line["scores"]["churn"]["reason"] for line in lines} == {
        "no model: nobody has trained it"
    }
    assert job.result_sha256 == sha256(result(database, job_id)).hexdigest()
    assert not work(database)


def test_every_item_has_its_audit_record(database: Database, bank_of_ten: list[str]) -> None:
    job_id = queue(database, bank_of_ten)
    work(database)
    pages = [jobs.page(database, "ann", job_id, number) for number in range(4)]
    assert [following for _, following in pages] == [1, 2, 3, None]
    numbers = [item["audit"] for items, _ in pages for item in items]
    with database.reading() as connection:
        rows = connection.execute(sa.select(AUDIT.c.sequence, AUDIT.c.kind))
        kinds = {row.sequence: row.kind for row in rows}
    assert len(set(numbers)) == 10
    assert {kinds[number] for number in numbers} == {"answer"}
    assert [kind for kind in kinds.values() if kind != "answer"] == ["job", "job_ended"]
    assert first_broken(database) is None


def test_f64_a_row_that_always_fails_costs_only_itself(
    database: Database, bank_of_ten: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    job_id = queue(database, ["nobody", *bank_of_ten])
    work(database, Poisoned({}, {}))
    job = found(database, job_id)
    assert (job.status, job.done, job.failed) == (State.DONE_WITH_ERRORS, 11, 2)
    lines = [json.loads(line) for line in result(database, job_id).splitlines()]
    odd = {line["customer_id"]: line for line in lines if line["status"] != 200}
    assert {who: (line["status"], line["problem"]["code"]) for who, line in odd.items()} == {
        "nobody": (404, "unknown_customer"),
        "C004": (500, "internal_error"),
    }
    assert "marker" not in result(database, job_id).decode()
    assert "an item of a job failed" in caplog.text  # the operator is told


class Poisoned(Scorer):
    def answer(self, profile: Profile, *args: Any, **more: Any) -> Answer:
        if profile.customer_id == "C004":
            raise ZeroDivisionError("marker")
        return super().answer(profile, *args, **more)


class Killed(BaseException):
    """What ends a worker without any of its handlers running."""


class Mortal(Database):
    """A database whose worker dies at the n-th transaction: before it, or after it was committed."""

    def __init__(self, address: str, dies_at: int, committed: bool) -> None:
        super().__init__(address)
        self.left, self.committed = dies_at, committed

    @contextmanager
    def writing(self, *, queued: bool = True) -> Iterator[Connection]:
        self.left -= 1
        if self.left == 0 and not self.committed:
            raise Killed
        with super().writing(queued=queued) as connection:
            yield connection
        if self.left == 0:
            raise Killed


@pytest.mark.parametrize("committed", [False, True])
def test_f60_killed_at_any_step_a_job_goes_on_and_ends_with_the_same_bytes(
    home: Path, store: Database, ten: list[str], committed: bool
) -> None:
    whole = queue(store, ten[:5], chunk=2)
    work(store)
    for dies_at in range(1, 100):
        job_id = queue(store, ten[:5], chunk=2)
        mortal = Mortal(store.address, dies_at, committed)
        try:
            work(mortal)
        except Killed:
            work(store)
        else:
            break
        finally:
            mortal.engine.dispose()
        assert found(store, job_id).result_sha256 == found(store, whole).result_sha256
        assert found(store, job_id).done == 5
    assert 12 < dies_at < 20  # a claim, five answers and signs of life, three chunks, the end
    assert first_broken(store) is None


KILLED = """
import os, signal, sys
from datetime import timedelta
from data.database import Database
from serving.scoring import Scorer
from serving.work import Worker
class Killing(Scorer):
    def answer(self, profile, *args, **more):
        if profile.customer_id == sys.argv[2]: os.kill(os.getpid(), signal.SIGKILL)
        return super().answer(profile, *args, **more)
Worker(Database(sys.argv[1]), lambda: Killing({}, {}), timedelta(0)).step()
"""


def child(code: str, *told: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, *told],
        stdout=subprocess.PIPE, text=True, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip


def test_f60_after_a_kill_9_the_next_worker_takes_up_the_first_unfinished_chunk(
    home: Path, store: Database, ten: list[str]
) -> None:
    whole, job_id = queue(store, ten), queue(store, ten)
    work(store)
    with child(KILLED, store.address, "C007") as worker:
        assert worker.wait() == -signal.SIGKILL
    job = found(store, job_id)
    assert (job.status, job.done) == (State.RUNNING, 6)
    work(store)
    assert found(store, job_id).result_sha256 == found(store, whole).result_sha256


def test_a_job_whose_workers_keep_dying_is_given_up(store: Database, ten: list[str]) -> None:
    job_id = queue(store, ten)
    for _ in range(3):
        mortal = Mortal(store.address, 2, committed=False)
        with pytest.raises(Killed):
            work(mortal)
        mortal.engine.dispose()
    work(store)
    job = found(store, job_id)
    assert (job.status, job.problem) == (
        State.FAILED, "gave up after 3 attempts at the same customers.",
    )  # fmt: skip
    assert not work(store)


def test_f61_a_worker_that_wakes_after_its_lease_writes_nothing(
    database: Database, bank_of_ten: list[str]
) -> None:
    job_id = queue(database, bank_of_ten)
    finished: list[Job] = []

    class Sleeper(Scorer):
        def answer(self, profile: Profile, *args: Any, **more: Any) -> Answer:
            if not finished:
                work(database)  # another takes the job over and ends it
                finished.append(found(database, job_id))
            return super().answer(profile, *args, **more)

    assert work(database, Sleeper({}, {}))
    assert found(database, job_id) == finished[0]
    assert finished[0].status is State.DONE
    with database.reading() as connection:
        tokens = set(connection.execute(sa.select(JOB_CHUNKS.c.token)).scalars())
    assert tokens == {2}


def test_a_cancelled_job_is_left_within_its_chunk(
    database: Database, bank_of_ten: list[str]
) -> None:
    job_id = queue(database, bank_of_ten, chunk=10)
    asked: list[str] = []

    class Impatient(Scorer):
        def answer(self, profile: Profile, *args: Any, **more: Any) -> Answer:
            asked.append(profile.customer_id)
            stop(database, job_id)
            return super().answer(profile, *args, **more)

    assert work(database, Impatient({}, {}))
    assert asked == ["C000"]


def test_f61_a_worker_that_is_alive_keeps_its_job(
    database: Database, bank_of_ten: list[str]
) -> None:
    job_id = queue(database, bank_of_ten)
    others: list[bool] = []

    class Watched(Scorer):
        def answer(self, profile: Profile, *args: Any, **more: Any) -> Answer:
            others.append(work(database))
            return super().answer(profile, *args, **more)

    assert work(database, Watched({}, {}), timedelta(minutes=1))
    assert others == [False] * 10
    assert found(database, job_id).status is State.DONE


def test_sixteen_workers_share_the_jobs_and_do_each_once(
    database: Database, bank_of_ten: list[str]
) -> None:
    queued = [queue(database, bank_of_ten[:2]) for _ in range(6)]
    workers = [
        threading.Thread(target=work, args=(database, EMPTY, timedelta(minutes=1)))
        for _ in range(16)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert {found(database, job_id).status for job_id in queued} == {State.DONE}
    with database.reading() as connection:
        answered = sa.select(sa.func.count()).where(AUDIT.c.kind == "answer")
        assert connection.execute(answered).scalar_one() == 12


def test_a_cancelled_job_stops_and_a_finished_one_stays(
    database: Database, bank_of_ten: list[str]
) -> None:
    job_id = queue(database, bank_of_ten)

    class Impatient(Scorer):
        def answer(self, profile: Profile, *args: Any, **more: Any) -> Answer:
            if profile.customer_id == "C004":
                stop(database, job_id)
            return super().answer(profile, *args, **more)

    assert work(database, Impatient({}, {}))
    job = found(database, job_id)
    assert (job.status, job.done, job.result_sha256) == (State.CANCELLED, 3, None)
    assert not work(database)
    done = queue(database, bank_of_ten)
    work(database)
    assert stop(database, done).status is State.DONE


def stop(database: Database, job_id: str) -> Job:
    with database.writing() as connection:
        return jobs.cancel(connection, "ann", job_id, "ann")


def test_before_the_first_book_a_job_waits(home: Path, store: Database) -> None:
    job_id = queue(store, ["C001"])
    for _ in range(5):
        with pytest.raises(NotReady):
            work(store)
    publish(store, 2)
    assert work(store)
    assert found(store, job_id).status is State.DONE


def test_an_expired_job_is_gone_with_its_files(store: Database, ten: list[str], home: Path) -> None:
    job_id, kept = queue(store, ten), queue(store, ten)
    for _ in range(2):
        work(store)
    files = [*(home / "jobs" / job_id).iterdir()]
    assert {oct(file.stat().st_mode)[-3:] for file in files} == {"600"}
    with store.writing() as connection:
        yesterday = datetime.now(UTC) - timedelta(1)
        ours = sa.update(JOBS).where(JOBS.c.job_id == job_id)
        connection.execute(ours.values(expires_at=yesterday))
    assert jobs.sweep(store) == 1
    assert [file.name for file in (home / "jobs").iterdir()] == [kept]
    with store.reading() as connection:
        assert set(connection.execute(sa.select(JOB_CHUNKS.c.job_id)).scalars()) == {kept}


def test_a_damaged_result_is_not_handed_out(
    quick_client: TestClient, store: Database, ten: list[str], home: Path
) -> None:
    job_id = quick_client.post("/v1/jobs", json={"customers": ten}).json()["job_id"]
    work(store)
    [file] = (home / "jobs" / job_id).iterdir()
    file.write_bytes(file.read_bytes().replace(b"C001", b"C002"))
    refused = quick_client.get(f"/v1/jobs/{job_id}/results")
    assert (refused.status_code, refused.json()["detail"]) == (500, "internal error")
    assert quick_client.get(f"/v1/jobs/{job_id}/result").content == b""  # and its length says so
    file.write_bytes(b"{}")
    assert quick_client.get(f"/v1/jobs/{job_id}/result").status_code == 500


def test_over_http_a_job_is_submitted_paged_and_fetched(
    quick_client: TestClient, store: Database, ten: list[str]
) -> None:
    asked = {"customers": ten * 13, "questions": ["churn"], "reasons": False}
    submitted = quick_client.post("/v1/jobs", json=asked)
    assert (submitted.status_code, submitted.json()["status"]) == (202, "queued")
    where = f"/v1/jobs/{submitted.json()['job_id']}"
    early = quick_client.get(f"{where}/result")
    assert (early.status_code, early.json()["title"]) == (409, "Conflict")
    work(store)
    assert quick_client.get(where).json()["status"] == "done"
    first = quick_client.get(f"{where}/results").json()
    second = quick_client.get(f"{where}/results", params={"cursor": first["next"]}).json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (100, 30, None)
    whole = quick_client.get(f"{where}/result")
    assert whole.headers["x-content-sha256"] == sha256(whole.content).hexdigest()
    assert len(whole.content.splitlines()) == 130


def test_a_caller_sees_only_their_own_jobs(
    quick_client: TestClient, store: Database, ten: list[str]
) -> None:
    ids = [quick_client.post("/v1/jobs", json={"customers": ten}).json()["job_id"] for _ in "abc"]
    other = knocking(EMPTY, store, key_of(store, "another"))
    for method, tail in [("GET", ""), ("DELETE", ""), ("GET", "/results"), ("GET", "/result")]:
        for job_id in (ids[0], "0" * 32):
            refused = other.request(method, f"/v1/jobs/{job_id}{tail}")
            assert (refused.status_code, ids[0] in refused.text) == (404, False)
    assert other.get("/v1/jobs").json() == {"jobs": [], "next": None}
    page = quick_client.get("/v1/jobs", params={"limit": 2}).json()
    rest = quick_client.get("/v1/jobs", params={"limit": 2, "cursor": page["next"]}).json()
    assert [job["job_id"] for job in page["jobs"] + rest["jobs"]] == ids[::-1]
    assert rest["next"] is None


def test_f37_a_job_may_be_large_but_not_any_size(quick_client: TestClient, home: Path) -> None:
    for count, status in ((200_000, 202), (200_001, 422)):
        asked = {"customers": [f"C{number:09d}" for number in range(count)]}
        told = quick_client.post("/v1/jobs", json=asked)
        assert (told.status_code, len(told.content) < 1_000) == (status, True)
    headers = {"Content-Type": "application/json"}
    told = quick_client.post("/v1/jobs", content=b" " * (MOST_BYTES + 1), headers=headers)
    assert told.status_code == 413


def test_a_job_of_unknown_questions_is_refused_at_once(quick_client: TestClient) -> None:
    asked = {"customers": ["C1"], "questions": ["weather"]}
    assert quick_client.post("/v1/jobs", json=asked).status_code == 404


def test_a_job_gives_what_single_requests_give(
    client: TestClient, served: Database, scorer: Scorer, standings: dict[str, dict[str, str]]
) -> None:
    some = sorted(standings)[::300]
    job_id = client.post("/v1/jobs", json={"customers": some}).json()["job_id"]
    bare_id = client.post("/v1/jobs", json={"customers": some, "reasons": False}).json()["job_id"]
    for _ in range(2):
        assert work(served, scorer)
    items = client.get(f"/v1/jobs/{job_id}/results").json()["items"]
    bare = client.get(f"/v1/jobs/{bare_id}/results").json()["items"]
    for customer, item, short in zip(some, items, bare, strict=True):
        told = client.post("/v1/scores", json={"customer_id": customer}).json()
        assert (item["as_of"], item["scores"]) == (told["as_of"], told["scores"])
        assert short["scores"]["churn"].get("value") == told["scores"]["churn"].get("value")
        assert not short["scores"]["churn"].keys() & {"reasons", "contributions"}


def test_a_thread_beside_the_service_works_jobs_off(store: Database, ten: list[str]) -> None:
    with working(store, lambda: EMPTY):
        job_id = queue(store, ten)
        while found(store, job_id).status in jobs.OPEN:
            time.sleep(0.05)
    assert found(store, job_id).status is State.DONE
    assert "jobs" not in {thread.name for thread in threading.enumerate()}

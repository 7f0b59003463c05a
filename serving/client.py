"""A thin client of the API: typed calls, retries that are safe, and errors that say what to do.

    with Client("http://127.0.0.1:8000", token) as bank:
        print(bank.scores("C000000042", ["churn"])["scores"])

It imports nothing else of Zhike, so this one file can be copied to where it is used.
"""

import hashlib
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, cast

import httpx2

Json = dict[str, Any]
AGAIN = (429, 503)
ENDED = ("done", "done_with_errors", "failed", "cancelled")


class Job(TypedDict):
    """A job; ``done`` counts its customers, ``failed`` those who got a problem."""

    job_id: str
    status: str
    total: int
    done: int
    failed: int
    problem: str | None
    result_sha256: str | None
    created_at: str
    finished_at: str | None
    expires_at: str


class Outcome(TypedDict):
    """An outcome as it stands on record."""

    outcome_id: str
    model: str
    outcome: str
    occurred_on: str
    source: str
    supersedes: str | None
    recorded_at: str
    audit: int


class Override(TypedDict):
    """An override, who decided it, and who approved or rejected it."""

    override_id: str
    status: str
    score_audit: int
    model: str
    decision: str
    direction: str
    reason_code: str
    expires_on: str
    decided_by: str
    decided_at: str
    approver: str | None
    approved_at: str | None
    audit: int


class ApiError(Exception):
    """A refusal, or no answer at all (status 0, code "unreachable")."""

    def __init__(self, code: str, status: int, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.code, self.status, self.detail = code, status, detail


class Client:
    """Calls the API in the name of whoever holds the token.

    An answer 429 or 503 and a lost connection are tried again, after what Retry-After says or
    ever longer pauses. That is safe for every call: what has an effect carries an
    Idempotency-Key, so that the service repeats its first answer.

    Args:
        address: of the service, such as http://127.0.0.1:8000.
        token: an API key or a bearer token; it is shown nowhere.
        timeout: seconds for each of connecting, sending and receiving.
        tries: how often a call is sent at most.
        longest: seconds between two tries at most; a service that asks for more is not waited for.
        transport: what carries the requests; default: the network.
        pause: what waits; for tests.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout: float = 30.0,
        tries: int = 5,
        longest: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.address, self.tries, self.longest = address, max(1, tries), longest
        self._pause = pause
        self._http = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def scores(self, customer_id: str, questions: Sequence[str] = (), **more: Any) -> Json:
        """Scores of one customer; ``more`` are further fields, such as language="zh-TW"."""
        return self._post("/v1/scores", customer_id=customer_id, **_named(questions), **more)

    def batch(self, customers: Sequence[str], questions: Sequence[str] = (), **more: Any) -> Json:
        """Scores of up to 1,000 customers in their order, with a status each."""
        named = [{"customer_id": customer} for customer in customers]
        return self._post("/v1/scores/batch", customers=named, **_named(questions), **more)

    def inline(self, **asked: Any) -> Json:
        """Scores of features that are sent."""
        return self._post("/v1/scores/inline", **asked)

    def changes(self, customer_id: str, question: str, threshold: float, **more: Any) -> Json:
        """The least that would take a score below a threshold."""
        asked = {"customer_id": customer_id, "question": question, "threshold": threshold}
        return self._post("/v1/changes", **asked, **more)

    def movements(
        self, customer_id: str, question: str, since: str, until: str, **more: Any
    ) -> Json:
        """Which reasons moved a score between two days, YYYY-MM-DD."""
        asked = {"customer_id": customer_id, "question": question, "since": since, "until": until}
        return self._post("/v1/movements", **asked, **more)

    def refusals(self, customer_id: str, **asked: Any) -> Json:
        """The notice of a refusal of credit."""
        return self._post("/v1/refusals", customer_id=customer_id, **asked)

    def profile(self, customer_id: str, **more: Any) -> Json:
        """The published profile of a customer."""
        return self._post("/v1/customers/profile", customer_id=customer_id, **more)

    def history(self, customer_id: str, **more: Any) -> Json:
        """The past scores of a customer."""
        return self._post("/v1/customers/history", customer_id=customer_id, **more)

    def models(self) -> Json:
        """The models that answer."""
        return self._get("/v1/models")

    def submit(
        self,
        customers: Sequence[str],
        questions: Sequence[str] = (),
        *,
        key: str | None = None,
        **more: Any,
    ) -> Job:
        """Queue a job of up to 200,000 customers."""
        asked = {"customers": list(customers), **_named(questions), **more}
        return cast(Job, self._effect("/v1/jobs", asked, key))

    def job(self, job_id: str) -> Job:
        """Where a job stands."""
        return cast(Job, self._get(f"/v1/jobs/{job_id}"))

    def jobs(self) -> Iterator[Job]:
        """The caller's own jobs, newest first."""
        return (cast(Job, one) for one in self._pages("/v1/jobs", "jobs"))

    def cancel(self, job_id: str) -> Job:
        """Stop a job."""
        return cast(Job, self._json("DELETE", f"/v1/jobs/{job_id}"))

    def wait(self, job_id: str, *, every: float = 2.0, at_most: float = 3_600.0) -> Job:
        """Wait until a job has ended.

        Raises:
            TimeoutError: it has not in ``at_most`` seconds.
        """
        last = time.monotonic() + at_most
        while (job := self.job(job_id))["status"] not in ENDED:
            if time.monotonic() >= last:
                raise TimeoutError(f"job {job_id} is still {job['status']}")
            self._pause(every)
        return job

    def results(self, job_id: str) -> Iterator[Json]:
        """The items of a job with their audit numbers, in the order of the request."""
        return self._pages(f"/v1/jobs/{job_id}/results", "items")

    def download(self, job_id: str, path: Path) -> str:
        """Write the result of a job to a file, checked against its SHA-256, which is returned."""
        draft, digest = path.with_name(f".{path.name}.{uuid.uuid4().hex}"), hashlib.sha256()
        answer = self._answer("GET", f"/v1/jobs/{job_id}/result", stream=True)
        try:
            with draft.open("xb") as file:
                for piece in answer.iter_bytes():
                    digest.update(piece)
                    file.write(piece)
            if digest.hexdigest() != answer.headers.get("X-Content-SHA256"):
                raise ApiError("damaged", answer.status_code, "the result is not what was sent")
            draft.replace(path)
        except httpx2.TransportError as error:
            raise ApiError("unreachable", 0, type(error).__name__) from None
        finally:
            answer.close()
            draft.unlink(missing_ok=True)
        return digest.hexdigest()

    def outcome(
        self,
        customer_id: str,
        model: str,
        outcome: str,
        occurred_on: str,
        source: str,
        *,
        supersedes: str | None = None,
        key: str | None = None,
    ) -> Outcome:
        """Record what became of a customer."""
        asked = {"customer_id": customer_id, "model": model, "outcome": outcome}
        asked |= {"occurred_on": occurred_on, "source": source}
        asked |= {"supersedes": supersedes} if supersedes else {}
        return cast(Outcome, self._effect("/v1/outcomes", asked, key))

    def override(self, *, key: str | None = None, **asked: Any) -> Override:
        """Record a decision against a score; see OverrideRequest for the fields."""
        return cast(Override, self._effect("/v1/overrides", asked, key))

    def settle(self, override_id: str, approve: bool, *, key: str | None = None) -> Override:
        """Approve or reject an override that somebody else decided."""
        asked = {"decision": "approve" if approve else "reject"}
        return cast(Override, self._effect(f"/v1/overrides/{override_id}/approval", asked, key))

    def overrides(self) -> Iterator[Override]:
        """All overrides, newest first."""
        return (cast(Override, one) for one in self._pages("/v1/overrides", "overrides"))

    def _post(self, path: str, **asked: Any) -> Json:
        return self._json("POST", path, json=asked)

    def _get(self, path: str, **params: str) -> Json:
        return self._json("GET", path, params=params)

    def _effect(self, path: str, asked: Mapping[str, Any], key: str | None) -> Json:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._json("POST", path, json=asked, headers=headers)

    def _pages(self, path: str, held: str) -> Iterator[Json]:
        cursor: str | None = ""
        while cursor is not None:
            page = self._get(path, cursor=cursor)
            yield from page[held]
            cursor = page["next"]

    def _json(self, method: str, path: str, **sent: Any) -> Json:
        return cast(Json, self._answer(method, path, **sent).json())

    def _answer(
        self, method: str, path: str, *, stream: bool = False, **sent: Any
    ) -> httpx2.Response:
        """The first answer that is not worth another try.

        Raises:
            ApiError: a refusal, or no answer after the last try.
        """
        for tried in range(1, self.tries + 1):
            answer, problem = self._once(self._http.build_request(method, path, **sent), stream)
            if problem is None and answer is not None:
                return answer
            pause = self._before_next(tried, answer)
            if pause is None:
                break
            self._pause(pause)
        raise problem or ApiError("unreachable", 0, "no answer")

    def _once(
        self, request: httpx2.Request, stream: bool
    ) -> tuple[httpx2.Response | None, ApiError | None]:
        try:
            answer = self._http.send(request, stream=stream)
            if not answer.is_success:
                answer.read()
        except httpx2.TransportError as error:  # its request holds the token
            return None, ApiError("unreachable", 0, type(error).__name__)
        return answer, None if answer.is_success else _problem(answer)

    def _before_next(self, tried: int, answer: httpx2.Response | None) -> float | None:
        """Seconds to wait; None where another try is of no use."""
        if tried >= self.tries or (answer is not None and answer.status_code not in AGAIN):
            return None
        asked = answer.headers.get("Retry-After", "") if answer is not None else ""
        if asked.isdecimal():
            return float(asked) if float(asked) <= self.longest else None
        # Chance keeps clients that were refused together from coming back together.
        return random.uniform(0.5, 1.0) * min(self.longest, 0.25 * 2.0**tried)


def _named(questions: Sequence[str]) -> Json:
    return {"questions": list(questions)} if questions else {}


def _problem(answer: httpx2.Response) -> ApiError:
    try:
        told = answer.json()
        detail, code = str(told["detail"]), str(told.get("code", "")) or _code(str(told["title"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        detail, code = "the answer is no problem+json", "not_understood"
    return ApiError(code, answer.status_code, detail)


def _code(title: str) -> str:
    return title.lower().replace(" ", "_")

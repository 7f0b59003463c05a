"""Jobs: scores of up to 200,000 customers, worked off in the background."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from serving import jobs
from serving.api.once import Once, owner
from serving.api.shared import Customer, Known, Named, Store, body, like
from serving.idempotency import Done
from serving.identifiers import Identifier
from serving.jobs import Job
from serving.reasons import Language
from serving.scoring import Scorer
from serving.strict import strict
from training.recipes import QUESTIONS

MOST_BYTES = 16 * 1024 * 1024
MOST_CUSTOMERS = 200_000
routes = APIRouter(tags=["jobs"])


class JobRequest(BaseModel):
    """Whose scores and which."""

    model_config = like({"customers": ["C000000042", "C000000043"], "questions": ["churn"]})

    kind: Literal["scores"] = "scores"
    customers: Annotated[list[Customer], Field(min_length=1, max_length=MOST_CUSTOMERS)]
    questions: Annotated[list[Named], Field(min_length=1, max_length=20)] = list(QUESTIONS)
    language: Language = "en"
    reasons: bool = True


class JobList(BaseModel):
    """Some jobs, newest first; with ``next`` as the cursor come those before."""

    jobs: list[Job]
    next: str | None


class JobPage(BaseModel):
    """Some items of a result, in the order of the request; with ``next`` come those after."""

    items: list[dict[str, Any]]
    next: str | None


@routes.post("/jobs", status_code=202, openapi_extra=body(JobRequest), response_model=Job)
def submit(
    who: Known,
    once: Once,
    asked: Annotated[JobRequest, Depends(strict(JobRequest, MOST_BYTES))],
) -> JSONResponse:
    """Queue a job; it answers each customer as POST /v1/scores would, or with a problem."""
    Scorer.named(asked.questions)
    wanted = jobs.Asked(
        questions=asked.questions, language=asked.language, reasons=asked.reasons, actor=who.name
    )
    return once(
        asked,
        lambda connection: _told(202, jobs.submit(connection, owner(who), wanted, asked.customers)),
    )


def _told(status: int, job: Job) -> Done:
    return Done(status, job.model_dump(mode="json"))


@routes.get("/jobs")
def own(
    who: Known,
    store: Store,
    cursor: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> JobList:
    """The caller's own jobs, newest first."""
    found = jobs.own(store, owner(who), cursor, limit)
    return JobList(jobs=found, next=found[-1].job_id if len(found) == limit else None)


@routes.get("/jobs/{job_id}")
def status(who: Known, store: Store, job_id: Identifier) -> Job:
    """Where a job stands."""
    return jobs.find(store, owner(who), job_id)


@routes.delete("/jobs/{job_id}")
def cancel(who: Known, store: Store, job_id: Identifier) -> Job:
    """Stop a job; one that has ended stays as it is, and its status says so."""
    with store.writing() as connection:
        return jobs.cancel(connection, owner(who), job_id, who.name)


@routes.get("/jobs/{job_id}/results")
def results(
    who: Known,
    store: Store,
    job_id: Identifier,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{0,6}$")] = "",
) -> JobPage:
    """A page of a job's result, as soon as its customers are done, each with its audit record."""
    items, following = jobs.page(store, owner(who), job_id, int(cursor or 0))
    return JobPage(items=items, next=str(following) if following else None)


@routes.get(
    "/jobs/{job_id}/result",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
def result(who: Known, store: Store, job_id: Identifier) -> StreamingResponse:
    """The whole result of a job that is done: JSON lines, their SHA-256 in X-Content-SHA256."""
    job, found = jobs.result(store, owner(who), job_id, who.name)
    return StreamingResponse(
        _read(found),
        media_type="application/x-ndjson",
        headers={
            "X-Content-SHA256": job.result_sha256 or "",
            "Content-Length": str(sum(part.size for part in found)),
            "Content-Disposition": f'attachment; filename="{job_id}.jsonl"',
        },
    )


def _read(found: list[jobs.Part]) -> Iterator[bytes]:
    for part in found:
        yield part.read()

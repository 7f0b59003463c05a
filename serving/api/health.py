"""Whether the process answers, whether it is ready, and what it counts."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving import metrics
from serving.readiness import Watch, report

routes = APIRouter()


@routes.get("/healthz")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@routes.get("/readyz", responses={503: {"description": "Not ready: send nothing here now."}})
async def readiness(request: Request) -> JSONResponse:
    """Whether this worker can answer, and what is degraded."""
    watch: Watch = request.app.state.watch
    if watch.began is None and watch.published is None and not watch.away:
        watch.look()  # nobody looked yet
    told = report(watch, request.app.state.scorer)
    away = told["status"] != "ready"
    return JSONResponse(told, 503 if away else 200, {"Retry-After": "5"} if away else None)


@routes.get("/metrics", response_class=Response)
async def counted() -> Response:
    """What the service counts, for Prometheus."""
    return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

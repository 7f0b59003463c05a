"""Whether the process answers."""

from fastapi import APIRouter

routes = APIRouter()


@routes.get("/healthz")
def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}

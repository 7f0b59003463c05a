"""What the service counts, for Prometheus; workers of one service add up.

Where PROMETHEUS_MULTIPROC_DIR names a folder (the supervisor sets it before a worker starts)
every worker writes its counts there and any of them tells the sum. No label holds anything of a
customer or of a caller.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_OWN = CollectorRegistry()

REQUESTS = Histogram(
    "zhike_request_seconds",
    "Time to answer.",
    ("method", "route", "status"),
    buckets=_SECONDS,
    registry=_OWN,
)
IN_FLIGHT = Gauge(
    "zhike_requests_in_flight",
    "Requests being answered.",
    registry=_OWN,
    multiprocess_mode="livesum",
)
SHED = Counter("zhike_requests_shed", "Requests refused at once.", ("why",), registry=_OWN)
SCORES = Counter("zhike_scores", "Scores given.", ("model", "status"), registry=_OWN)
MODELS = Gauge(
    "zhike_model",
    "1 for the version of a model that answers.",
    ("model", "version"),
    registry=_OWN,
    multiprocess_mode="livemax",
)
READY = Gauge("zhike_ready", "Workers that are ready.", registry=_OWN, multiprocess_mode="livesum")
AUDIT_WAITING = Gauge(
    "zhike_audit_waiting",
    "Records that wait for the committer.",
    registry=_OWN,
    multiprocess_mode="livesum",
)
AUDIT_BATCH = Histogram(
    "zhike_audit_batch_records",
    "Records that one transaction of the committer wrote.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
    registry=_OWN,
)


_told: set[tuple[str, str]] = set()


def tell_versions(answering: Mapping[str, str]) -> None:
    """Say which version of each model answers; those that did before no longer do."""
    now = set(answering.items())
    for name, version in _told - now:
        MODELS.labels(name, version).set(0)
    for name, version in now - _told:
        MODELS.labels(name, version).set(1)
    _told.clear()
    _told.update(now)


def count_scores(scores: Mapping[str, Any]) -> None:
    """Count an answer's scores, each or by product, by model and status."""
    for score in _each(scores):
        SCORES.labels(score.model, score.status).inc()


def _each(scores: Mapping[str, Any]) -> Iterator[Any]:
    for told in scores.values():
        if isinstance(told, Mapping):
            yield from told.values()
        else:
            yield told


def page() -> bytes:
    """Everything counted, in Prometheus's text format."""
    if SHARED not in os.environ:
        return generate_latest(_OWN)
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)

"""Whether the service can answer: a look at the database every second, and what is degraded."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data.database import Database
from data.errors import ZhikeError
from data.schema import PUBLICATIONS
from data.settings import settings
from serving import metrics

EVERY = 1.0  # seconds between looks
LEAST_DISK = 64 * 1024 * 1024  # bytes free, below which somebody should look


@dataclass(frozen=True)
class Published:
    """The profiles in force: the day they show, and when they were published."""

    as_of: str
    published_at: datetime


@dataclass
class Watch:
    """What a worker knows of the database without asking it now.

    A look runs in a thread of its own; while one hangs no other is begun, and the database
    counts as away once it has hung for longer than the service waits for a statement.
    """

    database: Database
    patience: float = field(default_factory=lambda: settings().database_seconds)
    away: str = ""
    writable: bool = True
    published: Published | None = None
    began: float | None = None
    _looker: threading.Thread | None = None

    async def keep_looking(self, scorer: Any) -> None:
        """Look every second until cancelled, and tell the gauges."""
        while True:
            self.look()
            metrics.READY.set(not self.silent)
            metrics.tell_versions(versions(scorer))
            committer = self.database.committer
            metrics.AUDIT_WAITING.set(committer.waiting if committer else 0)
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Begin a look, unless one is under way."""
        if self._looker is not None and self._looker.is_alive():
            return
        self.began = time.monotonic()
        self._looker = threading.Thread(target=self._look, name="database watch", daemon=True)
        self._looker.start()

    def wait(self) -> None:
        """Wait for the look that is under way."""
        if self._looker is not None:
            self._looker.join()

    @property
    def silent(self) -> str:
        """Why the database cannot be asked; empty where it can."""
        began = self.began
        if began is not None and time.monotonic() - began > self.patience + EVERY:
            return "the database does not answer"
        return self.away

    def _look(self) -> None:
        try:
            with self.database.reading() as connection:
                row = connection.execute(
                    sa.select(PUBLICATIONS.c.as_of, PUBLICATIONS.c.published_at).where(
                        PUBLICATIONS.c.current
                    )
                ).first()
                writable = self._can_write(connection)
        except (ZhikeError, sa.exc.SQLAlchemyError):
            self.away = "the database does not answer"
        else:
            self.published = Published(row.as_of.isoformat(), row.published_at) if row else None
            self.writable, self.away = writable, ""
        self.began = None

    def _can_write(self, connection: sa.Connection) -> bool:
        if connection.dialect.name == "postgresql":
            only = connection.execute(sa.text("SHOW transaction_read_only")).scalar_one()
            return str(only) == "off"
        path = connection.engine.url.database or ""
        return not Path(path).exists() or os.access(path, os.W_OK)


def report(watch: Watch, scorer: Any) -> dict[str, Any]:
    """What /readyz tells: ready or not, and what is degraded while it is."""
    silent = watch.silent or ("" if watch.writable else "the audit cannot be written")
    found: dict[str, Any] = {
        "status": "not ready" if silent else "ready",
        "degraded": [silent] if silent else degraded(watch, scorer),
    }
    if not silent and watch.published:
        found["profiles"] = {
            "as_of": watch.published.as_of,
            "published_at": watch.published.published_at.isoformat(),
        }
    found["models"] = versions(scorer)
    return found


def degraded(watch: Watch, scorer: Any) -> list[str]:
    """What works less than it should, in words."""
    faults: Sequence[str] = getattr(scorer, "degraded", ())
    told = list(faults)
    if not versions(scorer):
        told.append("no model is loaded")
    if watch.published is None:
        told.append("no profiles are published")
    elif (age := (datetime.now(UTC) - watch.published.published_at).days) > settings().stale_days:
        told.append(f"the profiles were published {age} days ago")
    if shutil.disk_usage(_existing(settings().home)).free < LEAST_DISK:
        told.append("the disk is nearly full")
    return told


def versions(scorer: Any) -> dict[str, str]:
    """Model -> the version that answers."""
    current = getattr(scorer, "current", scorer)
    loaded = {**current.models, **current.tables}
    return {name: model.release.card.version for name, model in loaded.items()}


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())

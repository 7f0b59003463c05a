"""What the service writes to its log: one line of JSON an event, without personal data.

Of an exception the log keeps its class and where it arose, never its message: that may quote
what was sent. A line of ours says what it says in its event.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from data.settings import CHECKOUT

structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # silent until it is started
access = structlog.get_logger()
_FRAMES = 12


class _ErrorStream(TextIOBase):
    """The error stream of the moment; a full disk behind it loses lines, not answers."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def start_logging() -> None:
    """Write what this process logs, ours and the libraries', as JSON to the error stream."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_messages,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=True)],
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _ErrorStream())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_ErrorStream())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def without_messages(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's class and places where its text would stand."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = places(error)
    return event


def places(error: BaseException) -> list[str]:
    """Where an exception came through, the innermost last, as file:line of this checkout."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def _short(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else path.name

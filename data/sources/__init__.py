"""Adapters that turn somebody's files into the canonical tables."""

from collections.abc import Callable
from pathlib import Path

from data.errors import ConfigurationError
from data.sources.berka import berka
from data.sources.canonical import canonical
from data.sources.simulated import simulated
from data.sources.source import Source

SOURCES: dict[str, Callable[[Path], Source]] = {
    "simulated": simulated,
    "canonical": canonical,
    "berka": berka,
}


def open_source(name: str, folder: Path) -> Source:
    """The source called ``name`` over the files in ``folder``.

    Raises:
        ConfigurationError: there is no such adapter.
        SourceError: the folder does not hold what the adapter reads.
    """
    if name not in SOURCES:
        raise ConfigurationError(
            f"there is no source '{name}'. The sources are: {', '.join(SOURCES)}."
        )
    return SOURCES[name](folder)


__all__ = ["SOURCES", "Source", "open_source"]

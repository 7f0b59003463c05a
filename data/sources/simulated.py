"""The simulated bank's files, as its four systems deliver them; the truth stays where it is."""

from pathlib import Path

from data.errors import SourceError
from data.sources.canonical import FORMATS, bank_zone, vouched
from data.sources.source import Delivery, Source
from data.sources.systems import EXTRACTS, Extract, canonical_queries, extract
from data.tables import CANONICAL


def simulated(folder: Path) -> Source:
    """The extracts in ``folder``: ``SYSTEM/FILE/*.parquet`` (or .csv).

    Raises:
        SourceError: no simulated bank is there, or the core system's extracts are incomplete.
        ConfigurationError: the bank's time zone (ZHIKE_ZONE) does not exist.
    """
    needed = [extract("core", table.name) for table in CANONICAL if table.required]
    missing = [f"{e.system}/{e.file}" for e in needed if not _files(folder, e)]
    if missing:
        raise SourceError(
            f"{folder} is not a simulated bank: it lacks {', '.join(missing)}."
            f" Make one with ./zhike data simulate --out {folder}"
        )
    digests = vouched(folder)
    order = [table.name for table in CANONICAL]
    found = [e for e in sorted(EXTRACTS, key=lambda e: order.index(e.table)) if _files(folder, e)]
    return Source(
        name="simulated",
        folder=folder,
        zone=bank_zone(),
        deliveries=tuple(
            Delivery(path, e.contract, sha256=digests.get(path.relative_to(folder).as_posix(), ""))
            for e in found
            for path in _files(folder, e)
        ),
        canonical=canonical_queries({e.name for e in found}),
    )


def _files(folder: Path, extract: Extract) -> list[Path]:
    inside = folder / extract.system / extract.file
    return sorted(path for path in inside.glob("*") if path.suffix in FORMATS)

"""A bank's own files, laid out as the canonical tables, in CSV or Parquet."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from data.errors import ConfigurationError, SourceError
from data.settings import settings
from data.sources.source import Delivery, Source
from data.tables import CANONICAL, table

FORMATS = (".csv", ".parquet")
SUMS = "SHA256SUMS"


def canonical(folder: Path) -> Source:
    """The canonical tables found in ``folder``: ``TABLE.csv``, ``TABLE.parquet`` or ``TABLE/*``.

    Raises:
        SourceError: the folder is missing, or lacks a table that every bank must have.
        UnknownTable: a file is named after no canonical table.
        ConfigurationError: the bank's time zone (ZHIKE_ZONE) does not exist.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder. Name the folder that holds the files.")
    digests = vouched(folder)
    deliveries = tuple(
        Delivery(
            path,
            table(entry.name.split(".")[0]),
            sha256=digests.get(path.relative_to(folder).as_posix(), ""),
        )
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith((".", "_"))
        for path in _files(entry)
    )
    _refuse_unlisted(folder, [d.path for d in deliveries if digests and not d.sha256])
    found = {delivery.contract.name for delivery in deliveries}
    missing = [t.name for t in CANONICAL if t.required and t.name not in found]
    if missing:
        raise SourceError(
            f"{folder} lacks the table(s) {', '.join(missing)}, which every bank must deliver"
            " as TABLE.csv or TABLE.parquet."
        )
    ordered = sorted(deliveries, key=lambda d: [t.name for t in CANONICAL].index(d.contract.name))
    return Source(
        name="canonical",
        folder=folder,
        zone=bank_zone(),
        deliveries=tuple(ordered),
        canonical={t.name: f"SELECT * FROM {t.name}" for t in CANONICAL if t.name in found},
    )


def bank_zone() -> str:
    """The bank's time zone by setting.

    Raises:
        ConfigurationError: it does not exist.
    """
    zone = settings().zone
    try:
        return ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"there is no time zone '{zone}' (ZHIKE_ZONE).") from None


def vouched(folder: Path) -> dict[str, str]:
    """The digests that the sender wrote beside the files, by name; what is listed must be there."""
    sums = folder / SUMS
    if not sums.is_file():
        return {}
    listed = [
        line.split(maxsplit=1) for line in sums.read_text("utf-8", "replace").splitlines() if line
    ]
    if any(len(words) != 2 or len(words[0]) != 64 for words in listed):
        raise SourceError(f"{sums} has a line that is not DIGEST  NAME, as sha256sum writes it.")
    digests = {name.lstrip("*").removeprefix("./"): digest.lower() for digest, name in listed}
    absent = [name for name in digests if not (folder / name).is_file()]
    if absent:
        raise SourceError(f"{folder} lacks {', '.join(absent)}, which its {SUMS} lists.")
    return digests


def _refuse_unlisted(folder: Path, unlisted: list[Path]) -> None:
    if unlisted:
        names = ", ".join(path.relative_to(folder).as_posix() for path in unlisted)
        raise SourceError(
            f"{folder / SUMS} does not list {names}. A file is complete once it is listed: have the"
            " list sent again, or take the file away."
        )


def _files(entry: Path) -> list[Path]:
    """The files of a table; what is named after a table but cannot be read is refused."""
    if not entry.is_dir():
        if entry.suffix.lower() in FORMATS:
            return [entry]
        _refuse_if_meant(entry, entry)
        return []
    inside = sorted(path for path in entry.iterdir() if not path.name.startswith((".", "_")))
    for path in inside:
        if path.is_dir() or path.suffix.lower() not in FORMATS:
            _refuse_if_meant(entry, path)
    return [path for path in inside if path.is_file() and path.suffix.lower() in FORMATS]


def _refuse_if_meant(entry: Path, path: Path) -> None:
    if entry.name.split(".")[0] in {t.name for t in CANONICAL}:
        raise SourceError(f"{path} is neither .csv nor .parquet. Convert it, or take it away.")

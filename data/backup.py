"""Copy the database and the files that its records stand on, and bring them back to an empty place."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from data.database import Database
from data.errors import ConfigurationError, NotReady, WarehouseError
from data.settings import settings

MANIFEST = "MANIFEST.json"
# What replay needs beside the database. The warehouse and the snapshots are immutable files that
# any copying program carries; keys are kept apart from what they lock.
FOLDERS = ("releases", "audit")


def backup(database: Database, folder: Path) -> list[Path]:
    """Copy the database as of one moment, the releases and the audit's checkpoints; what was written.

    The service may run meanwhile.

    Raises:
        ConfigurationError: the folder is not empty.
        NotReady: the database, or the program that copies it, is not there.
    """
    _be_empty(folder)
    if database.engine.dialect.name == "sqlite":
        _copy_file(database, folder / "database.sqlite")
    else:
        _run(database, "pg_dump", "--format=custom", f"--file={folder / 'database.dump'}")
    for name in FOLDERS:
        if (settings().home / name).is_dir():
            shutil.copytree(settings().home / name, folder / name, symlinks=True)
    digests = {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}
    made = {"at": datetime.now(UTC).isoformat(), "sha256": digests}
    (folder / MANIFEST).write_text(json.dumps(made, indent=1), "utf-8")
    return _files(folder)


def restore(database: Database, folder: Path) -> int:
    """Bring a backup back to an empty database and home; the number of files that it held.

    Raises:
        WarehouseError: a file is missing or differs from the manifest.
        ConfigurationError: the backup is of the other kind of database, or something is there.
        NotReady: the database does not answer.
    """
    digests = _checked(folder)
    _be_fresh(database)
    for name in FOLDERS:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, settings().home / name, symlinks=True)
    if database.engine.dialect.name == "sqlite":
        path = Path(str(database.engine.url.database))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "database.sqlite", path)
    else:
        whole = ("--single-transaction", "--exit-on-error", "--no-owner")
        _run(database, "pg_restore", *whole, str(folder / "database.dump"))
    database.engine.dispose()
    return len(digests)


def _checked(folder: Path) -> dict[str, str]:
    try:
        digests: dict[str, str] = json.loads((folder / MANIFEST).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError):
        raise WarehouseError(f"{folder} is no whole backup: {MANIFEST} cannot be read.") from None
    for name, digest in digests.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise WarehouseError(f"{folder / name} is not what was backed up; nothing is restored.")
    return digests


def _be_empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; name a new folder for the backup.")


def _be_fresh(database: Database) -> None:
    home = settings().home
    if there := [name for name in FOLDERS if (home / name).exists()]:
        raise ConfigurationError(f"{home / there[0]} exists; restore to an empty ZHIKE_HOME.")
    path = database.engine.url.database
    if database.engine.dialect.name == "sqlite":
        if path and Path(path).exists():
            raise ConfigurationError(f"{path} exists; restore to an empty place.")
        return
    with database.reading() as connection:
        if sa.inspect(connection).get_table_names():
            raise ConfigurationError("the database holds tables; restore to an empty one.")


def _copy_file(database: Database, target: Path) -> None:
    """SQLite's own copy of one moment, whatever is written meanwhile."""
    path = Path(str(database.engine.url.database))
    address = f"{path.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True)) as source,
        closing(sqlite3.connect(target)) as copied,
    ):
        source.backup(copied)


def _run(database: Database, program: str, *words: str) -> None:
    """A program of PostgreSQL's on the database; the password goes by the environment, unseen."""
    url = database.engine.url
    address = url.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": url.password} if url.password else {}
    try:
        ended = subprocess.run(
            [program, "--no-password", f"--dbname={address}", *words], check=False, capture_output=True,
            env={**os.environ, **secret},
        )  # fmt: skip
    except FileNotFoundError:
        raise NotReady(
            f"{program} is not installed; PostgreSQL's client programs bring it."
        ) from None
    if ended.returncode:
        raise NotReady(
            f"{program} failed with status {ended.returncode}; the database is unchanged."
        )


def _files(folder: Path) -> list[Path]:
    return sorted(_within(folder))


def _within(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

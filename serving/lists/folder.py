"""A list on disk: what it was made from, its facts, its parts, and what was sealed.

lists/ID/inputs.json                 request, book, policy, offers and rules; ID is a digest of them
         facts.parquet               what warehouse and notices told, a row group a part
         facts.json                  written after it: its digest
         weighed/part-00000.parquet  reasons and terms of everybody, before anybody is placed
         places/part-00000.parquet   the same with place, arm and decile
         list.json                   written last of the draft: digests and counts
         members.parquet             sealed: who is listed or control, with rows
         dropped.parquet             whom the seal left out, and why
         seal.json                   written last of the seal
         exports/ID/                 what was handed over; the control file is written last
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import NotReady
from data.settings import settings
from data.warehouse import canonical_json, file_digest, flush, replace_file
from serving.book.folder import in_parquet
from serving.book.standing import texts
from serving.lists.request import Rules

LIST, SEAL, FACTS = "list.json", "seal.json", "facts.parquet"


class Folder:
    """The folder of one list."""

    def __init__(self, list_id: str) -> None:
        self.list_id = list_id
        self.path = settings().lists / list_id

    def put(self, name: str, rows: pa.Table, *, durable: bool = True) -> str:
        """Write rows whole or not at all; returns their digest.

        Args:
            durable: on disk when this returns; what can be made again need not be.
        """
        return self.put_bytes(name, in_parquet(rows), durable=durable)

    def put_bytes(self, name: str, content: bytes | memoryview, *, durable: bool = True) -> str:
        """Write a file whole or not at all; returns its digest."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with drafted(path, durable=durable) as draft:
            draft.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def tell(self, name: str, value: Any) -> str:
        """Write a value as canonical JSON; returns its digest."""
        text = canonical_json(value).encode()
        replace_file(self.path / name, text)
        return hashlib.sha256(text).hexdigest()

    def told(self, name: str) -> Any:
        """The value of a JSON file; None where there is none that can be read."""
        try:
            return json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return None

    def stands(self, name: str, digest: str | None) -> bool:
        """Whether a file is what it was written as."""
        path = self.path / name
        return digest is not None and path.is_file() and file_digest(path) == digest

    def verified(self, name: str, digest: str) -> Path:
        """A file after its digest holds.

        Raises:
            NotReady: it is missing or damaged.
        """
        if not self.stands(name, digest):
            raise NotReady(
                f"{self.path / name} is missing or damaged; restore it from a backup."
                " A draft can be made again: remove its folder and ask for it anew."
            )
        return self.path / name

    def sealed(self, digest: str) -> dict[str, Any]:
        """What the seal says, after its digest holds.

        Raises:
            NotReady: the file is missing or damaged.
        """
        told: dict[str, Any] = json.loads(self.verified(SEAL, digest).read_text())
        return told

    @property
    def rules(self) -> Rules:
        """The bank's rules that the list was made by.

        Raises:
            NotReady: the file that tells them is gone.
        """
        told = self.told("inputs.json")
        if told is None:
            raise NotReady(f"{self.path / 'inputs.json'} is gone; restore it from a backup.")
        return Rules(**told["rules"])

    def members(self, digest: str, columns: list[str] | None = None) -> pa.Table:
        """Who is listed or control in a sealed list.

        Raises:
            NotReady: a file is missing or damaged.
        """
        path = self.verified("members.parquet", self.sealed(digest)["members"])
        return pq.read_table(path, columns=columns)


def only(rows: pa.Table, column: str, *values: str) -> pa.Table:
    """The rows that hold one of some texts in a column."""
    return rows.filter(pa.array([told in values for told in texts(rows[column])], pa.bool_()))


@contextmanager
def drafted(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A file to write in the place of another, which it replaces whole at the end."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        if durable:
            flush(draft)
        draft.replace(path)
        if durable:
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def part(stage: str, number: int) -> str:
    """The name of a part of a stage."""
    return f"{stage}/part-{number:05d}.parquet"

"""A book on disk: its inputs, its parts, and the digests that vouch for them.

books/KEY/inputs.json                what it was made from; KEY is the digest of this
          standing.parquet           where each customer stands, a row group a part
          MODEL.parquet/part-00000.parquet
          parts/part-00000.json      written last: the part's files and their digests
          digests.json               written when all parts stand: every digest

Nothing in it depends on when or by whom it was written: a run that was killed is taken up at the
first part that does not stand, and ends with the same bytes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import NotReady
from data.settings import settings
from data.warehouse import canonical_json, file_digest, flush, replace_file
from features.snapshot import Snapshot, read_snapshot

PART = 8_192  # customers
FORMAT = "book/1"  # raise it when the same inputs give other bytes
STANDING = "standing.parquet"
DIGESTS = "digests.json"


@dataclass(frozen=True)
class Inputs:
    """All that decides the bytes of a book; digests but for the day and the part's size."""

    as_of: str
    snapshot: str
    manifest: str
    standing: str
    reasons: str
    releases: dict[str, str]
    part: int
    format: str = FORMAT

    @property
    def key(self) -> str:
        """The name of the book's folder."""
        return _sha256(canonical_json(asdict(self)).encode())[:24]


class Span(NamedTuple):
    """The customers of a part: where they are in the snapshot."""

    group: int
    offset: int
    rows: int


class Book:
    """The folder of one book."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def begun(cls, inputs: Inputs, standing: Path) -> "Book":
        """The book of these inputs, as far as an earlier run came; takes over the standing file."""
        book = cls(settings().books / inputs.key)
        book.folder.mkdir(parents=True, exist_ok=True)
        standing.replace(book.folder / STANDING)
        replace_file(book.folder / "inputs.json", canonical_json(asdict(inputs)).encode())
        return book

    @cached_property
    def inputs(self) -> Inputs:
        """What it was made from.

        Raises:
            NotReady: the folder is not what its name vouches for.
        """
        try:
            inputs = Inputs(**json.loads((self.folder / "inputs.json").read_text()))
        except (OSError, ValueError, TypeError):
            raise _damaged(self.folder / "inputs.json") from None
        if inputs.key != self.folder.name:
            raise _damaged(self.folder / "inputs.json")
        return inputs

    @cached_property
    def snapshot(self) -> Snapshot:
        """The profiles that are scored.

        Raises:
            FeatureError: the snapshot is gone.
        """
        return read_snapshot(settings().snapshots / self.inputs.snapshot[:24])

    @cached_property
    def standing(self) -> Path:
        """The standing file.

        Raises:
            NotReady: it is damaged.
        """
        path = self.folder / STANDING
        if not path.is_file() or file_digest(path) != self.inputs.standing:
            raise _damaged(path)
        return path

    @cached_property
    def profiles(self) -> Path:
        """The snapshot's file.

        Raises:
            FeatureError: it is damaged.
        """
        return self.snapshot.path

    @cached_property
    def spans(self) -> list[Span]:
        """The parts, in order."""
        return spans(self.profiles, self.inputs.part)

    def part(self, model: str, number: int) -> Path:
        """Where a model's answers to a part are."""
        return self.folder / f"{model}.parquet" / f"part-{number:05d}.parquet"

    def put(self, model: str, number: int, rows: pa.Table) -> str:
        """Write a model's answers to a part whole or not at all; returns their digest."""
        path = self.part(model, number)
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        content = in_parquet(rows)
        draft.write_bytes(content)
        draft.replace(path)
        return _sha256(content)

    def stand(self, number: int, digests: Mapping[str, str]) -> None:
        """Say that a part is finished, its files by model."""
        replace_file(self._finished(number), canonical_json(dict(digests)).encode())

    def stands(self, number: int) -> bool:
        """Whether a part is finished, and its files are what was written."""
        try:
            digests = self.digests_of(number)
        except NotReady:
            return False
        return digests.keys() == self.inputs.releases.keys() and all(
            path.is_file() and file_digest(path) == digests[model]
            for model, path in ((m, self.part(m, number)) for m in digests)
        )

    def digests_of(self, number: int) -> dict[str, str]:
        """Model -> digest of its file of a part.

        Raises:
            NotReady: the part is not finished.
        """
        try:
            told: dict[str, str] = json.loads(self._finished(number).read_text())
            return told
        except (OSError, ValueError):
            raise _damaged(self._finished(number)) from None

    def _finished(self, number: int) -> Path:
        return self.folder / "parts" / f"part-{number:05d}.json"

    def sealed(self) -> str:
        """Write the digests of all parts, durable when this returns; returns the output's digest."""
        parts = [self.digests_of(number) for number in range(len(self.spans))]
        for left in self.folder.rglob(".*"):  # by runs that were killed
            left.unlink(missing_ok=True)
        for file in self.folder.glob("*.parquet/*"):
            flush(file)
        content = canonical_json({**asdict(self.inputs), "parts": parts}).encode()
        replace_file(self.folder / DIGESTS, content)
        return _sha256(content)

    def verified(self, output: str, number: int, model: str) -> Path:
        """A model's file of a part after the digests hold, from the book's own on.

        Raises:
            NotReady: a file is missing or damaged.
        """
        path = self.folder / DIGESTS
        if not path.is_file() or file_digest(path) != output:
            raise _damaged(path)
        digest = json.loads(path.read_text())["parts"][number].get(model)
        part = self.part(model, number)
        if not part.is_file() or file_digest(part) != digest:
            raise _damaged(part)
        return part


def spans(profiles: Path, part: int) -> list[Span]:
    """Row groups of a snapshot, cut into parts."""
    about = pq.read_metadata(profiles)
    return [
        Span(group, offset, min(part, rows - offset))
        for group in range(about.num_row_groups)
        for rows in [about.row_group(group).num_rows]
        for offset in range(0, rows, part)
    ]


def in_parquet(rows: pa.Table) -> memoryview:
    """Rows as the bytes of a Parquet file, in one row group."""
    sink = pa.BufferOutputStream()
    texts = [field.name for field in rows.schema if not pa.types.is_floating(field.type)]
    pq.write_table(
        rows, sink, compression="zstd", compression_level=1, write_page_checksum=True,
        row_group_size=max(1, rows.num_rows), use_dictionary=texts,  # type: ignore[arg-type]
    )  # fmt: skip
    return memoryview(sink.getvalue())


def _sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _damaged(path: Path) -> NotReady:
    return NotReady(
        f"{path} is missing or damaged; restore the book from a backup, or score it again:"
        " ./zhike serving score-book."
    )

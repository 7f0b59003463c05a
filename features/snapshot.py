"""Immutable snapshots of profiles, each with what it was built from."""

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from data.errors import FeatureError
from data.settings import settings
from data.warehouse import canonical_json, file_digest, flush, replace_file
from features import catalogue
from features.profile import Profiles

_SPINE: dict[str, pa.DataType] = {"customer_id": pa.string(), "as_of": pa.date32()}
ROW_GROUP = 32_768
PROFILES = "profiles.parquet"
DRAFT = ".draft-"


@dataclass(frozen=True)
class Lineage:
    """What profiles were built from.

    Attributes:
        manifest: digest of the warehouse manifest.
        absent: feature -> why it could not be built.
        stale: feature -> the days within its reach for which a file had not come.
        catalogue: version of the catalogue.
    """

    manifest: str
    features: tuple[str, ...]
    absent: dict[str, str]
    stale: dict[str, str]
    catalogue: str = field(default_factory=catalogue.version)


@dataclass(frozen=True)
class Snapshot:
    """Profiles on disk: their folder, their digest and what they were built from."""

    folder: Path
    digest: str
    lineage: Lineage

    @property
    def manifest(self) -> str:
        """Digest of the warehouse manifest."""
        return self.lineage.manifest

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of their columns."""
        return self.lineage.features

    @property
    def path(self) -> Path:
        """The file of profiles.

        Raises:
            FeatureError: the file is not what its lineage vouches for.
        """
        path = self.folder / PROFILES
        if not path.is_file() or file_digest(path) != self.digest:
            raise FeatureError(f"{path} is missing or damaged; build the snapshot again.")
        return path

    def frame(self) -> pd.DataFrame:
        """The profiles: customer_id, as_of and the features.

        Raises:
            FeatureError: the file is not what its lineage vouches for.
        """
        return pq.read_table(self.path).to_pandas()

    def latest(self) -> Profiles:
        """The profiles of its last as-of day.

        Raises:
            FeatureError: the file is not what its lineage vouches for.
        """
        path, told = self.path, self.lineage
        last = pc.max(pq.read_table(path, columns=["as_of"])["as_of"])
        frame = pq.read_table(path, filters=pc.field("as_of") == last).to_pandas()
        return Profiles(frame, told.features, told.absent, told.manifest, told.stale)


def write_snapshot(profiles: Profiles) -> Snapshot:
    """Write profiles under the digest of their bytes; the same profiles give the same folder."""
    lineage = Lineage(profiles.manifest, profiles.features, profiles.absent, profiles.stale)
    with Draft(lineage) as draft:
        rows = pa.Table.from_pandas(profiles.frame, draft.schema, preserve_index=False)
        draft.add(rows.replace_schema_metadata())
        return draft.kept()


class Draft:
    """A snapshot being written, piece by piece; what is not kept leaves nothing behind.

    The same rows give the same bytes, however they are cut into pieces.
    """

    def __init__(self, lineage: Lineage) -> None:
        names = lineage.features
        self.schema = pa.schema([*_SPINE.items(), *((name, pa.float64()) for name in names)])
        self._lineage, self._rows = lineage, 0
        self._waiting = self.schema.empty_table()

    def __enter__(self) -> "Draft":
        settings().snapshots.mkdir(parents=True, exist_ok=True)
        _sweep(settings().snapshots)
        draft = tempfile.mkdtemp(prefix=f"{DRAFT}{os.getpid()}-", dir=settings().snapshots)
        self.folder = Path(draft)
        # Numbers of a profile seldom repeat: as they are they are smaller than with a dictionary.
        self._writer = pq.ParquetWriter(
            self._path, self.schema, compression="zstd", write_page_checksum=True,
            use_dictionary=list(_SPINE),  # type: ignore[arg-type]  # the stub knows all or none
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _path(self) -> Path:
        return self.folder / PROFILES

    def add(self, rows: pa.Table) -> None:
        """Rows that follow those added before."""
        self._waiting = pa.concat_tables([self._waiting, rows.cast(self.schema)])
        while self._waiting.num_rows >= ROW_GROUP:
            self._write(self._waiting.slice(0, ROW_GROUP))
            self._waiting = self._waiting.slice(ROW_GROUP)

    def _write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)
        self._rows += rows.num_rows

    def kept(self) -> Snapshot:
        """Write what is left and give the snapshot its place."""
        if self._waiting.num_rows:
            self._write(self._waiting)
        self._writer.close()
        digest = file_digest(self._path)
        folder = settings().snapshots / digest[:24]
        folder.mkdir(exist_ok=True)
        flush(self._path)
        self._path.replace(folder / self._path.name)
        told = asdict(self._lineage) | {"profiles": digest, "rows": self._rows}
        replace_file(folder / "lineage.json", canonical_json(told).encode())
        return Snapshot(folder, digest, self._lineage)


def _sweep(folder: Path) -> None:
    """Remove the drafts of processes that were killed."""
    for draft in folder.glob(f"{DRAFT}[0-9]*-*"):
        process = draft.name.removeprefix(DRAFT).partition("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            shutil.rmtree(draft, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def newest_snapshot() -> Snapshot:
    """The snapshot that was built last.

    Raises:
        FeatureError: there is none.
    """
    told = settings().snapshots.glob("*/lineage.json")
    found = sorted((path.stat().st_mtime_ns, path.parent) for path in told)
    if not found:
        raise FeatureError(
            "there is no snapshot of profiles yet; ./zhike features build makes one."
        )
    return read_snapshot(found[-1][1])


def read_snapshot(folder: Path) -> Snapshot:
    """A snapshot by its folder.

    Raises:
        FeatureError: there is no snapshot in it.
    """
    try:
        told = json.loads((folder / "lineage.json").read_text())
        lineage = Lineage(
            told["manifest"], tuple(told["features"]), told["absent"], told["stale"],
            told["catalogue"],
        )  # fmt: skip
        return Snapshot(folder, told["profiles"], lineage)
    except (OSError, ValueError, KeyError, TypeError):
        raise FeatureError(f"{folder} holds no snapshot of profiles.") from None


def read_spine(path: Path) -> pd.DataFrame:
    """A spine from a CSV or Parquet file with customer_id and as_of.

    Raises:
        FeatureError: the file cannot be read, a day in it is no day, or a row lacks one of the two.
    """
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path, columns=["customer_id", "as_of"])
        else:
            text = pa.csv.ConvertOptions(
                column_types=_SPINE,
                include_columns=["customer_id", "as_of"],
            )
            table = pa.csv.read_csv(path, convert_options=text)
        frame = table.cast(pa.schema(_SPINE)).to_pandas()
    except (OSError, KeyError, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise FeatureError(
            f"{path} is no spine of customer_id and as_of (YYYY-MM-DD): {error}"
        ) from None
    blank = int(frame.isna().any(axis=1).sum())
    if blank:
        raise FeatureError(f"{path}: {blank} row(s) without customer_id or as_of; complete them.")
    return frame

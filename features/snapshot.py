"""Immutable snapshots of profiles, each with what it was built from."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from data.errors import FeatureError
from data.settings import settings
from data.warehouse import canonical_json, file_digest, replace_file
from features import catalogue
from features.profile import Profiles

_SPINE: dict[str, pa.DataType] = {"customer_id": pa.string(), "as_of": pa.date32()}


@dataclass(frozen=True)
class Snapshot:
    """Profiles on disk: their folder, their digest and the digest of the warehouse manifest."""

    folder: Path
    digest: str
    manifest: str
    features: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """The profiles: customer_id, as_of and the features.

        Raises:
            FeatureError: the file is not what its lineage vouches for.
        """
        path = self.folder / "profiles.parquet"
        if not path.is_file() or file_digest(path) != self.digest:
            raise FeatureError(f"{path} is missing or damaged; build the snapshot again.")
        return pq.read_table(path).to_pandas()


def write_snapshot(profiles: Profiles) -> Snapshot:
    """Write profiles under the digest of their bytes; the same profiles give the same folder."""
    table = pa.Table.from_pandas(profiles.frame, preserve_index=False).replace_schema_metadata()
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    folder = settings().snapshots / digest[:24]
    lineage = {
        "profiles": digest,
        "manifest": profiles.manifest,
        "catalogue": catalogue.version(),
        "features": list(profiles.features),
        "absent": profiles.absent,
        "stale": profiles.stale,
        "rows": len(profiles.frame),
    }
    replace_file(folder / "profiles.parquet", content)
    replace_file(folder / "lineage.json", canonical_json(lineage).encode())
    return Snapshot(folder, digest, profiles.manifest, profiles.features)


def read_snapshot(folder: Path) -> Snapshot:
    """A snapshot by its folder.

    Raises:
        FeatureError: there is no snapshot in it.
    """
    try:
        lineage = json.loads((folder / "lineage.json").read_text())
        return Snapshot(
            folder, lineage["profiles"], lineage["manifest"], tuple(lineage["features"])
        )
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

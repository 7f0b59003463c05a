"""What differs between two snapshots, after late facts have restated history."""

from dataclasses import dataclass

import duckdb

from data.errors import FeatureError
from data.warehouse import engine
from features.snapshot import Snapshot

_KEYS = "customer_id, as_of"


@dataclass(frozen=True)
class Difference:
    """What a later snapshot says otherwise than an earlier one.

    Attributes:
        rows: profiles, by customer and day, that both have.
        changed: those of them of which a feature differs.
        removed, added: profiles that only the earlier or only the later one has.
        features: feature -> profiles in which it differs, most first.
        manifests: digests of the warehouse manifests, old and new.
    """

    rows: int
    changed: int
    removed: int
    added: int
    features: dict[str, int]
    features_removed: tuple[str, ...]
    features_added: tuple[str, ...]
    manifests: tuple[str, str]


def difference(old: Snapshot, new: Snapshot) -> Difference:
    """Compare two snapshots, number by number; missing equals missing.

    Raises:
        FeatureError: a snapshot is damaged, or the two have no feature in common.
    """
    both = [name for name in old.features if name in new.features]
    if not both:
        raise FeatureError(f"{old.folder} and {new.folder} have no feature in common.")
    files = (str(snapshot.path).replace("'", "''") for snapshot in (old, new))
    first, second = (f"read_parquet('{file}')" for file in files)
    differs = [f"o.{name} IS DISTINCT FROM n.{name}" for name in both]
    each = ", ".join(f"count(*) FILTER ({one})" for one in differs)
    with engine() as connection:
        rows, changed, *counts = _row(
            connection.sql(
                f"SELECT count(*), count(*) FILTER ({' OR '.join(differs)}), {each}"
                f" FROM {first} o JOIN {second} n USING ({_KEYS})"
            )
        )
        (before,), (after,) = (
            _row(connection.sql(f"SELECT count(*) FROM {file}")) for file in (first, second)
        )
    found = dict(zip(both, counts, strict=True))
    return Difference(
        rows=rows,
        changed=changed,
        removed=before - rows,
        added=after - rows,
        features={n: found[n] for n in sorted(both, key=lambda n: -found[n]) if found[n]},
        features_removed=tuple(n for n in old.features if n not in both),
        features_added=tuple(n for n in new.features if n not in both),
        manifests=(old.manifest, new.manifest),
    )


def _row(relation: duckdb.DuckDBPyRelation) -> tuple[int, ...]:
    (row,) = relation.fetchall()
    return tuple(row)

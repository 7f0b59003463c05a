"""A run of identification: crosswalk, golden records and open questions, all or nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from data import audit
from data.database import Database
from data.warehouse import CROSSWALK, GOLDEN_RECORDS, Batch, Manifest, Warehouse
from features.identity.clusters import Place
from features.identity.crosswalk import Changes, Entry, changes, current, named
from features.identity.golden import golden_records
from features.identity.resolution import STEPS, Report, resolve
from features.identity.reviews import Decision, decisions, replace_queue


@dataclass(frozen=True)
class Identified:
    """What a run did.

    Attributes:
        passed: why there was nothing to do, else empty.
        run: number of the last run that changed something.
        pairs: compared pairs of records.
        common_keys: keys, such as a shop's telephone, too common to compare by.
        changed: records whose customer_id is new.
        merged: customers taken in by others.
        split: customers who turned out to be several.
        overruled: decisions that two records are one person, which numbers or others forbid.
        rules: by rule, records that are where they are because of it.
    """

    passed: str = ""
    run: int = 0
    records: int = 0
    customers: int = 0
    pairs: int = 0
    common_keys: int = 0
    changed: int = 0
    merged: int = 0
    split: int = 0
    reviews: int = 0
    overruled: int = 0
    trained: bool = False
    rules: Mapping[str, int] = field(default_factory=dict)
    manifest: str = ""


def identify(
    warehouse: Warehouse,
    database: Database,
    *,
    actor: str = "command line",
    report: Report | None = None,
) -> Identified:
    """Find which records are one person; write crosswalk, golden records and the review queue.

    A source that knows its customers in one system passes unchanged.

    Raises:
        WarehouseError: there is nothing loaded.
        NotReady: the database does not answer.
    """
    say = report or (lambda *_: None)
    with warehouse.writing():
        manifest = warehouse.manifest
        connection = warehouse.connect(manifest, resolved=False)
        if _systems(connection) < 2:
            passed = "one system keeps all records, so each is a customer; nothing was written"
            return Identified(passed=passed, manifest=manifest.digest)
        before, last = current(connection)
        binding = decisions(database)
        found = resolve(connection, before, binding, say)
        assigned = {
            record: (name, found.places[record])
            for name, group in zip(named(found.groups, before), found.groups, strict=True)
            for record in group
        }
        say(STEPS[-1], len(STEPS) - 1, len(STEPS))
        changed = changes(assigned, before, last + 1, manifest.zone)
        golden = _golden(connection, assigned, before, manifest.zone)
        after = _written(warehouse, manifest, changed.rows, golden)
        # Before the rows are visible: no merge without its record, and a run may be repeated.
        _tell(database, actor, changed, last + 1, after)
        replace_queue(database, found.reviews)
        if after != manifest:
            warehouse.commit(after)
    return Identified(
        run=last + bool(changed.rows.num_rows),
        records=len(assigned),
        customers=len(found.groups),
        pairs=found.blocking.pairs,
        common_keys=found.blocking.common_keys,
        changed=changed.rows.num_rows,
        merged=sum(map(len, changed.merged.values())),
        split=len(changed.split),
        reviews=len(found.reviews),
        overruled=_overruled(found.groups, binding),
        trained=found.trained,
        rules=_rules(assigned, before),
        manifest=after.digest,
    )


def _systems(connection: duckdb.DuckDBPyConnection) -> int:
    [(systems,)] = connection.sql("SELECT count(DISTINCT system) FROM customers").fetchall()
    return int(systems)


def _rules(
    assigned: Mapping[str, tuple[str, Place]], before: Mapping[str, Entry]
) -> dict[str, int]:
    """By rule, the records that the crosswalk assigns by it."""
    counted = Counter(
        before[record].rule
        if record in before and before[record].customer_id == customer
        else place.rule
        for record, (customer, place) in assigned.items()
    )
    return dict(sorted(counted.items()))


def _overruled(groups: Sequence[Sequence[str]], binding: Sequence[Decision]) -> int:
    home = {record: number for number, group in enumerate(groups) for record in group}
    return sum(
        home.get(decision.record_a) != home.get(decision.record_b)
        for decision in binding
        if decision.verdict == "same"
    )


def _golden(
    connection: duckdb.DuckDBPyConnection,
    assigned: Mapping[str, tuple[str, Place]],
    before: Mapping[str, Entry],
    zone: str,
) -> pa.Table:
    """The golden records under the crosswalk as it will stand."""
    known = {
        record: before[record].known_us
        if record in before and before[record].customer_id == customer
        else place.known_us
        for record, (customer, place) in assigned.items()
    }
    columns: dict[str, list[Any]] = {
        "record_id": list(assigned),
        "customer_id": [customer for customer, _ in assigned.values()],
        "known_us": [known[record] for record in assigned],
    }
    connection.register("assigned", pa.table(columns))
    golden = golden_records(connection, zone)
    connection.unregister("assigned")
    return golden


def _written(
    warehouse: Warehouse, manifest: Manifest, rows: pa.Table, golden: pa.Table
) -> Manifest:
    """The manifest with the run's rows added and its golden records in the place of the former."""
    kept = [batch for batch in manifest.batches if batch.table != GOLDEN_RECORDS]
    written = [_write(warehouse, CROSSWALK, rows), _write(warehouse, GOLDEN_RECORDS, golden)]
    batches = (*kept, *(batch for batch in written if batch))
    if sorted(batches, key=str) == sorted(manifest.batches, key=str):
        return manifest
    return manifest.model_copy(update={"batches": batches})


def _write(warehouse: Warehouse, table: str, rows: pa.Table) -> Batch | None:
    return warehouse.write(table, rows.to_batches(), rows.schema)


def _tell(database: Database, actor: str, changed: Changes, run: int, after: Manifest) -> None:
    """Audit what was merged and split; whom it concerns stays beside the chain."""
    facts = {"run": run, "manifest": after.digest, "records": changed.rows.num_rows}
    if changed.joined or changed.merged:
        body = facts | {"joined": changed.joined, "customers": len(changed.merged)}
        _append(database, actor, "identity_merge", body, {"merged": changed.merged})
    if changed.split:
        body = facts | {"customers": len(changed.split)}
        _append(database, actor, "identity_split", body, {"split": changed.split})


def _append(
    database: Database, actor: str, kind: str, body: dict[str, object], payload: object
) -> None:
    audit.append(database, kind=kind, actor=actor, body=body, payload=payload)

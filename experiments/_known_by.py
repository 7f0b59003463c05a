"""A bank as it was known on a day in the past: the same warehouse without what was learnt later."""

from datetime import date
from pathlib import Path

from data.warehouse import CROSSWALK, GOLDEN_RECORDS, Warehouse
from features.calendar import day_number

WHOSE = (CROSSWALK, GOLDEN_RECORDS)


def known_by(warehouse: Warehouse, day: date, folder: Path) -> Warehouse:
    """The facts known before a day, in another folder; which records are whose stays as it is."""
    raw, made, kept = warehouse.connect(resolved=False), Warehouse(folder), []
    (folder / "batches").mkdir(parents=True)
    for table in warehouse.manifest.tables:
        rows = raw.table(table)
        if "known_day" in rows.columns and table not in WHOSE:
            found = rows.filter(f"known_day < {day_number(day)}").to_arrow_table()
            batch = made.write(table, found.to_batches(), found.schema)
            kept += [batch] if batch else []
        else:
            (folder / "batches" / table).symlink_to(warehouse.folder / "batches" / table)
            kept += warehouse.manifest.of(table)
    made.commit(warehouse.manifest.model_copy(update={"batches": tuple(kept)}))
    return made

"""Hand a sealed list over: files for a system, the control file last, and who must be recalled."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import ListError, NotReady
from data.schema import LIST_EXPORTS, LISTS
from data.settings import settings
from data.warehouse import Warehouse, canonical_json
from serving.book.folder import in_parquet
from serving.book.standing import texts
from serving.lists import notices
from serving.lists.facts import forbidden
from serving.lists.folder import Folder, only
from serving.lists.reasons import REASONS, codes, first
from serving.lists.records import OPEN, locked, move, read
from serving.lists.request import REACHED_BY, ListRequest, Rules
from serving.lists.templates import CONTACT_POINTS, Template
from serving.publication import alone

CONTROL = "control.json"
RECALLED = ("no_consent", "opted_out", "deceased")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Export:
    """An export that stands.

    Attributes:
        control: what the control file says.
        audit: sequence of its audit record.
    """

    export_id: str
    list_id: str
    folder: Path
    control: dict[str, Any]
    audit: int


@dataclass(frozen=True)
class Recall:
    """A person who stands in an export and has withdrawn since, or was asked about."""

    customer_id: str
    export_id: str
    list_id: str
    template: str
    row: int
    reasons: tuple[str, ...]


def export(
    database: Database,
    warehouse: Warehouse,
    list_id: str,
    template: Template,
    *,
    actor: str,
) -> Export:
    """Write the listed of a sealed list for a system; controls and suppressed never leave.

    Consent is asked anew: who withdrew since the seal is left out. Files appear whole under their
    names; the control file is written last, after the audit record is durable. The same export asked
    for again is the same files, and one more audit record.

    Raises:
        ListError: the list is not sealed, or is closed, or the template takes a contact point of
            another channel.
        NotReady: its files are damaged.
    """
    with alone(settings().lists / ".lock"):
        with database.writing() as connection:
            row = locked(connection, list_id)
            if row.state not in OPEN:
                raise ListError(f"list {list_id} is {row.state}; only a sealed one is exported.")
            folder, request = Folder(list_id), read(row)
            _fits(template, request)
            listed = _listed(folder, row.digest)
            kept = notices.kept(connection)
            rows, left_out = _allowed(warehouse, listed, request, folder.rules, kept)
            rows, unreached = _filled(warehouse, rows, request, template, list_id)
            left_out |= {"no_contact_point": unreached} if unreached else {}
            control, export_id = _written(folder, rows, template, row.digest, left_out)
            body = {"list": list_id, "export": export_id} | {
                name: control[name] for name in ("seal", "template", "rows", "files")
            }
            record = audit.enter(connection, kind="list_exported", actor=actor, body=body)
            _record(connection, export_id, list_id, template, control, actor, record.sequence)
            if row.state == "sealed":
                move(connection, list_id, "exported")
        place = folder.path / "exports" / export_id
        folder.tell(f"exports/{export_id}/{CONTROL}", control)
    return Export(export_id, list_id, place, control, record.sequence)


def _fits(template: Template, request: ListRequest) -> None:
    """Whether a template takes no contact point but the channel's."""
    allowed = REACHED_BY[request.channel]
    if foreign := [n for n in CONTACT_POINTS if n in template.columns and n != allowed]:
        raise ListError(
            f"template {template.name} takes {', '.join(foreign)}, which contact by"
            f" {request.channel} does not need; that channel reaches people by {allowed}."
        )


def _listed(folder: Folder, digest: str) -> pa.Table:
    wanted = ["row", "customer_id", "product", "decile", "place"]
    rows = folder.members(digest, wanted)
    return only(rows, "place", "listed").drop_columns("place")


def _allowed(
    warehouse: Warehouse,
    listed: pa.Table,
    request: ListRequest,
    rules: Rules,
    kept: pd.DataFrame,
) -> tuple[pa.Table, dict[str, int]]:
    """Whom nothing forbids to contact by now, and how many of the others, by reason."""
    names = texts(listed["customer_id"])
    against = forbidden(warehouse, names, request.day, rules, kept)
    places, counts = np.unique(first(against)[against > 0], return_counts=True)
    why = [REASONS[place].code for place in places]
    stays = listed.filter(pa.array(against == 0))
    return stays, dict(zip(why, map(int, counts), strict=True))


def _filled(
    warehouse: Warehouse, rows: pa.Table, request: ListRequest, template: Template, list_id: str
) -> tuple[pa.Table, int]:
    """The columns of a template, and how many lack the contact point it needs."""
    people = _people(warehouse, texts(rows["customer_id"]), template.system)
    fixed = {
        "list": list_id,
        "channel": request.channel,
        "contact_from": request.day.isoformat(),
        "contact_until": request.contact_until.isoformat(),
    }
    columns: dict[str, Any] = {"customer_id": rows["customer_id"].cast(pa.string())}
    for name in template.columns:
        if name in fixed:
            columns[name] = pa.array([fixed[name]] * rows.num_rows, pa.string())
        elif name == "row":
            columns[name] = rows["row"]
        elif name == "customer":
            columns[name] = rows["customer_id"].cast(pa.string())
        elif name == "product":
            columns[name] = rows["product"].cast(pa.string())
        elif name == "priority":
            columns[name] = rows["decile"]
        else:
            told = (people[name].iloc[place] for place in range(len(people)))
            columns[name] = pa.array([_text(name, value) for value in told], pa.string())
    filled = pa.table(columns)
    wanted = [name for name in (*CONTACT_POINTS, "key") if name in template.columns]
    if not wanted:
        return filled, 0
    reached = np.logical_and.reduce(
        [filled[name].to_numpy(zero_copy_only=False) != "" for name in wanted]
    )
    return filled.filter(pa.array(reached)), int((~reached).sum())


def _text(name: str, value: object) -> str:
    """A value in one line; a telephone number as its digits, which no spreadsheet reckons with."""
    if not isinstance(value, str):
        return ""
    if name == "phone":
        return "".join(c for c in value if c.isdigit())
    return " ".join(value.split())


def _people(warehouse: Warehouse, customers: Sequence[str], system: str | None) -> pd.DataFrame:
    """Name, contact points and the key in a source system, by customer in order."""
    asked = pd.DataFrame(
        {
            "customer_id": pd.Series(list(customers), dtype="string"),
            "place": range(len(customers)),
        }
    )
    found = warehouse.frame(
        """
        SELECT b.customer_id, p.name, p.phone, p.email, p.address
        FROM book b LEFT JOIN (
            SELECT customer_id, arg_max(coalesce(name, latin_name), event_at) AS name,
                arg_max(phone, event_at) AS phone, arg_max(email, event_at) AS email,
                arg_max(address, event_at) AS address
            FROM customers GROUP BY ALL
        ) p USING (customer_id) ORDER BY b.place
        """,
        book=asked,
    )
    if system is not None:
        keys = _keys(warehouse, system)
        found["key"] = [keys.get(customer, "") for customer in customers]
    return found


def _keys(warehouse: Warehouse, system: str) -> dict[str, str]:
    """Person -> the first of their records in a source system."""
    manifest = warehouse.manifest
    raw = warehouse.connect(manifest, resolved=False)
    owners = (
        "(SELECT record_id, arg_max(customer_id, run) AS customer_id FROM crosswalk GROUP BY 1)"
        if "crosswalk" in manifest.tables
        else "(SELECT DISTINCT customer_id AS record_id, customer_id FROM customers)"
    )
    rows = raw.execute(
        f"""SELECT coalesce(o.customer_id, r.customer_id), min(r.customer_id) FROM customers r
        LEFT JOIN {owners} o ON o.record_id = r.customer_id WHERE r.system = $1 GROUP BY 1""",
        [system],
    ).fetchall()
    return {str(person): str(record) for person, record in rows}


def _written(
    folder: Folder, rows: pa.Table, template: Template, seal: str, left_out: dict[str, int]
) -> tuple[dict[str, Any], str]:
    """Write the data files; returns what the control file will say, and the export's name."""
    handed = rows.select(list(template.columns))
    text, columns = as_csv(handed, template), bytes(in_parquet(handed))
    files = {f"{template.name}.csv": text, f"{template.name}.parquet": columns}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    control = {
        "list": folder.list_id,
        "seal": seal,
        "template": template.model_dump(mode="json"),
        "rows": handed.num_rows,
        "left_out": left_out,
        "files": digests,
    }
    export_id = hashlib.sha256(canonical_json(control).encode()).hexdigest()[:24]
    for name, content in files.items():
        folder.put_bytes(f"exports/{export_id}/{name}", content)
    control |= {"export": export_id}
    folder.put(f"exported/{export_id}.parquet", rows.select(["row", "customer_id"]))
    return control, export_id


def as_csv(rows: pa.Table, template: Template) -> bytes:
    """Rows as a delimited text whose cells no spreadsheet takes for a formula."""
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, delimiter=template.delimiter, lineterminator="\r\n")
    writer.writerow(rows.column_names)
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        writer.writerow([safe(cell) if isinstance(cell, str) else cell for cell in row])
    return sink.getvalue().encode(template.encoding)


def safe(cell: str) -> str:
    """A text that begins no formula: an apostrophe goes before one that would."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _record(
    connection: Any,
    export_id: str,
    list_id: str,
    template: Template,
    control: dict[str, Any],
    actor: str,
    sequence: int,
) -> None:
    known = sa.select(LIST_EXPORTS.c.export_id).where(LIST_EXPORTS.c.export_id == export_id)
    if connection.execute(known).first() is None:
        connection.execute(
            sa.insert(LIST_EXPORTS).values(
                export_id=export_id,
                list_id=list_id,
                template=template.name,
                control=control,
                actor=actor,
                exported_at=datetime.now(UTC),
                audit=sequence,
            )
        )


def exported_rows(list_id: str, exports: Sequence[str]) -> pa.Table:
    """Row and customer of everything that some exports of a list handed over, each row once.

    Raises:
        NotReady: a file is missing.
    """
    folder = Folder(list_id)
    tables = []
    for name in exports:
        path = folder.path / f"exported/{name}.parquet"
        if not path.is_file():
            raise NotReady(f"{path} is missing; restore it from a backup.")
        tables.append(pq.read_table(path))
    if not tables:
        return pa.table({"row": pa.array([], pa.int32()), "customer_id": pa.array([], pa.string())})
    return pa.concat_tables(tables).group_by(["row", "customer_id"]).aggregate([]).sort_by("row")


def recall(
    database: Database,
    warehouse: Warehouse,
    customer_id: str | None = None,
) -> list[Recall]:
    """Who stands in an export and may be contacted no more; of one customer, every export.

    Exports of closed lists are left out unless a customer is named.
    """
    with database.reading() as connection:
        kept = notices.kept(connection)
        asked = sa.select(LIST_EXPORTS, LISTS.c.request).join_from(LIST_EXPORTS, LISTS)
        if customer_id is None:
            asked = asked.where(LISTS.c.state.in_(OPEN))
        exports = connection.execute(asked.order_by(LIST_EXPORTS.c.exported_at)).all()
    found = []
    for one in exports:
        rows = exported_rows(one.list_id, [one.export_id])
        if customer_id is not None:
            rows = only(rows, "customer_id", customer_id)
        names = texts(rows["customer_id"])
        told = forbidden(warehouse, names, read(one).day, Folder(one.list_id).rules, kept)
        for place, name in enumerate(names):
            reasons = tuple(c for c in codes(int(told[place])) if c in RECALLED)
            if reasons or customer_id is not None:
                number = int(rows["row"][place].as_py())
                found.append(
                    Recall(name, one.export_id, one.list_id, one.template, number, reasons)
                )
    return found

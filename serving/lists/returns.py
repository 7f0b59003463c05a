"""What comes back from a list: a result a row, idempotent, corrected by a later one."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.csvfile import Layout, chunks, header
from data.database import Database
from data.errors import ContractBroken, ListError
from data.schema import LIST_EXPORTS, LIST_RESULTS
from data.settings import settings
from data.warehouse import file_digest
from serving.book.standing import texts
from serving.lists import notices
from serving.lists.export import as_csv, exported_rows
from serving.lists.folder import Folder
from serving.lists.notices import Notice
from serving.lists.records import locked, move, read
from serving.lists.templates import Template

# What became of a contact, and the notice about the customer that it brings with it.
DISPOSITIONS = {
    "accepted": "took the offer",
    "refused": "refused it; rests for the cool-off",
    "reached": "was reached and left it open",
    "undelivered": "was not reached; counts as no contact",
    "wrong_contact": "the contact point is not theirs; counts as no contact",
    "withdrawn": "withdrew the consent to marketing",
    "opted_out": "opted out of automated marketing",
    "complaint": "complained",
    "deceased": "has died",
}
NOTICED = {
    "withdrawn": "no_consent",
    "opted_out": "opted_out",
    "complaint": "open_complaint",
    "deceased": "deceased",
}
COLUMNS = ("list", "row", "disposition", "at")


@dataclass
class Returned:
    """What a file of results brought, and how the list stands: delivered = returned + outstanding.

    Attributes:
        new, same, corrected, superseded: rows that were taken, stood already, replaced an earlier
            result, or came after a later one.
        rejected: rows set aside, by reason.
        rejects: the file that holds them; None without any.
    """

    new: int = 0
    same: int = 0
    corrected: int = 0
    superseded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejects: Path | None = None
    delivered: int = 0
    returned: int = 0
    outstanding: int = 0
    dispositions: dict[str, int] = field(default_factory=dict)


def take_results(
    database: Database, list_id: str, path: Path, *, layout: Layout | None = None, actor: str
) -> Returned:
    """Take a file of results: list, row, disposition and at, the moment of the contact.

    Of two results of a row the later one counts. Rows that match nothing that was handed over go to
    a file of rejects with their reason.

    Raises:
        ListError: the list was never exported, or is closed.
        ContractBroken: the file's first line does not name the four columns.
        SourceError: the file is not in its declared encoding.
    """
    layout = layout or Layout(encoding="utf-8")
    names = header(path, layout)
    if lacking := [name for name in COLUMNS if name not in names]:
        raise ContractBroken(f"{path} lacks the columns {', '.join(lacking)}.")
    found, rejects = Returned(), list[dict[str, Any]]()
    digest = file_digest(path)
    with database.writing() as connection:
        row = locked(connection, list_id)
        if row.state not in ("exported", "returned"):
            raise ListError(f"list {list_id} is {row.state}; only an exported one takes results.")
        taker = _Taker(connection, list_id, read(row).channel, actor, found)
        for lines in chunks(path, layout):
            columns = [lines.columns[names.index(name)].to_pylist() for name in COLUMNS]
            for number, *told in zip(lines.numbers, *columns, strict=True):
                if reason := taker.take(*told):
                    rejects.append(_reject(number, reason, told))
            rejects += [_reject(n, fault, ["", "", "", ""]) for n, fault in lines.broken]
        found.rejected.update(one["reason"] for one in rejects)
        _reconcile(connection, list_id, taker.handed, found)
        if found.returned:
            move(connection, list_id, "returned")
        found.rejects = _kept(Folder(list_id), digest, rejects)
        body = {"list": list_id, "file": digest, "new": found.new, "corrected": found.corrected}
        body |= {"same": found.same, "rejected": len(rejects)}
        audit.enter(connection, kind="list_results", actor=actor, body=body)
    return found


class _Taker:
    """Takes the results of one file within a transaction."""

    def __init__(
        self, connection: Connection, list_id: str, channel: str, actor: str, found: Returned
    ) -> None:
        self._connection, self._list, self._channel = connection, list_id, channel
        self._actor, self._found = actor, found
        self._zone = ZoneInfo(settings().zone)
        asked = sa.select(LIST_EXPORTS.c.export_id).where(LIST_EXPORTS.c.list_id == list_id)
        exports = [one.export_id for one in connection.execute(asked)]
        rows = exported_rows(list_id, exports)
        numbers: list[Any] = rows["row"].to_pylist()
        names = texts(rows["customer_id"])
        self.handed: dict[int, str] = dict(zip(numbers, names, strict=True))
        self._families = _families(list_id)
        known = sa.select(LIST_RESULTS).where(LIST_RESULTS.c.list_id == list_id)
        self._known = {
            one.row: (one.disposition, one.at, one.corrections) for one in connection.execute(known)
        }

    def take(self, listed: str, row: str, disposition: str, at: str) -> str:
        """Take one result; returns why it is rejected, or an empty text."""
        if listed.strip() != self._list:
            return "another list"
        number = int(row) if row.strip().isdecimal() and len(row) < 10 else 0
        if number not in self.handed:
            return "no such row was handed over"
        if disposition not in DISPOSITIONS:
            return f"no such disposition; there are {', '.join(DISPOSITIONS)}"
        moment = self._moment(at)
        if moment is None:
            return "at is no moment; write YYYY-MM-DDTHH:MM:SS, local or with a Z"
        if moment > datetime.now(UTC):
            return "at lies in the future"
        return self._keep(number, disposition, moment)

    def _moment(self, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)

    def _keep(self, row: int, disposition: str, at: datetime) -> str:
        had = self._known.get(row)
        c = LIST_RESULTS.c
        if had is None:
            self._found.new += 1
            customer = self.handed[row]
            values = {"family": self._families[row], "channel": self._channel, "corrections": 0}
            self._connection.execute(
                sa.insert(LIST_RESULTS).values(
                    list_id=self._list, row=row, customer_id=customer,
                    disposition=disposition, at=at, **values,
                )
            )  # fmt: skip
            corrections = 0
        elif had[:2] == (disposition, at):
            self._found.same += 1
            return ""
        elif had[1] == at:
            return "contradicts another result of the same moment"
        elif had[1] > at:
            self._found.superseded += 1
            return ""
        else:
            self._found.corrected += 1
            corrections = had[2] + 1
            same = (c.list_id == self._list) & (c.row == row)
            self._connection.execute(
                sa.update(LIST_RESULTS)
                .where(same)
                .values(disposition=disposition, at=at, corrections=corrections)
            )
        self._known[row] = (disposition, at, corrections)
        if kind := NOTICED.get(disposition):
            told = Notice(self.handed[row], kind, holds=True, at=at)
            notices.enter(self._connection, told, actor=self._actor)
        return ""


def _families(list_id: str) -> dict[int, str]:
    """Row -> family of the product offered."""
    folder = Folder(list_id)
    family = {one["product"]: one["family"] for one in folder.told("inputs.json")["offers"]}
    rows = pq.read_table(folder.path / "members.parquet", columns=["row", "product"])
    numbers: list[Any] = rows["row"].to_pylist()
    told = zip(numbers, texts(rows["product"]), strict=True)
    return {row: family[product] for row, product in told if row}


def _reconcile(
    connection: Connection, list_id: str, handed: dict[int, str], found: Returned
) -> None:
    c = LIST_RESULTS.c
    counted = sa.select(c.disposition, sa.func.count().label("rows")).where(c.list_id == list_id)
    rows = connection.execute(counted.group_by(c.disposition).order_by(c.disposition))
    found.dispositions = {row.disposition: row.rows for row in rows}
    found.delivered, found.returned = len(handed), sum(found.dispositions.values())
    found.outstanding = found.delivered - found.returned


def _reject(line: int, reason: str, told: list[str]) -> dict[str, Any]:
    named = dict(zip(COLUMNS, told, strict=True))
    return {"line": line, "reason": reason} | {k: str(v)[:400] for k, v in named.items()}


def _kept(folder: Folder, digest: str, rejects: list[dict[str, Any]]) -> Path | None:
    if not rejects:
        return None
    name = f"rejects/{digest[:24]}.csv"
    rows = pa.Table.from_pylist(sorted(rejects, key=lambda one: int(one["line"])))
    plain = Template(name="rejects", purpose="analysis", columns=("list", "row"))
    folder.put_bytes(name, as_csv(rows, plain))
    return folder.path / name

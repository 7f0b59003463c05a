"""The life of a list: draft, sealed, exported, returned, closed. Every step acts once."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import ListError, NotReady
from data.schema import LIST_RESULTS, LISTS
from data.settings import settings
from data.terminal import Report
from data.warehouse import Warehouse, canonical_json
from features.calendar import day_number
from serving.book.folder import Book
from serving.book.standing import texts
from serving.lists import notices
from serving.lists.counts import Counts, of_json
from serving.lists.drafting import Source, keep_facts, place_parts, weigh_parts
from serving.lists.draws import Draws, mixed, salt
from serving.lists.facts import facts, forbidden
from serving.lists.folder import FACTS, LIST, SEAL, Folder, only, part
from serving.lists.offers import Offer, offers
from serving.lists.placing import Power, power
from serving.lists.policies import Policy, newest
from serving.lists.reasons import Bits, codes, first, flags, unchecked
from serving.lists.records import MadeList, as_made, find, locked, look_up, members, move, read
from serving.lists.request import USUAL, ListRequest, Rules
from serving.lists.weighing import Terms
from serving.publication import alone

FORMAT = "list/1"  # raise it when the same inputs give another list


def draft(
    database: Database,
    warehouse: Warehouse,
    request: ListRequest,
    *,
    actor: str,
    rules: Rules = USUAL,
    report: Report | None = None,
) -> MadeList:
    """Draft a list from the newest book and the warehouse as it is now.

    Asked again for the same of the same book, it gives the list there is; a draft that was killed is
    taken up where it stood, with what its first run found in the warehouse.

    Raises:
        ListError: an unknown product, policy or propensity, or worth that nothing tells.
        NotReady: there is no book, or its files are damaged.
    """
    source, policy = newest_source(database), newest(database, request.policy)
    with database.writing() as connection:
        key = salt(connection)
    list_id = _key(request, source.book, policy, rules, key)
    say = report or (lambda *_: None)
    with alone(settings().lists / ".lock"):
        if made := look_up(database, list_id):
            return made
        folder = Folder(list_id)
        terms = _terms(folder, warehouse, source, policy, request, rules, key)
        _gathered(folder, database, warehouse, source, terms)
        digests = weigh_parts(folder, source, terms, say)
        known = source.book.inputs.releases
        uplift = frozenset(o.family for o in terms.offers if f"uplift.{o.family}" in known)
        digest, told = place_parts(folder, terms, uplift, digests, say)
        told |= {"unchecked": folder.told("facts.json")["unchecked"]}
        _enter(database, list_id, request, source, policy, digest, told, actor)
    return find(database, list_id)


def newest_source(database: Database) -> Source:
    """The newest book.

    Raises:
        NotReady: there is none.
    """
    books = [json.loads(one.body) for one in audit.records(database, ("book",))]
    if not books:
        raise NotReady("there is no book; ./zhike serving score-book makes one.")
    return Source(Book(settings().books / books[-1]["book"]), books[-1]["output"])


def seal(
    database: Database,
    warehouse: Warehouse,
    list_id: str,
    *,
    actor: str,
) -> MadeList:
    """Seal a draft: ask consent and all that forbids contact anew, drop whom it concerns, and fix it.

    It happens within one transaction of the database, on which notices queue: a withdrawal is
    either seen here, or comes later and is told by ``recall``.

    Raises:
        ListError: there is no such list.
        NotReady: its files are damaged.
    """
    with alone(settings().lists / ".lock"), database.writing() as connection:
        row = locked(connection, list_id)
        if row.state != "draft":
            return as_made(row)
        folder, request = Folder(list_id), read(row)
        told = json.loads(folder.verified(LIST, row.digest).read_text())
        chosen = _chosen(folder, told["parts"])
        kept = notices.kept(connection)
        names = texts(chosen["customer_id"])
        against = forbidden(warehouse, names, request.day, folder.rules, kept)
        taken = set(members(connection))
        against |= flags(in_sealed_list=np.array([name in taken for name in names], np.bool_))
        digest, counts, strength = _sealed(folder, request, chosen, against, row)
        values = {
            "counts": dict(row.counts) | {"counts": asdict(counts), "power": asdict(strength)}
        }
        connection.execute(
            sa.update(LISTS)
            .where(LISTS.c.list_id == list_id)
            .values(state="sealed", digest=digest, sealed_at=datetime.now(UTC), **values)
        )
        dropped = Counter(code for bits in against.tolist() if bits for code in codes(bits))
        body: dict[str, Any] = {"list": list_id, "seal": digest}
        body |= {"manifest": warehouse.manifest.digest}
        body |= {"listed": counts.listed, "control": counts.control, "dropped": dict(dropped)}
        audit.enter(connection, kind="list_sealed", actor=actor, body=body)
    return find(database, list_id)


def close(database: Database, list_id: str, *, actor: str) -> MadeList:
    """Close a list: its people may be listed again, and it takes no more results.

    Raises:
        ListError: there is no such list, or it is not sealed.
    """
    with database.writing() as connection:
        row = locked(connection, list_id)
        if row.state == "draft":
            raise ListError(f"list {list_id} is a draft; there is nothing to close.")
        if row.state != "closed":
            move(connection, list_id, "closed")
            audit.enter(connection, kind="list_closed", actor=actor, body={"list": list_id})
    return find(database, list_id)


def _key(request: ListRequest, book: Book, policy: Policy, rules: Rules, key: bytes) -> str:
    """The identifier: a digest of all that decides the list but the facts."""
    drawn_by = hashlib.sha256(key).hexdigest()
    asked = [request.model_dump(mode="json"), book.folder.name, asdict(policy), asdict(rules)]
    text = canonical_json([FORMAT, drawn_by, *asked])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _terms(
    folder: Folder,
    warehouse: Warehouse,
    source: Source,
    policy: Policy,
    request: ListRequest,
    rules: Rules,
    key: bytes,
) -> Terms:
    """The terms of a draft, those of its first run where there was one."""
    told = folder.told("inputs.json")
    if told is None:
        told = {
            "format": FORMAT,
            "request": request.model_dump(mode="json"),
            "book": source.book.folder.name,
            "output": source.output,
            "policy": asdict(policy),
            "rules": asdict(rules),
            "offers": [asdict(one) for one in offers(warehouse, request.products, request.day)],
        }
        folder.tell("inputs.json", told)
    return Terms(request, tuple(Offer(**one) for one in told["offers"]), policy, rules, key)


def _gathered(
    folder: Folder, database: Database, warehouse: Warehouse, source: Source, terms: Terms
) -> None:
    if folder.stands(FACTS, (folder.told("facts.json") or {}).get("sha256")):
        return
    with database.reading() as connection:
        known = notices.kept(connection)
        results, listed = _results(connection), members(connection)
    found = facts(
        warehouse, source.customers(), terms.request, terms.rules,
        notices=known, results=results, members=listed,
    )  # fmt: skip
    manifest = warehouse.manifest
    missing = unchecked(manifest.tables, set(known["kind"]))
    keep_facts(
        folder,
        found.append_column("segment", source.segments()),
        source.sizes,
        {"manifest": manifest.digest, "unchecked": [reason.code for reason in missing]},
    )


def _results(connection: Connection) -> pd.DataFrame:
    """What came back from lists, by the bank's days."""
    c, zone = LIST_RESULTS.c, ZoneInfo(settings().zone)
    asked = sa.select(c.list_id, c.customer_id, c.family, c.channel, c.disposition, c.at)
    rows = connection.execute(asked).all()
    names = ("list_id", "customer_id", "family", "channel", "disposition")
    told: dict[str, Any] = {
        name: pd.Series([getattr(row, name) for row in rows], dtype="string") for name in names
    }
    days = [day_number(row.at.astimezone(zone).date()) for row in rows]
    return pd.DataFrame(told | {"event_day": pd.Series(days, dtype="int64")})


def _enter(
    database: Database,
    list_id: str,
    request: ListRequest,
    source: Source,
    policy: Policy,
    digest: str,
    told: dict[str, Any],
    actor: str,
) -> None:
    counts = {k: told[k] for k in ("counts", "power", "unchecked", "incremental")}
    with database.writing() as connection:
        connection.execute(
            sa.insert(LISTS).values(
                list_id=list_id,
                state="draft",
                request=request.model_dump(mode="json"),
                book=source.book.folder.name,
                policy_version=policy.version,
                made_by=actor,
                made_at=datetime.now(UTC),
                digest=digest,
                counts=counts,
            )
        )
        body = {"list": list_id, "draft": digest, "book": source.book.folder.name}
        audit.enter(connection, kind="list_drafted", actor=actor, body=body)


def _chosen(folder: Folder, digests: Sequence[str]) -> pa.Table:
    """Who is listed or control in a draft."""
    found = []
    for number, digest in enumerate(digests):
        rows = pq.read_table(folder.verified(part("places", number), digest))
        found.append(only(rows, "place", "listed", "control"))
    return pa.concat_tables(found).unify_dictionaries().combine_chunks()


def _sealed(
    folder: Folder, request: ListRequest, chosen: pa.Table, against: Bits, row: sa.Row[Any]
) -> tuple[str, Counts, Power]:
    """Write the seal; returns its digest, the counts and the power that are left."""
    stays = against == 0
    kept, gone = chosen.filter(pa.array(stays)), chosen.filter(pa.array(~stays))
    places = kept["place"].cast(pa.string()).to_numpy(zero_copy_only=False)
    listed = places == "listed"
    counts = of_json(row.counts["counts"])
    was = texts(gone["place"])
    counts.listed -= was.count("listed")
    counts.control -= was.count("control")
    counts.suppressed += len(was)
    counts.suppress(against[~stays], first(against[~stays]).astype(np.int8))
    if not counts.reconciled:
        raise ListError(f"list {folder.list_id} does not reconcile with the book: {counts}.")
    numbered = kept.append_column("row", pa.array(_rows(request, listed, kept["draw"].to_numpy())))
    p = kept["p"].to_numpy()
    strength = power(request, counts.listed, counts.control, float(p.mean()) if len(p) else 0.0)
    dropped = gone.select(["customer_id", "place", "product"])
    told = {
        "format": FORMAT,
        "draft": row.digest,
        "members": folder.put("members.parquet", numbered.sort_by("row")),
        "dropped": folder.put(
            "dropped.parquet", dropped.append_column("reasons", pa.array(against[~stays]))
        ),
        "counts": asdict(counts),
        "power": asdict(strength),
    }
    return folder.tell(SEAL, told), counts, strength


def _rows(request: ListRequest, listed: Any, draws: Draws) -> Any:
    """Row numbers of the listed from 1, in an order that says nothing; 0 for control."""
    lots = np.where(listed, mixed(draws, f"row/{request.seed}"), np.uint64(2**64 - 1))
    rows = np.zeros(len(listed), np.int32)
    order = np.argsort(lots, kind="stable")[: int(listed.sum())]
    rows[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    return rows

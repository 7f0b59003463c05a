"""Who is meant: customers by their identifier, by the key of a source system, or by telephone."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import NotOffered, NotReady, SplitCustomer, UnknownCustomer, WarehouseError
from data.settings import settings
from data.warehouse import CROSSWALK, Manifest, Warehouse
from features.identity.telephones import phone_number, telephone_digest

_OWNERS = f"""
    SELECT record_id, arg_max(customer_id, run) AS customer_id FROM {CROSSWALK} GROUP BY record_id
"""
# Identifiers whose records are not, or not all, still theirs: merged into one, or split.
_MOVED = f"""
    WITH owners AS ({_OWNERS}), ever AS (SELECT DISTINCT record_id, customer_id FROM {CROSSWALK})
    SELECT ever.customer_id, list_sort(list(DISTINCT o.customer_id)) AS now
    FROM ever JOIN owners o USING (record_id) GROUP BY ever.customer_id
    HAVING now != [ever.customer_id]
"""
_SOURCES = """
    SELECT DISTINCT c.system || chr(10) || c.customer_id AS key,
        coalesce(o.customer_id, c.customer_id) AS customer
    FROM customers c LEFT JOIN ({owners}) o ON o.record_id = c.customer_id
    WHERE c.system IS NOT NULL ORDER BY key
"""
_TELEPHONES = """
    SELECT customer_id, arg_max(phone, known_at) AS phone FROM customers
    WHERE phone IS NOT NULL GROUP BY customer_id ORDER BY customer_id
"""


@dataclass(frozen=True)
class Found:
    """A customer, and whether the identifier that was asked for is another's by now."""

    customer_id: str
    superseded: bool = False


class Directory:
    """Who is named how in one state of the warehouse.

    What few requests need is made at the first of them: the keys of source systems take some
    40 bytes a record, the telephones 20 bytes a customer.
    """

    def __init__(self, warehouse: Warehouse, manifest: Manifest) -> None:
        self._warehouse, self._manifest = warehouse, manifest
        self.digest = manifest.digest
        self._making = threading.Lock()
        with _readable():
            self._moved = self._moved_now()

    def named(self, customer_id: str) -> Found:
        """The customer of an identifier; one that is unknown is given back as it is.

        Raises:
            SplitCustomer: several customers have borne it.
        """
        now = self._moved.get(customer_id)
        if now is None:
            return Found(customer_id)
        if len(now) == 1:
            return Found(now[0], superseded=True)
        raise SplitCustomer(
            "this identifier has stood for several customers; name the customer by one of the"
            " source keys of the candidates.",
            [self._candidate(customer) for customer in now],
        )

    def at_source(self, system: str, key: str) -> Found:
        """The customer whose record a source system keeps under a key.

        Raises:
            UnknownCustomer: it keeps none.
        """
        keys, customers = self._of_sources
        place = int(np.searchsorted(keys, wanted := f"{system}\n{key}".encode()))
        if place == len(keys) or keys[place] != wanted:
            raise UnknownCustomer("no source system keeps a record under this key; check both.")
        return Found(customers[place].decode())

    def called(self, digest: str) -> list[str]:
        """The customers, in order, whose telephone has a digest.

        Raises:
            NotOffered: the bank has set no key.
        """
        if not settings().telephone_key:
            raise NotOffered("telephones are not looked up here; set ZHIKE_TELEPHONE_KEY.")
        digests, customers = self._of_telephones
        wanted = np.uint64(int(digest[:16], 16))
        first, last = (np.searchsorted(digests, wanted, side) for side in ("left", "right"))
        return sorted(who.decode() for who in customers[first:last].tolist())

    def _candidate(self, customer_id: str) -> dict[str, Any]:
        keys, customers = self._of_sources
        theirs = (key.decode().split("\n") for key in keys[customers == customer_id.encode()])
        named = [{"source_system": system, "source_key": key} for system, key in theirs]
        return {"customer_id": customer_id, "sources": named}

    def _moved_now(self) -> Mapping[str, list[str]]:
        if CROSSWALK not in self._manifest.tables:
            return {}
        rows = self._table(_MOVED, resolved=False)
        columns: list[list[Any]] = [rows[name].to_pylist() for name in ("customer_id", "now")]
        return dict(zip(*columns, strict=True))

    @property
    def _of_sources(self) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
        with self._making, _readable():
            return self._sources

    @property
    def _of_telephones(self) -> tuple[NDArray[np.uint64], NDArray[np.bytes_]]:
        with self._making, _readable():
            return self._telephones

    @cached_property
    def _sources(self) -> tuple[NDArray[np.bytes_], NDArray[np.bytes_]]:
        identified = CROSSWALK in self._manifest.tables
        owners = _OWNERS if identified else "SELECT '' AS record_id, '' AS customer_id"
        rows = self._table(_SOURCES.format(owners=owners), resolved=False)
        return _texts(rows["key"]), _texts(rows["customer"])

    @cached_property
    def _telephones(self) -> tuple[NDArray[np.uint64], NDArray[np.bytes_]]:
        rows, key = self._table(_TELEPHONES, resolved=True), settings().telephone_key
        written: list[Any] = rows["phone"].to_pylist()
        numbers = [phone_number(text) for text in written]
        known = np.array([number is not None for number in numbers], dtype=np.bool_)
        made = (telephone_digest(key, number)[:16] for number in numbers if number)
        digests = np.fromiter((int(digest, 16) for digest in made), np.uint64)
        order = np.argsort(digests, kind="stable")
        return digests[order], _texts(rows["customer_id"])[known][order]

    def _table(self, query: str, *, resolved: bool) -> pa.Table:
        connection = self._warehouse.connect(self._manifest, resolved=resolved)
        try:
            table: pa.Table = connection.sql(query).to_arrow_table()
            return table
        finally:
            connection.close()


def _texts(column: Any) -> NDArray[np.bytes_]:
    """Texts as fixed numbers of bytes, which sort and compare without an object each."""
    width = max(1, pc.max(pc.binary_length(column)).as_py() or 1)
    return np.array(column.cast(pa.binary()).to_pylist(), dtype=f"S{width}")


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except WarehouseError as error:
        raise NotReady(f"who is who cannot be read now: {type(error).__name__}.") from error


_newest: dict[Path, Directory] = {}
_reading = threading.Lock()


def directory(warehouse: Warehouse, digest: str) -> Directory:
    """The directory of the warehouse as it is now, kept until another state is visible.

    Args:
        digest: of the manifest, as the caller has read it.
    """
    kept = _newest.get(warehouse.folder)
    if kept and kept.digest == digest:
        return kept
    with _reading:
        kept = _newest.get(warehouse.folder)
        manifest = warehouse.manifest
        if kept is None or kept.digest != manifest.digest:
            kept = Directory(warehouse, manifest)
            _newest.clear()
            _newest[warehouse.folder] = kept
    return kept

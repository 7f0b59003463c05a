"""What an adapter says of its files: their layouts, their contracts, their canonical meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data.contracts import Table
from data.csvfile import Layout


@dataclass(frozen=True)
class Delivery:
    """One file of a source: where it is, how it is written, what it must hold.

    ``sha256`` is the digest that the sender vouches for, empty where the sender gave none.
    """

    path: Path
    contract: Table
    layout: Layout = field(default_factory=Layout)
    sha256: str = ""


@dataclass(frozen=True)
class Source:
    """A folder of deliveries and the queries that make canonical tables of them.

    Attributes:
        zone: the bank's time zone; timestamps without one are its local time.
        canonical: canonical table -> SELECT over the staged deliveries (by contract name), with
            the columns of the canonical contract and a ``line`` to order by.
        dropped: rows that no contract on one file can tell are useless: (contract name, SQL
            condition over the staged deliveries, reason).
        refused: file -> why it may not feed features.
        notes: what a reader of any figure from this source must know.
    """

    name: str
    folder: Path
    zone: str
    deliveries: tuple[Delivery, ...]
    canonical: Mapping[str, str]
    dropped: tuple[tuple[str, str, str], ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

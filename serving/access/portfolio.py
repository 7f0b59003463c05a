"""Whose customers are whose: the hand-overs in the warehouse, as of now."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd

from data.warehouse import Warehouse

Owned = Callable[[str], frozenset[str]]
MOST = 512  # managers whose customers are remembered

_OWN = """
    WITH handed AS (
        SELECT a.customer_id, a.staff_id, a.branch_id
        FROM assignments a, asked q WHERE a.event_at <= q.at AND a.known_at <= q.at
        QUALIFY row_number() OVER (
            PARTITION BY a.customer_id ORDER BY a.event_at DESC, a.known_at DESC) = 1
    ),
    desk AS (
        SELECT s.branch_id FROM staff s, asked q
        WHERE s.staff_id = q.employee AND s.event_at <= q.at AND s.known_at <= q.at
        ORDER BY s.event_at DESC, s.known_at DESC LIMIT 1
    )
    SELECT h.customer_id FROM handed h, asked q
    WHERE h.staff_id = q.employee
        OR h.staff_id IS NULL AND h.branch_id = (SELECT branch_id FROM desk)
"""


class Portfolio:
    """Customers by manager, remembered while the warehouse and the day stay the same.

    A customer is theirs to whom the newest hand-over gives them; one whom it gives to nobody by
    name is every manager's of the branch.
    """

    def __init__(self, warehouse: Warehouse | None = None) -> None:
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._as_of = ""
        self._found: dict[str, frozenset[str]] = {}

    def of(self, employee: str) -> frozenset[str]:
        """The customers of a member of staff; none where the bank tells nothing of hand-overs."""
        if not employee:
            return frozenset()
        with self._lock:
            warehouse = self._warehouse = self._warehouse or Warehouse()
            now, manifest = datetime.now(UTC), warehouse.manifest
            as_of = f"{manifest.digest} {now.date()}"
            if as_of != self._as_of or len(self._found) >= MOST:
                self._as_of, self._found = as_of, {}
            if employee not in self._found:
                known = "assignments" in manifest.tables
                self._found[employee] = _read(warehouse, employee, now) if known else frozenset()
            return self._found[employee]


def _read(warehouse: Warehouse, employee: str, now: datetime) -> frozenset[str]:
    asked = pd.DataFrame({"employee": [employee], "at": [now.replace(tzinfo=None)]})
    return frozenset(warehouse.frame(_OWN, asked=asked)["customer_id"])

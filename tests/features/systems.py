"""Records of several systems, written by the test that needs them."""

from datetime import date
from pathlib import Path
from typing import Any

from data.database import Database
from data.warehouse import CROSSWALK, GOLDEN_RECORDS, Manifest
from features.identity.run import Identified, identify
from tests.features.dated_bank import DatedBank

HSIAO_MING: dict[str, Any] = {
    "name": "王小明",
    "birth_date": date(1980, 5, 17),
    "sex": "male",
    "identity_type": "resident",
    "identity_number": "A123456789",
    "phone": "0912-345-678",
    "email": "ming@example.tw",
    "address": "臺北市大安區和平東路二段15號3樓",
    "postcode": "106",
}
# As the cards system embosses him.
EMBOSSED: dict[str, Any] = HSIAO_MING | {"name": None, "latin_name": "WANG HSIAO-MING"}


class Systems:
    """A bank whose systems each keep their own records."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.hand = DatedBank(folder, empty=True)
        self.warehouse, self.database = self.hand.warehouse, database

    def record(
        self, record: str, system: str = "core", on: str = "2020-01-01", **values: Any
    ) -> None:
        """What a system says of a person from a day on."""
        self.hand.add("customers", on=on, customer_id=record, system=system, **values)

    def identify(self) -> Identified:
        """Load what was written and find who is who; earlier runs stand."""
        derived = [
            batch
            for batch in self.warehouse.manifest.batches
            if batch.table in (CROSSWALK, GOLDEN_RECORDS)
        ]
        loaded = self.hand.load().manifest
        batches = (*loaded.batches, *derived)
        self.warehouse.commit(Manifest(source="by hand", batches=batches))
        return identify(self.warehouse, self.database)

    def persons(self) -> dict[str, str]:
        """Whose each record is."""
        return dict(self.rows("SELECT record_id, customer_id FROM owners ORDER BY 1"))

    def together(self, *records: str) -> bool:
        """Whether the records are one person's."""
        persons = self.persons()
        return len({persons[record] for record in records}) == 1

    def rows(self, query: str) -> list[Any]:
        return self.warehouse.connect().sql(query).fetchall()

    def known(self, record: str) -> str:
        """The day on which it was known whose the record is."""
        [(day,)] = self.rows(
            "SELECT strftime(arg_max(known_at, run), '%Y-%m-%d') FROM crosswalk"
            f" WHERE record_id = '{record}'"
        )
        return str(day)

    def golden(self, customer: str, columns: str) -> list[Any]:
        """What was best known of a customer, from which day on."""
        return self.rows(
            f"SELECT strftime(known_at, '%Y-%m-%d'), {columns} FROM customers"
            f" WHERE customer_id = '{customer}' ORDER BY known_at"
        )

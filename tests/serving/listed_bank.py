"""A bank of hand-made customers about whom nothing speaks against a contact, and their book."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.database import Database
from data.warehouse import Warehouse
from experiments._made_book import DAY, write_book
from serving.lists import ListRequest, policies
from tests.features.dated_bank import DatedBank

LONG_AGO, LATELY = "2024-01-01", "2026-06-26"
ASKED: dict[str, Any] = {
    "products": ("fund",),
    "size": 40,
    "channel": "call_centre",
    "policy": "standard",
    "seed": 1,
    "cost": 10.0,
    "day": DAY,
    "contact_until": DAY.replace(month=8),
}


def asked(**other: Any) -> ListRequest:
    """A request for 40 customers to be offered a fund by telephone, unless it says otherwise."""
    return ListRequest(**{**ASKED, **other})


@dataclass
class ListedBank:
    """Customers C000, C001, ... who may all be contacted; the chances of the book can be set.

    Funds earned 1,000 in their first year and personal loans of 10,000 earned 2,000.
    """

    database: Database
    folder: Path
    count: int = 60
    chance: dict[str, float] = field(default_factory=dict)
    pd: dict[str, float] = field(default_factory=dict)
    grade: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hand = DatedBank(self.folder, empty=True)
        self.hand.rows["products"] = [
            {**row, "risk_grade": "R3" if row["family"] == "fund" else "R1"}
            for row in self.hand.rows["products"]
        ]
        self.names = [f"C{number:03}" for number in range(self.count)]
        for place, name in enumerate(self.names):
            self.person(name, phone=f"0912{place:06}")
        self._earned()
        self.hand.add("districts", on=LONG_AGO, district_id="D1", region="north")

    def person(self, name: str, **values: Any) -> None:
        """Somebody with a current account, both consents and the highest tolerance."""
        about: dict[str, Any] = {"phone": "0912000000", "district_id": "D1", "system": "core"}
        about |= {"birth_date": DAY.replace(year=1980), "name": f"Name of {name}", **values}
        self.hand.add("customers", on=LONG_AGO, customer_id=name, **about)
        self.hand.add("accounts", on=LONG_AGO, customer_id=name, account_id=f"A-{name}")
        for purpose in ("marketing", "profiling"):
            self.consent(name, purpose, granted=True, on=LONG_AGO)
        self.suited(name, "C5", DAY.replace(year=2027))

    def consent(self, name: str, purpose: str, *, granted: bool, on: str = LATELY) -> None:
        self.hand.add("consents", on=on, customer_id=name, purpose=purpose, granted=granted)

    def suited(self, name: str, tolerance: str, until: Any, on: str = LONG_AGO) -> None:
        about = {"tolerance": tolerance, "valid_until": until}
        self.hand.add("suitability", on=on, customer_id=name, **about)

    def account(self, name: str, family: str, account: str) -> None:
        about = {"account_id": account, "product_id": family}
        self.hand.add("accounts", on=LONG_AGO, customer_id=name, **about)

    def contact(self, name: str, on: str, family: str, channel: str, outcome: str) -> None:
        number = f"K{len(self.hand.rows['contacts'])}"
        about = {"contact_id": number, "family": family, "channel": channel, "outcome": outcome}
        self.hand.add("contacts", on=on, customer_id=name, arm="treated", **about)

    def _earned(self) -> None:
        """First years of accounts whose owner left: they are in no book."""
        for family, earned in (("fund", 100_000), ("personal_loan", 200_000)):
            for number in range(30):
                account = f"OLD-{family}-{number}"
                self.account("OLD", family, account)
                for on, amount in (("2024-06-30", earned), ("2026-05-31", 0)):
                    told: dict[str, Any] = {
                        "customer_id": "OLD",
                        "account_id": account,
                        "contribution": amount,
                    }
                    self.hand.add("contributions", on=on, **told, loss=0)
        about: dict[str, Any] = {
            "loan_id": "L1",
            "account_id": "OLD-personal_loan-0",
            "amount": 1_000_000,
        }
        self.hand.add("loans", on=LONG_AGO, **about, term_months=12, instalment=1)

    def ready(self) -> Warehouse:
        """Load the facts, make the book the newest, publish the policy."""
        warehouse = self.hand.load()
        values = [self.chance.get(name, 0.2) for name in self.names]
        credit: dict[str, Any] = {
            "value": [self.pd.get(name, 0.01) for name in self.names],
            "grade": [self.grade.get(name, "4") for name in self.names],
        }
        answers: dict[str, dict[str, Any]] = {
            "propensity.fund": {"value": values},
            "propensity.personal_loan": {"value": values},
            "credit_risk": credit,
            "lifetime_value": {"value": [float(place) for place in range(self.count)]},
        }
        write_book(self.database, self.names, answers, part=25)
        policies.publish(self.database, "standard", max_pd=0.05, actor="risk officer")
        return warehouse

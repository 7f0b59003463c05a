"""What the simulated bank sells: margins, costs, risk grades and typical amounts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.simulation.columns import Ints, money, ratio
from data.simulation.files import Folder
from data.tables import PRODUCT_FAMILIES

(CURRENT, SAVINGS, CARD, LOAN, MORTGAGE, DEPOSIT, WEALTH, FUND, INSURANCE) = range(9)
FAMILY_NAMES = (
    "current",
    "savings",
    "credit_card",
    "personal_loan",
    "mortgage",
    "term_deposit",
    "wealth_management",
    "fund",
    "insurance",
)
assert set(FAMILY_NAMES) == set(PRODUCT_FAMILIES)
LENDING = (LOAN, MORTGAGE)
CREDIT = (CARD, LOAN, MORTGAGE)
INVESTMENTS = (DEPOSIT, WEALTH, FUND, INSURANCE)
TAKEN_UP = (CARD, LOAN, MORTGAGE, DEPOSIT, WEALTH, FUND, INSURANCE)
CURRENT_CODE = "TWD"
# Which source system keeps the accounts of a family.
SYSTEM_OF = tuple("cards" if name == "credit_card" else "core" for name in FAMILY_NAMES)


@dataclass(frozen=True)
class Product:
    """A product with its margin (a year), cost to serve (TWD a month) and risk grade."""

    product_id: str
    family: int
    name: str
    margin: float
    cost: int
    grade: str = "R1"


PRODUCTS = (
    Product("CUR-1", CURRENT, "Everyday account 活期儲蓄", 0.0115, 38),
    Product("CUR-2", CURRENT, "Premier account 菁英帳戶", 0.0105, 110),
    Product("SAV-1", SAVINGS, "Online savings 數位存款", 0.0070, 12),
    Product("CRD-1", CARD, "Classic card 普卡", 0.0550, 45),
    Product("CRD-2", CARD, "Platinum card 白金卡", 0.0600, 95),
    Product("PLN-1", LOAN, "Personal loan 信用貸款", 0.0480, 70),
    Product("MTG-1", MORTGAGE, "Home loan 房屋貸款", 0.0048, 120),
    Product("TDP-1", DEPOSIT, "Term deposit, 12 months 定期存款", 0.0045, 8),
    Product("WMP-1", WEALTH, "Structured note 結構型商品", 0.0110, 90, "R4"),
    Product("WMP-2", WEALTH, "Managed portfolio 全權委託", 0.0095, 140, "R3"),
    Product("FND-1", FUND, "Balanced fund 平衡型基金", 0.0105, 25, "R3"),
    Product("FND-2", FUND, "Equity fund 股票型基金", 0.0130, 25, "R5"),
    Product("INS-1", INSURANCE, "Endowment policy 儲蓄險", 0.0150, 25, "R2"),
)
MARGINS = np.array([product.margin for product in PRODUCTS])
COSTS: Ints = np.array([product.cost * 100 for product in PRODUCTS], np.int64)
# The plain product of each family, and the other one (itself where there is one only).
PLAIN = np.array([[p.family for p in PRODUCTS].index(f) for f in range(9)], np.int64)
OTHER = PLAIN + np.array([1, 0, 1, 0, 0, 0, 1, 1, 0], np.int64)

LOSS_GIVEN_DEFAULT = {CARD: 0.75, LOAN: 0.65, MORTGAGE: 0.10}


def write_products(folder: Folder) -> None:
    """Write the product table."""
    columns = {
        "product_id": pa.array([p.product_id for p in PRODUCTS]),
        "family": pa.array([FAMILY_NAMES[p.family] for p in PRODUCTS]),
        "name": pa.array([p.name for p in PRODUCTS]),
        "margin": ratio(MARGINS),
        "cost_to_serve": money(COSTS),
        "risk_grade": pa.array([p.grade for p in PRODUCTS]),
    }
    folder.put("products", columns)

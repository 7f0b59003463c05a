"""What somebody can do about a profile: each lever is an action, with all that it moves.

A lever changes what stands today: balances, debts, products held, the day of the last contact. It
is as if the action had been taken on the day before the as-of day. Features that others are derived
from pull those along by the catalogue's own arithmetic, so that a repaid card is a lower balance, a
lower use of its limit and a lower debt at once. What has happened stays as it was booked: payments,
arrears, averages. Only the highest and the lowest balance, which see the last day too, go with it.
No lever touches age or place; none is the customer's pay, which takes months to become one.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from features.catalogue import CATALOGUE
from features.definition import Array, Feature, Reasons

Actor = Literal["customer", "bank"]
LeverUnit = Literal["money", "count", "once"]
Moves = Callable[["Now", Array], Mapping[str, Array]]
# Who acts: a customer to be lent to, a bank to keep a customer. Nobody acts on the other questions.
ACTORS: Mapping[str, Actor] = {"credit_risk": "customer", "churn": "bank"}
CREDIT, CHURN = "credit_risk", "churn"
STEP = 10_000  # minor units: a hundred of the currency
OPENED_WITH = 1_000_000  # minor units: ten thousand; banks of the region open no deposit for less
YESTERDAY = 1.0  # days; a profile sees what happened before its day
ASSESSED_FOR = 365.0  # days that a risk assessment counts
MOST_CONTACTS = 3


class Now(dict[str, float]):
    """A profile's values by name; missing where there is no such feature."""

    def __missing__(self, name: str) -> float:
        return float("nan")


@dataclass(frozen=True)
class Lever:
    """An action, who may take it, how far it goes, and all that it moves.

    Attributes:
        words: what is done, with {amount} where the lever has one.
        questions: which it may be moved for; ``ACTORS`` says who moves it.
        of: the feature whose spread among customers the amount is measured by.
        least, step: the smallest amount and what is added to it, in minor units or times.
        most: the largest amount for a profile, 0 where the action makes no sense.
        moves: from a profile and amounts (n,) to the new values (n,) of what is not derived.
    """

    name: str
    words: Reasons
    questions: tuple[str, ...]
    of: str
    unit: LeverUnit
    least: int
    step: int
    most: Callable[[Now], float]
    moves: Moves
    code: str = field(repr=False)

    def steps(self, now: Now) -> int:
        """How many steps there are for a profile."""
        most = self.most(now)
        return int(np.ceil((most - self.least) / self.step)) + 1 if most >= self.least else 0

    def amounts(self, now: Now, steps: Array) -> Array:
        """The amounts of some numbers of steps, in minor units or times."""
        most = max(self.most(now), 0.0)
        return np.where(steps > 0, np.minimum(self.least + (steps - 1) * self.step, most), 0.0)

    def after(self, now: Now, steps: Array) -> dict[str, Array]:
        """What is different after some numbers of steps: feature -> values (n,)."""
        moved = self.moves(now, self.amounts(now, steps))
        return with_derived(now, {n: v + 0.0 for n, v in moved.items() if n in now})


def with_derived(now: Now, changed: Mapping[str, Array]) -> dict[str, Array]:
    """Changed values and those derived from them, by the catalogue's own arithmetic."""
    found = dict(changed)
    for feature in _DERIVED:
        if feature.name in now and any(part.name in found for part in feature.inputs):
            shape = np.shape(next(iter(found.values())))
            parts = (
                found[p.name] if p.name in found else np.full(shape, now[p.name])
                for p in feature.inputs
            )
            assert feature.combine is not None
            found[feature.name] = feature.combine(*parts) + 0.0
    return found


def _inputs_first(features: Iterable[Feature]) -> tuple[Feature, ...]:
    ordered: dict[str, Feature] = {}

    def visit(feature: Feature) -> None:
        for part in feature.inputs:
            visit(part)
        if feature.combine:
            ordered.setdefault(feature.name, feature)

    for feature in features:
        visit(feature)
    return tuple(ordered.values())


_DERIVED = _inputs_first(CATALOGUE.values())


def lever(
    words: str,
    questions: tuple[str, ...],
    of: str,
    most: Callable[[Now], float],
    *,
    unit: LeverUnit = "money",
    least: int = 0,
) -> Callable[[Moves], Lever]:
    """Declare a lever by what it moves; its words are "English | 繁體 | 简体"."""

    def declare(moves: Moves) -> Lever:
        en, zh_tw, zh_cn = (text.strip() for text in words.split("|"))
        return Lever(
            name=moves.__name__,
            words=Reasons(en, zh_tw, zh_cn),
            questions=questions,
            of=of,
            unit=unit,
            least=least or (STEP if unit == "money" else 1),
            step=STEP if unit == "money" else 1,
            most=most,
            moves=moves,
            code=inspect.getsource(moves),
        )

    return declare


def _known(*values: float) -> float:
    """The smallest of some amounts; 0 where one is missing or below."""
    return 0.0 if any(np.isnan(v) for v in values) else max(min(values), 0.0)


@lever(
    "Repay {amount} of what is owed on cards, with money from elsewhere"
    " | 以行外資金償還信用卡欠款{amount} | 以行外资金偿还信用卡欠款{amount}",
    (CREDIT,),
    "card_balance",
    lambda now: _known(now["card_balance"]),
)
def repay_card(now: Now, amount: Array) -> Mapping[str, Array]:
    """Owed on cards, and the debt it is part of."""
    return {"card_balance": now["card_balance"] - amount, "debt": now["debt"] - amount}


@lever(
    "Repay {amount} of what is owed on cards, out of the current account"
    " | 以活期存款償還信用卡欠款{amount} | 以活期存款偿还信用卡欠款{amount}",
    (CREDIT,),
    "card_balance",
    lambda now: _known(now["card_balance"], now["current_balance"]),
)
def repay_card_from_account(now: Now, amount: Array) -> Mapping[str, Array]:
    """Owed on cards, and the money that leaves the account for it."""
    return {**repay_card.moves(now, amount), **_paid(now, amount)}


@lever(
    "Repay {amount} of the loans early, with money from elsewhere"
    " | 以行外資金提前償還貸款{amount} | 以行外资金提前偿还贷款{amount}",
    (CREDIT,),
    "loans_outstanding",
    lambda now: _known(now["loans_outstanding"]),
)
def repay_loan(now: Now, amount: Array) -> Mapping[str, Array]:
    """Loans outstanding, and the debt they are part of."""
    return {"loans_outstanding": now["loans_outstanding"] - amount, "debt": now["debt"] - amount}


@lever(
    "Repay {amount} of the loans early, out of the current account"
    " | 以活期存款提前償還貸款{amount} | 以活期存款提前偿还贷款{amount}",
    (CREDIT,),
    "loans_outstanding",
    lambda now: _known(now["loans_outstanding"], now["current_balance"]),
)
def repay_loan_from_account(now: Now, amount: Array) -> Mapping[str, Array]:
    """Loans outstanding, and the money that leaves the account for them."""
    return {**repay_loan.moves(now, amount), **_paid(now, amount)}


@lever(
    "Bring {amount} from another bank to the current account"
    " | 自他行轉入活期存款{amount} | 自他行转入活期存款{amount}",
    (CREDIT, CHURN),
    "assets",
    lambda now: 0.0 if np.isnan(now["highest_balance_90d"]) else _known(now["money_in_365d"]),
)
def bring_in(now: Now, amount: Array) -> Mapping[str, Array]:
    """Money on the current account; at most what came in over a year."""
    balance = now["current_balance"] + amount
    return {
        "current_balance": balance,
        "assets": now["assets"] + amount,
        "highest_balance_90d": np.maximum(
            now["highest_balance_90d"], np.where(amount > 0, balance, -np.inf)
        ),
    }


@lever(
    "Open a term deposit of {amount} out of the current account"
    " | 以活期存款開立定期存款{amount} | 以活期存款开立定期存款{amount}",
    (CREDIT, CHURN),
    "assets",
    lambda now: _known(now["current_balance"]),
    least=OPENED_WITH,
)
def open_term_deposit(now: Now, amount: Array) -> Mapping[str, Array]:
    """Money from the current account to a new term deposit; the assets stay what they are."""
    return {
        **_taken(now, amount),
        **_opened(now, "deposits_opened", amount),
    }


@lever(
    "Invest {amount} out of the current account in a fund or policy"
    " | 以活期存款申購基金或保險商品{amount} | 以活期存款购买基金或保险产品{amount}",
    (CHURN,),
    "assets",
    lambda now: _known(now["current_balance"]),
    least=OPENED_WITH,
)
def invest(now: Now, amount: Array) -> Mapping[str, Array]:
    """Money from the current account to a new investment; the assets stay what they are."""
    return {
        **_taken(now, amount),
        "investments": now["investments"] + amount,
        **_opened(now, "investments_opened", amount),
    }


@lever(
    "Give a credit card to a customer who has none | 為無卡客戶核發信用卡 | 为无卡客户发放信用卡",
    (CHURN,),
    "cards_held",
    lambda now: 1.0 if now["cards_held"] == 0 else 0.0,
    unit="once",
)
def give_card(now: Now, amount: Array) -> Mapping[str, Array]:
    """A first card; its limit and balance are not stated yet."""
    return _opened(now, "cards_opened", amount)


@lever(
    "Reach the customer with {amount} more campaign contacts"
    " | 增加行銷接觸{amount}次 | 增加营销触达{amount}次",
    (CHURN,),
    "contacts_365d",
    lambda now: float(MOST_CONTACTS) if now["marketing_consent"] == 1 else 0.0,
    unit="count",
)
def contact(now: Now, amount: Array) -> Mapping[str, Array]:
    """Contacts delivered; only with the customer's consent to marketing."""
    counted = {name: now[name] + amount for name in _CONTACTED}
    return {**counted, "days_since_contact": _lately(now["days_since_contact"], amount)}


@lever(
    "Renew the customer's risk assessment for investments"
    " | 重新辦理投資風險屬性評估 | 重新进行投资风险测评",
    (CHURN,),
    "assessments",
    lambda now: 1.0 if "assessments" in now else 0.0,
    unit="once",
)
def renew_assessment(now: Now, amount: Array) -> Mapping[str, Array]:
    """A new assessment, taken to find the same tolerance."""
    left = np.fmax(now["assessment_days_left"], ASSESSED_FOR)
    return {
        "assessments": now["assessments"] + amount,
        "days_since_assessment": _lately(now["days_since_assessment"], amount),
        "assessment_days_left": np.where(amount > 0, left, now["assessment_days_left"]),
    }


_CONTACTED = ("contacts_30d", "contacts_90d", "contacts_365d")
_LOWEST = ("lowest_balance_30d", "lowest_balance_90d", "lowest_balance_365d")


def _taken(now: Now, amount: Array) -> Mapping[str, Array]:
    """Money taken from the current account."""
    balance = now["current_balance"] - amount
    seen = np.where(amount > 0, balance, np.inf)
    lowest = {name: np.minimum(now[name], seen) for name in _LOWEST}
    return {"current_balance": balance, **lowest}


def _paid(now: Now, amount: Array) -> Mapping[str, Array]:
    """Money that leaves the bank from the current account."""
    return {"assets": now["assets"] - amount, **_taken(now, amount)}


def _opened(now: Now, kind: str, amount: Array) -> Mapping[str, Array]:
    """One product more of a kind, once there is any amount."""
    one = (amount > 0).astype(np.float64)
    counted = ("products_opened", "products_opened_365d", kind)
    return {
        **{name: now[name] + one for name in counted},
        "families_opened": now["families_opened"] + one * (now[kind] == 0),
        "days_since_opening": _lately(now["days_since_opening"], amount),
    }


def _lately(days: float, amount: Array) -> Array:
    """Days since something happened, which it did yesterday where there is any amount."""
    return np.where(amount > 0, YESTERDAY, days)


LEVERS: tuple[Lever, ...] = (
    repay_card,
    repay_card_from_account,
    repay_loan,
    repay_loan_from_account,
    bring_in,
    open_term_deposit,
    invest,
    give_card,
    contact,
    renew_assessment,
)


def levers_for(question: str) -> tuple[Lever, ...]:
    """The levers that somebody may move for a question; none where nobody may."""
    return tuple(one for one in LEVERS if question in one.questions)


def version() -> str:
    """A digest of every lever: it changes when any does, or a word about it."""
    told = [(x.name, x.words, x.questions, x.of, x.unit, x.least, x.step, x.code) for x in LEVERS]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

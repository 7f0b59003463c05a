"""Why a customer is left out of a list: every reason, in the order that decides which one counts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Reason:
    """A reason to leave a customer out.

    Attributes:
        tables: canonical tables that tell it; empty where none does.
        notice: whether a notice to the database tells it as well, or alone.
        closed: without these tables nobody may be contacted; else it goes unchecked, and is said to.
    """

    code: str
    says: str
    tables: tuple[str, ...] = ()
    notice: bool = False
    closed: bool = False


REASONS = (
    Reason("not_selected", "outside the segments and regions asked for"),
    Reason("not_eligible", "the product's question does not fit: no open account, or no score"),
    Reason("already_holds", "holds the product already", ("accounts",)),
    Reason("no_consent", "no consent to marketing", ("consents",), notice=True, closed=True),
    Reason("opted_out", "opted out of automated marketing", ("consents",), notice=True),
    Reason("outside_policy", "outside the risk policy"),
    Reason(
        "unsuitable",
        "product risk above tolerance, or suitability missing or expired",
        ("suitability",),
        closed=True,
    ),
    Reason("open_complaint", "a complaint is open", ("interactions",), notice=True),
    Reason(
        "in_arrears",
        "in arrears, in collection or written off",
        ("repayments", "statements", "loan_outcomes", "recoveries", "closings"),
    ),
    Reason("deceased", "deceased", ("closings",), notice=True),
    Reason("minor", "a minor, or of unknown age", ("customers",)),
    Reason("frozen", "accounts are frozen", notice=True),
    Reason("staff", "a member of staff", notice=True),
    Reason("no_contact_point", "no valid contact point for the channel", ("customers",)),
    Reason("contacted_recently", "contacted too recently", ("contacts",)),
    Reason("cap_all", "contacted as often as allowed over all campaigns", ("contacts",)),
    Reason("cap_channel", "contacted as often as allowed by the channel", ("contacts",)),
    Reason("cap_product", "contacted as often as allowed about the product", ("contacts",)),
    Reason("cool_off", "refused lately", ("contacts", "interactions")),
    Reason("in_sealed_list", "already in a sealed list"),
    Reason("hold_out", "in the global hold-out"),
    Reason("negative_value", "expected profit is negative or below the minimum asked"),
    Reason("out_of_quota", "others came first"),
)
BIT = {reason.code: 1 << place for place, reason in enumerate(REASONS)}
NOTICES = tuple(reason.code for reason in REASONS if reason.notice)


def first(bits: Bits) -> Bits:
    """Place in ``REASONS`` of the first of each customer's reasons, shape (n,); -1 without one."""
    lowest = bits & -bits
    places = np.zeros(len(bits), np.int32)
    np.log2(lowest, out=places, where=lowest > 0, casting="unsafe")
    return np.asarray(np.where(lowest > 0, places, -1), np.int32)


def codes(bits: int) -> list[str]:
    """The codes of one customer's reasons, in order."""
    return [code for code, bit in BIT.items() if bits & bit]


def flags(**which: npt.NDArray[np.bool_]) -> Bits:
    """Reasons of many customers from a flag a code, shape (n,)."""
    found: Any = 0
    for code, holds in which.items():
        found = found | np.where(holds, np.int32(BIT[code]), np.int32(0))
    return np.asarray(found, np.int32)


def unchecked(tables: Collection[str], noticed: Collection[str]) -> Sequence[Reason]:
    """Reasons that nothing delivered can tell, so that nobody was left out for them.

    Args:
        tables: those that have rows.
        noticed: codes of which there is a notice.
    """
    return [
        reason
        for reason in REASONS
        if (reason.tables or reason.notice)
        and not reason.closed
        and not any(table in tables for table in reason.tables)
        and reason.code not in noticed
    ]

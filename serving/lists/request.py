"""What a list is asked for, and the bank's own rules that no list may change."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data.errors import ListError

Channel = Literal["branch", "online", "mobile", "call_centre"]
Segment = Literal["key", "high", "middle", "base", "unscored"]
# Contact point by which each channel reaches a person.
REACHED_BY = {"branch": "address", "online": "email", "mobile": "phone", "call_centre": "phone"}
# Share of the customers with a lifetime value, from the top, at which each tier ends.
TIERS: tuple[tuple[Segment, float], ...] = (
    ("key", 0.05), ("high", 0.20), ("middle", 0.50), ("base", 1.0),
)  # fmt: skip
_Name = Annotated[str, Field(min_length=1, max_length=64)]
_CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Arms(BaseModel):
    """Shares of the list by strategy; they add up to 1.

    The champion takes those of the greatest expected profit, the challenger those of the greatest
    take-up probability, and random takes anybody who may be contacted, to learn from.
    """

    model_config = _CLOSED

    champion: float = Field(1.0, ge=0, le=1)
    challenger: float = Field(0.0, ge=0, le=1)
    random: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.champion + self.challenger + self.random - 1) > 1e-9:
            raise ValueError("the shares of the arms must add up to 1")
        return self


class ListRequest(BaseModel):
    """What a list is asked for. Money is in units of the home currency.

    Attributes:
        products: product families, or products by their identifier.
        size: the most customers to contact; with a budget too, the smaller counts.
        budget: the most that contacting them may cost.
        policy: name of a risk policy that a risk officer published.
        minimum_profit: the least expected profit of a contact.
        control: share of the chosen who are not contacted.
        least_effect: the effect worth seeing, as a difference in take-up; half of the mean take-up
            probability by default.
        cost: of one contact.
        day: on which the list is made; windows reach back from here.
        contact_until: last day of contact; suitability must be valid until then.
    """

    model_config = _CLOSED

    products: tuple[_Name, ...] = Field(min_length=1, max_length=32)
    size: int | None = Field(None, ge=1)
    budget: float | None = Field(None, gt=0)
    channel: Channel
    segments: tuple[Segment, ...] = ()
    regions: tuple[_Name, ...] = Field((), max_length=100)
    policy: _Name
    minimum_profit: float = Field(0.0, ge=0)
    control: float = Field(0.1, ge=0, le=0.5)
    arms: Arms = Arms()
    least_effect: float | None = Field(None, gt=0, lt=1)
    seed: int = Field(ge=0, lt=2**63)
    cost: float = Field(ge=0)
    day: date
    contact_until: date

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.size is None and self.budget is None:
            raise ValueError("a list needs a size or a budget")
        if self.budget is not None and not self.cost:
            raise ValueError("a budget needs the cost of a contact")
        if len(set(self.products)) < len(self.products):
            raise ValueError("a product is named twice")
        if not self.day <= self.contact_until <= self.day + timedelta(days=366):
            raise ValueError("contact_until lies before the day, or more than a year after it")
        if self.quota < 1:
            raise ValueError("the budget does not pay for one contact")
        return self

    @property
    def quota(self) -> int:
        """The most customers to contact."""
        limits = [self.size] if self.size is not None else []
        if self.budget is not None:
            limits.append(int(self.budget / self.cost + 1e-9))
        return min(limits)


def read_request(text: str) -> ListRequest:
    """The request that a JSON text holds.

    Raises:
        ListError: it is none; the message names every field at fault.
    """
    try:
        return ListRequest.model_validate_json(text)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'request'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ListError(f"the list cannot be asked for so: {faults}.") from None


@dataclass(frozen=True)
class Rules:
    """The bank's rules of contact, the same for every list.

    Attributes:
        quiet_days: after any contact.
        cap_days: over which the caps count.
        cap_all, cap_channel, cap_product: contacts in that time at which a customer is full.
        refusal_days: after a refusal, for the product refused.
        complaint_days: for so long a complaint counts as open; no table tells its end.
        hold_out: share of all customers whom no list ever contacts.
        adult_age: years.
    """

    quiet_days: int = 14
    cap_days: int = 90
    cap_all: int = 4
    cap_channel: int = 3
    cap_product: int = 2
    refusal_days: int = 180
    complaint_days: int = 30
    hold_out: float = 0.02
    adult_age: int = 18


USUAL = Rules()

"""How a request names a customer."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from data.errors import SplitCustomer, UnknownCustomer
from features.identity.directory import Found
from serving.access.gate import Visit
from serving.api.shared import Customer
from serving.naming import SourceKey, resolved

EXAMPLE = "CIF00077304"


class Source(BaseModel):
    """A record as one of the bank's systems keys it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_system: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
    source_key: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]

    @property
    def record(self) -> SourceKey:
        """The same without its form."""
        return SourceKey(self.source_system, self.source_key)


class NamesCustomer(BaseModel):
    """A customer by identifier, or by the key of a source system."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer_id: Customer = ""
    source: Source | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if bool(self.customer_id) == bool(self.source):
            raise PydanticCustomError(
                "one_name", "send customer_id, or source with source_system and source_key"
            )
        return self

    @property
    def named(self) -> str | SourceKey:
        """What the customer is named by."""
        return self.source.record if self.source else self.customer_id


def whose(visit: Visit, named: str | SourceKey) -> Found:
    """The customer whom a request names, if the caller may name them.

    Raises:
        Forbidden: somebody else's customer, or for a caller who has customers of their own, nobody.
        SplitCustomer, UnknownCustomer, NotReady: see ``resolved``.
    """
    try:
        found = resolved(named)
    except (SplitCustomer, UnknownCustomer):
        visit.customer("")
        raise
    visit.customer(found.customer_id)
    return found


def superseded_by(found: Found) -> str | None:
    """Into whom the identifier was merged, if it was."""
    return found.customer_id if found.superseded else None


class Superseded(BaseModel):
    """Of an answer: the customer into whom the identifier that was asked for was merged.

    The answer is this customer's; the identifier asked for is no longer in use.
    """

    superseded_by: str | None = None

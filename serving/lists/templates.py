"""Export templates: which columns a system takes, and how its files are written."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data.errors import ListError
from data.settings import settings

# What may leave: nothing of credit risk, and no expected profit, from which a PD could be had.
Column = Literal[
    "list",
    "row",
    "customer",
    "key",
    "name",
    "phone",
    "email",
    "address",
    "product",
    "channel",
    "priority",
    "contact_from",
    "contact_until",
]
CONTACT_POINTS = ("phone", "email", "address")


class Template(BaseModel):
    """How a list is handed over.

    Attributes:
        purpose: what the rows are for; only marketing may take a name or a contact point.
        columns: in order; ``key`` is the customer as ``system`` knows them, ``priority`` the decile
            of expected profit, 1 the highest.
        system: source system of the keys.
        encoding: UTF-8 with a byte order mark, for spreadsheets, or GB18030.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern="^[a-z0-9_]{1,40}$")]
    purpose: Literal["marketing", "analysis"] = "marketing"
    columns: tuple[Column, ...] = Field(min_length=2)
    delimiter: Literal[",", ";", "|", "\t"] = ","
    encoding: Literal["utf-8-sig", "gb18030"] = "utf-8-sig"
    system: str | None = Field(None, max_length=64)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a column is named twice")
        if not {"list", "row"} <= set(self.columns):
            raise ValueError("results come back by list and row: both must be columns")
        if ("key" in self.columns) != (self.system is not None):
            raise ValueError("the column key and the system go together")
        if self.purpose != "marketing" and {"name", *CONTACT_POINTS} & set(self.columns):
            raise ValueError(f"the purpose {self.purpose} allows no name and no contact point")
        return self


_DATES: tuple[Column, ...] = ("contact_from", "contact_until")
BUILT_IN = {
    one.name: one
    for one in (
        Template(
            name="call_centre",
            columns=("list", "row", "name", "phone", "product", "priority", *_DATES),
        ),
        Template(name="email", columns=("list", "row", "name", "email", "product", *_DATES)),
        Template(
            name="branch",
            columns=("list", "row", "key", "name", "address", "product", "priority", *_DATES),
            delimiter="\t",
            encoding="gb18030",
            system="core",
        ),
        Template(
            name="analysis", purpose="analysis", columns=("list", "row", "product", "priority")
        ),
    )
}


def template(name: str) -> Template:
    """A template by its name: the bank's own, ``list-templates/NAME.json`` at home, or a built-in.

    Raises:
        ListError: there is none, or the bank's own cannot be used.
    """
    path = settings().home / "list-templates" / f"{name}.json"
    if not _is_name(name) or not path.is_file():
        if name in BUILT_IN:
            return BUILT_IN[name]
        raise ListError(f"there is no template '{name}'; there are {', '.join(names())}.")
    return _read(path)


def names() -> list[str]:
    """Every template there is."""
    own = (settings().home / "list-templates").glob("*.json")
    return sorted({*BUILT_IN, *(path.stem for path in own)})


def _is_name(name: str) -> bool:
    return name.replace("_", "").isalnum()


def _read(path: Path) -> Template:
    try:
        made = Template.model_validate_json(path.read_bytes())
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'template'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ListError(f"{path} is no template: {faults}.") from None
    if made.name != path.stem:
        raise ListError(f"{path} calls itself {made.name}; name and file must agree.")
    return made

"""What a table must look like: columns, kinds, keys, clocks, and where each is checked."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

Kind = Literal["identifier", "text", "code", "date", "timestamp", "money", "count", "ratio", "flag"]

KINDS: dict[Kind, str] = {
    "identifier": "1 to 64 characters of ASCII without blanks",
    "text": "text without control characters, at most 400 characters",
    "code": "one of the listed values",
    "date": "a calendar day, YYYY-MM-DD",
    "timestamp": "YYYY-MM-DD (midnight) or YYYY-MM-DDTHH:MM:SS, in UTC with a Z, else local",
    "money": "decimal number with at most two decimals and a point; kept as integer minor units",
    "count": "whole number",
    "ratio": "decimal number with at most six decimals; kept as integer millionths",
    "flag": "true or false",
}

SQL_TYPE: dict[Kind, str] = {
    "identifier": "VARCHAR",
    "text": "VARCHAR",
    "code": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "money": "BIGINT",
    "ratio": "BIGINT",
    "count": "BIGINT",
    "flag": "BOOLEAN",
}


class Column(BaseModel):
    """One column of a table.

    ``minimum`` and ``maximum`` bound money in minor units, ratios in millionths and counts as
    they are. ``refers_to`` names the table (and its single key column) that must hold the value.
    A source's own files may write a kind in their own way: ``pattern`` is then the regular
    expression of a sound text, ``parse`` the SQL that types it ({text} stands for the text), and
    ``nulls`` the texts that mean nothing. What is ``past`` may not be later than the delivery.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    about: str
    required: bool = True
    values: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    refers_to: str | None = None
    pattern: str | None = None
    parse: str | None = None
    nulls: tuple[str, ...] = ()
    past: bool = False

    @model_validator(mode="after")
    def _codes_list_their_values(self) -> Self:
        if (self.kind == "code") != bool(self.values):
            raise ValueError(f"column {self.name}: values and kind 'code' go together")
        return self


class Rule(BaseModel):
    """What the columns of a row must be to one another.

    ``holds`` is SQL over the typed columns of the row; where it is false, ``column`` is at fault
    and ``about`` is the reason. Where it is null, as for a value that is missing, it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    holds: str
    about: str


class Table(BaseModel):
    """One canonical table: what a row is, its columns, its rules and its business key.

    A ``dated`` table has two clocks, when it happened and when the bank learnt it, and may feed
    features; an undated one is reference data and may not. The canonical tables call their clocks
    ``event_at`` and ``known_at``, a source's own files as they like.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    dated: bool = True
    clocks: tuple[str, str] = ("event_at", "known_at")
    required: bool = False

    @model_validator(mode="after")
    def _key_and_clocks_are_columns(self) -> Self:
        names = [column.name for column in self.columns]
        clocks = self.clocks if self.dated else ()
        ruled = {rule.column for rule in self.rules}
        missing = {*self.key, *clocks, *ruled} - set(names)
        if missing or len(names) != len(set(names)):
            raise ValueError(f"table {self.name}: columns missing or named twice: {missing}")
        return self

    def no_such_row(self, column: str) -> str:
        """Why a row is refused whose ``column`` refers to nothing."""
        return f"no such row in {self.column(column).refers_to}"

    def column(self, name: str) -> Column:
        """The column called ``name``; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]


def typed_nulls(table: Table) -> str:
    """The columns of a table as a query lists them, every one null."""
    return ", ".join(f"CAST(NULL AS {SQL_TYPE[c.kind]}) AS {c.name}" for c in table.columns)

"""What a bank says of its table in a small TOML file, and what is found where it says nothing."""

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import ConfigurationError
from training.tables.columns import Kind

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
PROTECTED = (
    "birth", "disability", "ethnicity", "gender", "marital", "marriage", "nationality",
    "race", "religion", "sex", "性別", "性别", "年齡", "年龄", "婚姻", "宗教", "國籍", "国籍", "民族",
)  # fmt: skip
# An account has an age as well, which is no protected attribute.
_OF_A_PERSON = {"age", "band", "client", "customer", "group", "in", "person", "years"}


class Said(BaseModel):
    """What is said of one column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = None
    direction: Literal["raises", "lowers", "free"] = "free"
    about: str = Field("", max_length=80)

    @property
    def sign(self) -> Literal[-1, 0, 1]:
        """The direction as the trees take it."""
        return 1 if self.direction == "raises" else -1 if self.direction == "lowers" else 0


class Declaration(BaseModel):
    """What is said of a table.

    Attributes:
        never: columns that no model of this table may read.
        protected: protected attributes; without it they are found by their names.
        segments: columns by which the model is judged part by part.
        event: the target's value that is the event, where that is not plain.
        unlabelled: what to do with rows without a target.
        horizon_days: days from the as-of day until the outcome is known.
        missing: texts of a CSV file that stand for no value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    never: tuple[str, ...] = ()
    protected: tuple[str, ...] | None = None
    segments: tuple[str, ...] = ()
    event: str | None = None
    unlabelled: Literal["refuse", "leave out"] = "refuse"
    horizon_days: int = Field(0, ge=0, le=3_660)
    population: str = ""
    outcome: str = ""
    unit: str = "money"
    missing: tuple[str, ...] = MISSING
    encoding: str = "utf-8"
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    columns: dict[str, Said] = Field(default_factory=dict)

    def of(self, name: str) -> Said:
        """What is said of a column."""
        return self.columns.get(name, Said())

    def is_protected(self, name: str) -> bool:
        """Whether a column is a protected attribute, by declaration or else by its name."""
        if self.protected is not None:
            return name in self.protected
        split = set(words(name))
        return bool(split & set(PROTECTED)) or ("age" in split and split <= _OF_A_PERSON)

    def require_known(self, path: Path, present: Sequence[str]) -> None:
        """Refuse names that the file does not have.

        Raises:
            ConfigurationError: with the nearest names.
        """
        said = (*self.never, *(self.protected or ()), *self.segments, *self.columns)
        unknown = [name for name in dict.fromkeys(said) if name not in present]
        if unknown:
            raise ConfigurationError(
                f"the declaration names columns that {path.name} does not have:"
                f" {'; '.join(f'{name}{_nearest(name, present)}' for name in unknown)}."
            )


def _nearest(name: str, present: Sequence[str]) -> str:
    near = get_close_matches(name, present, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""


def words(name: str) -> list[str]:
    """The words of a column's name, in small letters: PAY_AMT1 is pay, amt1."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"\w+", split.replace("_", " ").lower())


def read_declaration(path: Path | None) -> Declaration:
    """The declaration of a TOML file; an empty one without.

    Raises:
        ConfigurationError: the file is no TOML, or says what cannot be said; all faults at once.
    """
    if path is None:
        return Declaration()
    try:
        return Declaration.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {_told(fault['type'], fault['msg'])}"
            for fault in error.errors(include_url=False)
        )
        raise ConfigurationError(f"{path} cannot be used: {faults}.") from None


def _told(kind: str, message: str) -> str:
    known = ", ".join((*Declaration.model_fields, *Said.model_fields))
    return f"no such setting; known are {known}" if kind == "extra_forbidden" else message

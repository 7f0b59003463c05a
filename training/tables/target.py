"""The target column as a number: 1 where the event happened, or an amount."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import ConfigurationError, ContractBroken, TooFewEvents
from features.definition import Array
from training.tables.declaration import Declaration
from training.tables.finding import INFINITE, NUMBER, count_true, texts_of
from training.tables.reading import Raw, Values

YES = ("1", "1.0", "true", "yes", "y", "t")
NO = ("0", "0.0", "false", "no", "n", "f")


@dataclass(frozen=True)
class Target:
    """Targets of the rows that have one, those rows' places, and what counts as a sentence."""

    values: Array
    known: NDArray[np.int64]
    sentence: str


def target_of(raw: Raw, name: str, said: Declaration, *, money: bool) -> Target:
    """The target of every row that has one.

    Raises:
        ContractBroken: targets that are missing (unless they are to be left out), infinite, no
            numbers where an amount is asked for, or of more than two kinds where an event is.
        ConfigurationError: two kinds of which neither is plainly the event.
        TooFewEvents: one kind only.
    """
    texts = texts_of(raw, name, said)
    kept = texts.to_pylist()
    known = np.array([place for place, text in enumerate(kept) if text is not None], np.int64)
    missing = len(kept) - len(known)
    if missing and said.unlabelled == "refuse":
        line = next(line for line, text in zip(raw.lines, kept, strict=True) if text is None)
        raise ContractBroken(
            f"{raw.path.name}, column {name}: {missing:,} rows have no target (first in line"
            f' {line}). Fill them in, or say unlabelled = "leave out" in the declaration'
            " (--columns FILE.toml)."
        )
    told = texts.drop_null()
    if not len(told):
        raise ContractBroken(f"{raw.path.name}, column {name}: no row has a target.")
    _refuse_infinite(raw, name, told)
    if money:
        return Target(_amounts(raw, name, told), known, f"the amount in column {name}")
    event = _event(raw, name, said, sorted(map(str, told.unique().to_pylist())))
    happened = np.array([text == event for text in told.to_pylist()], np.float64)
    return Target(happened, known, f"column {name} is {event}")


def _refuse_infinite(raw: Raw, name: str, told: Values) -> None:
    infinite = count_true(pc.match_substring_regex(told, INFINITE))
    if infinite:
        raise ContractBroken(
            f"{raw.path.name}, column {name}: {infinite:,} targets are infinite. Correct them."
        )


def _amounts(raw: Raw, name: str, told: Values) -> Array:
    sound: Any = pc.match_substring_regex(told, NUMBER)
    bad = len(told) - count_true(sound)
    if bad:
        raise ContractBroken(
            f"{raw.path.name}, column {name}: {bad:,} targets are not numbers, such as"
            f" {told.filter(pc.invert(sound))[0].as_py()!r}; lifetime_value asks for an amount."
        )
    values = np.asarray(told.cast(pa.float64()).to_numpy(), np.float64)
    if not np.isfinite(values).all():
        raise ContractBroken(f"{raw.path.name}, column {name}: targets too large for a number.")
    if values.min() == values.max():
        raise TooFewEvents(f"{raw.path.name}, column {name}: every target is {values[0]:g}.")
    return values


def _event(raw: Raw, name: str, said: Declaration, different: list[str]) -> str:
    where = f"{raw.path.name}, column {name}"
    if len(different) == 1:
        raise TooFewEvents(
            f"{where}: every target is {different[0]}; both outcomes are needed to learn from."
        )
    if len(different) > 2:
        raise ContractBroken(
            f"{where}: {len(different):,} different targets, such as {', '.join(different[:3])},"
            " where an event has two. Make it 0 and 1, or ask --question lifetime_value of an"
            " amount."
        )
    if said.event is not None:
        if said.event not in different:
            raise ConfigurationError(f"event = {said.event!r}: {where} holds {different}.")
        return said.event
    yes = [text for text in different if text.lower() in YES]
    no = [text for text in different if text.lower() in NO]
    if len(yes) != 1 or len(no) != 1:
        raise ConfigurationError(
            f"{where} holds {' and '.join(sorted(different))}: say which is the event with"
            f' event = "{different[0]}" in the declaration (--columns FILE.toml).'
        )
    return yes[0]

"""Find what a file's columns hold: numbers, flags, categories, days; or why they are no feature."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import ContractBroken
from features.definition import Array
from training.tables.columns import Column, Kind
from training.tables.declaration import Declaration
from training.tables.reading import Raw, Values

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
INFINITE = r"^[+-]?(?i:inf|infinity)$"
CODE = r"^0[0-9]+$"  # a leading zero: a code, no number
DAY = r"^[0-9]{4}-[0-9]{2}(-[0-9]{2}([T ][0-9:.]+Z?)?)?$"
MOST_CATEGORIES, RARE = 200, 10
MOST_DIFFERENT = 0.5
Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Found:
    """One column: numbers and flags as floats with NaN for none, categories as texts or None."""

    name: str
    kind: Kind
    values: Array | Texts

    def taken(self, rows: NDArray[Any]) -> "Found":
        """The same column of some rows."""
        return Found(self.name, self.kind, self.values[rows])


def find(raw: Raw, name: str, said: Declaration) -> Found | str:
    """What a column holds, or in words why it is no feature.

    Raises:
        ContractBroken: infinite numbers, or a column that is mostly but not wholly numbers.
    """
    values = raw.columns[name]
    kind = values.type
    wanted = said.of(name).kind
    if pa.types.is_temporal(kind):
        return "a point in time: give the days until the as-of day instead"
    if pa.types.is_boolean(kind) and wanted in (None, "flag"):
        return _useful(Found(name, "flag", _floats(values)))
    if _numeric(kind) and wanted in (None, "number"):
        return _useful(Found(name, "number", _numbers(raw, name, values)))
    return _of_text(raw, name, texts_of(raw, name, said), wanted)


def texts_of(raw: Raw, name: str, said: Declaration) -> Values:
    """A column as trimmed texts, null where its text stands for no value."""
    values = raw.columns[name]
    if pa.types.is_binary(values.type) or pa.types.is_decimal(values.type):
        values = values.cast(pa.string())
    if pa.types.is_floating(values.type):
        return pa.chunked_array([pa.array([_written(v) for v in values.to_pylist()], pa.string())])
    trimmed: Any = pc.utf8_trim_whitespace(values.cast(pa.string()))
    none = pc.is_in(trimmed, pa.array(said.missing, pa.string()))
    found: Values = pc.if_else(none, pa.scalar(None, pa.string()), trimmed)
    return found


def _written(value: float | None) -> str | None:
    """A code that a file kept as a float: 2.0 is 2."""
    if value is None or value != value:
        return None
    return str(int(value)) if value == int(value) else repr(value)


def _of_text(raw: Raw, name: str, texts: Values, wanted: Kind | None) -> Found | str:
    known = texts.drop_null()
    if not len(known):
        return "no value in any row"
    if wanted == "category":
        return _category(name, texts, ample=True)
    _refuse_infinite(raw, name, texts)
    numeric = _matching(known, NUMBER)
    coded = wanted is None and _matching(known, CODE) > 0
    if wanted == "flag" or (wanted is None and _flags(known)):
        return _useful(Found(name, "flag", _flag_values(raw, name, texts)))
    if wanted == "number" or (not coded and 2 * numeric > len(known)):
        if numeric < len(known):
            _refuse_mixed(raw, name, texts, len(known) - numeric)
        return _useful(Found(name, "number", _numbers(raw, name, texts)))
    if _matching(known, DAY) == len(known):
        return "a point in time: give the days until the as-of day instead"
    return _category(name, texts)


def _category(name: str, texts: Values, ample: bool = False) -> Found | str:
    different, rows = pc.count_distinct(texts).as_py(), len(texts) - texts.null_count
    if not ample and different > max(MOST_CATEGORIES, MOST_DIFFERENT * rows):
        return f"{different:,} different texts in {rows:,} rows: an identifier or free text"
    return _useful(Found(name, "category", np.array(texts.to_pylist(), dtype=object)))


def _useful(found: Found) -> Found | str:
    """The column, unless there is nothing in it to learn from."""
    if found.kind == "category":
        different = set(found.values.tolist())
    else:
        values = np.asarray(found.values, np.float64)
        known = values[~np.isnan(values)]
        different = {*np.unique(known).tolist(), *([None] if len(known) < len(values) else [])}
    if different == {None}:
        return "no value in any row"
    return found if len(different) > 1 else "the same value in every row"


def _numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def _floats(values: Values) -> Array:
    as_floats = values.cast(pa.float64(), safe=False)
    return np.asarray(as_floats.to_numpy(), np.float64)


def _numbers(raw: Raw, name: str, values: Values) -> Array:
    found = _floats(values)
    infinite = np.flatnonzero(np.isinf(found))
    if len(infinite):
        _refuse_these(raw, name, infinite, "infinite", "")
    return found


def _matching(values: Values, pattern: str) -> int:
    return count_true(_like(values, pattern))


def _like(values: Values, pattern: str) -> Any:
    return pc.match_substring_regex(values, pattern)


def count_true(truths: Any) -> int:
    return int(pc.sum(truths).as_py() or 0)


def _flags(known: Values) -> bool:
    return {str(text).lower() for text in pc.unique(known).to_pylist()} <= {"true", "false"}


def _flag_values(raw: Raw, name: str, texts: Values) -> Array:
    lower = [None if text is None else text.lower() for text in texts.to_pylist()]
    found = np.array([_FLAGS.get(text, -1.0) for text in lower])
    if (found < 0).any():
        _refuse_these(raw, name, np.flatnonzero(found < 0), "neither true nor false", "")
    return found


_FLAGS = {None: np.nan, "true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "yes": 1.0, "no": 0.0}


def _refuse_infinite(raw: Raw, name: str, texts: Values) -> None:
    infinite: Any = pc.fill_null(_like(texts, INFINITE), False)
    places = np.flatnonzero(infinite.to_numpy())
    if len(places) and _matching(texts.drop_null(), NUMBER):
        _refuse_these(raw, name, places, "infinite", "")


def _refuse_mixed(raw: Raw, name: str, texts: Values, count: int) -> None:
    sound: Any = pc.fill_null(_like(texts, NUMBER), True)
    places = np.flatnonzero(~sound.to_numpy())
    shown = str(texts[int(places[0])].as_py())[:40]
    remedy = (
        f" Correct them, add {shown!r} to missing in the declaration, or declare"
        f' [columns."{name}"] kind = "category".'
    )
    _refuse_these(raw, name, places[:count], "not numbers", remedy)


def _refuse_these(
    raw: Raw, name: str, places: Sequence[int] | NDArray[Any], fault: str, remedy: str
) -> None:
    where = ", ".join(str(raw.lines[int(place)]) for place in places[:3])
    raise ContractBroken(
        f"{raw.path.name}, column {name}: {len(places):,} of {len(raw.lines):,} values are {fault}"
        f" (first in line {where}).{remedy or ' Correct the file, or leave the value empty.'}"
    )


def column(found: Found, said: Declaration, rows: NDArray[Any]) -> Column:
    """The column with the code book of the rows that the model learns from.

    A category has a code of its own when at least ten rows have it, and at most 200 do.

    Raises:
        ContractBroken: a direction for a category, which has none.
    """
    told, values = said.of(found.name), found.values[rows]
    shared: dict[str, Any] = {
        "name": found.name,
        "kind": found.kind,
        "about": told.about,
        "direction": told.sign,
        "data_class": "protected" if said.is_protected(found.name) else "ordinary",
    }
    if found.kind != "category":
        known = np.asarray(values, np.float64)
        known = known[~np.isnan(known)]
        spans = {"low": float(known.min()), "high": float(known.max())} if len(known) else {}
        return Column(**shared, **spans, missing=len(known) < len(values))
    if told.sign:
        raise ContractBroken(
            f"column {found.name} is a category and cannot have a direction; declare it a number."
        )
    counts = Counter(text for text in values.tolist() if text is not None)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    kept = [text for text, count in ranked[:MOST_CATEGORIES] if count >= RARE]
    return Column(**shared, categories=kept, missing=bool(sum(counts.values()) < len(values)))


def encoded(column: Column, found: Found) -> Array:
    """A column's values as the trees read them."""
    if column.kind != "category":
        return np.asarray(found.values, np.float64)
    codes = {text: column.code(text) for text in set(found.values.tolist()) - {None}}
    return np.array([np.nan if text is None else codes[text] for text in found.values.tolist()])

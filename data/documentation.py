"""What the pages say of the canonical tables and of the settings, made from the code itself."""

from collections.abc import Mapping
from pathlib import Path

from data.contracts import Column, Kind, Table
from data.settings import CHECKOUT, Settings
from data.tables import CANONICAL

_INTRODUCTION = """\
# The canonical tables

A bank's own files become Zhike's when they are laid out as these tables: one `TABLE.csv` or
`TABLE.parquet` each, or a folder `TABLE/` of such files, all in one folder. Load them with
`./zhike data load --source canonical DIR`. This page is made from the contracts that check the
files (`./zhike data contracts --write docs/canonical-tables.md`).

- CSV: comma-separated UTF-8, a header line, one record a line; an empty field means no value.
- Parquet: text as strings, money and ratios as decimals, counts as integers, dates as `date32`.
- `event_at` is when a fact happened, `known_at` when the bank learnt of it. Both are the bank's
  local time unless they end in `Z` (CSV) or carry a time zone (Parquet).
- A file `SHA256SUMS` beside them, as `sha256sum` writes it, is checked where there is one. Without
  it, damage is found by the page checksums of Parquet, which do not cover everything.
  A file that the list leaves out is still under way and refuses the load.
- Files of a folder that are named after a day, `TABLE/2024-02-01.csv`, are daily deliveries. A day
  between the first and the last that has no file is reported as missing, and the features that
  read it are marked stale until it comes; deliver a file without rows for a day without facts.
- Two rows with one key that say the same are one. Of those that differ, the one with the latest
  `known_at` is kept, in whatever order they come and however many loads apart; where there is no
  latest, none is kept, and all stand among the rejects.
- Columns may stand in any order. A column that is not listed is ignored with a note; a required
  column that is missing refuses the file.
- Every table but those marked *required* may be absent; features that need it are then absent.
"""


def tables_page(kinds: Mapping[Kind, str]) -> str:
    """Markdown of the whole page."""
    listed = "\n".join(f"| `{kind}` | {meaning} |" for kind, meaning in kinds.items())
    parts = [_INTRODUCTION, f"## Kinds\n\n| kind | what is accepted |\n|---|---|\n{listed}\n"]
    return "\n".join([*parts, *(_table(table) for table in CANONICAL)])


def _table(table: Table) -> str:
    marks = ", ".join(
        mark
        for mark in ("*required*" if table.required else "", "" if table.dated else "*undated*")
        if mark
    )
    rows = "\n".join(_row(column) for column in table.columns)
    key = ", ".join(f"`{name}`" for name in table.key)
    return (
        f"## {table.name}\n\n{table.about} Key: {key}.{f' ({marks})' if marks else ''}\n\n"
        f"| column | kind | required | meaning |\n|---|---|---|---|\n{rows}\n{_rules(table)}"
    )


def _rules(table: Table) -> str:
    if not table.rules:
        return ""
    listed = "\n".join(f"- `{rule.column}`: {rule.about}." for rule in table.rules)
    return f"\nA row is rejected where a column is\n\n{listed}\n"


def _row(column: Column) -> str:
    about = column.about
    if column.values:
        about += " One of " + ", ".join(f"`{value}`" for value in column.values) + "."
    if column.refers_to:
        about += f" Must stand in `{column.refers_to}`."
    needed = "yes" if column.required else ""
    return f"| `{column.name}` | {column.kind} | {needed} | {about} |"


def settings_table() -> str:
    """Markdown of every setting: its variable, its default, its meaning."""
    rows = "\n".join(
        f"| `ZHIKE_{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    return f"| variable | default | meaning |\n|---|---|---|\n{rows}\n"


def _default(value: object) -> str:
    if value in ("", None):
        return ""
    if isinstance(value, Path):
        return f"`{value.relative_to(CHECKOUT)}/`"
    return f"`{value}`"

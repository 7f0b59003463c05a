"""The page on the canonical tables says what the contracts check."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from data.contracts import KINDS, Column, Table
from data.documentation import tables_page
from data.errors import UnknownTable
from data.tables import CANONICAL, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "canonical-tables.md"


def test_the_page_is_the_one_made_from_the_contracts() -> None:
    assert PAGE.read_text() == tables_page(KINDS), (
        "run: ./zhike data contracts --write docs/canonical-tables.md"
    )


def test_every_table_and_column_is_on_the_page() -> None:
    page = tables_page(KINDS)
    for contract in CANONICAL:
        section = page.split(f"\n## {contract.name}\n")[1].split("\n## ")[0]
        for column in contract.columns:
            assert f"| `{column.name}` | {column.kind} |" in section


def test_every_column_has_its_meaning_in_a_sentence() -> None:
    columns = [column for contract in CANONICAL for column in contract.columns]
    assert [c.name for c in columns if not c.about[0].isupper() or c.about[-1] != "."] == []


def test_whatever_is_referred_to_is_a_table_that_comes_before() -> None:
    names = [contract.name for contract in CANONICAL]
    for place, contract in enumerate(CANONICAL):
        for column in contract.columns:
            if column.refers_to:
                assert column.refers_to in names[:place]


def test_a_table_is_found_by_its_name() -> None:
    assert [table(contract.name) for contract in CANONICAL] == list(CANONICAL)
    with pytest.raises(UnknownTable, match="there is no canonical table 'cheques'"):
        table("cheques")


def test_a_dated_table_without_clocks_cannot_be_written_down() -> None:
    day = Column(name="day", kind="date", about="A day.")
    with pytest.raises(ValidationError, match="columns missing or named twice"):
        Table(name="t", about="No clocks.", columns=(day,), key=("day",))


def test_a_code_without_values_cannot_be_written_down() -> None:
    with pytest.raises(ValidationError, match="values and kind 'code' go together"):
        Column(name="colour", kind="code", about="A colour.")

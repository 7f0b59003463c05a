"""What is printed and written about the catalogue is what the code says."""

import json
from pathlib import Path

from typer.testing import CliRunner

from features.__main__ import app
from features.catalogue import CATALOGUE, SUBJECTS, version
from features.documentation import catalogue_page, entries

PAGE = Path(__file__).resolve().parents[2] / "docs" / "feature-catalogue.md"


def test_the_page_is_the_one_made_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue_page(), (
        "run: ./zhike features catalogue --write docs/feature-catalogue.md"
    )


def test_every_feature_stands_once_under_its_subject_with_its_reasons() -> None:
    page = catalogue_page()
    for module in SUBJECTS:
        subject = module.__name__.partition(".")[2]
        section = page.split(f"\n## {subject}\n")[1].split("\n## ")[0]
        mine = [f for f in CATALOGUE.values() if f.subject == subject]
        assert section.count("\n| `") == len(mine)
        for told in mine:
            reasons = told.reasons
            assert f"| `{told.name}` | {told.sentence}" in section
            assert f"| {reasons.en} · {reasons.zh_tw} · {reasons.zh_cn} |" in section


def test_the_command_prints_every_feature_as_json() -> None:
    said = CliRunner().invoke(app, ["catalogue", "--json"])
    printed = json.loads(said.stdout)
    assert printed == entries()
    assert printed["version"] == version()
    assert [told["name"] for told in printed["features"]] == list(CATALOGUE)


def test_the_command_prints_every_feature_as_a_table() -> None:
    said = CliRunner().invoke(app, ["catalogue"], env={"COLUMNS": "300"})
    assert said.exit_code == 0
    assert [name for name in CATALOGUE if f" {name} " not in said.stdout] == []


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["catalogue", "--write", str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == catalogue_page()


def test_a_page_for_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["catalogue", "--write", str(tmp_path / "none" / "page.md")])
    assert said.exit_code != 0
    assert "is not a folder" in str(said.exception)

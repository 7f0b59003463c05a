"""A bank's own table: every row accounted for, what leaks refused, a release that vouches for itself."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import (
    BadFeatures,
    ConfigurationError,
    ContractBroken,
    ReleaseError,
    SourceError,
    TooFewEvents,
    TrainingError,
    ZhikeError,
)
from tests.requirements import CHECKOUT
from tests.training.mart import DECLARED, ROWS, dated, mart, written
from training import release
from training.fairness import AGES
from training.groups import NOT_KNOWN
from training.tables.columns import Column, Value, coded
from training.tables.declaration import Declaration, read_declaration
from training.tables.finding import Found, find
from training.tables.preparing import Asked, prepare
from training.tables.reading import read_table
from training.tables.run import TableModel, train_table
from training.trees import Forest

KEYS = [
    "rows", "auc", "auc_interval", "auc_within_period", "calibration_slope", "o_e",
    "gini_normalised", "seconds",
]  # fmt: skip
Frame = pd.DataFrame


def asked(path: Path, out: Path, **values: object) -> Asked:
    return Asked(**{"path": path, "id": "client", "target": "y", "out": out, **values})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> TableModel:
    folder = tmp_path_factory.mktemp("mart")
    path = written(mart(), folder / "Feature mart.csv")
    toml = folder / "mart.toml"
    toml.write_text(DECLARED, "utf-8")
    return train_table(asked(path, folder / "out", declared=toml, question="churn"))


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """What is said of a table that is refused."""

    def said(frame: Frame, kind: type[ZhikeError], toml: str = "", **values: object) -> str:
        path = written(frame, tmp_path / "mart.csv")
        (tmp_path / "t.toml").write_text(toml, "utf-8")
        with pytest.raises(kind) as refusal:
            prepare(asked(path, tmp_path / "out", declared=tmp_path / "t.toml", **values))
        return str(refusal.value)

    return said


def test_every_row_is_used_and_every_column_declared_or_told_off(made: TableModel) -> None:
    assert (made.rows_in, made.rows_used, made.card.lineage.left_out) == (ROWS, ROWS, {})
    kinds = {one.name: one.kind for one in made.card.columns}
    assert kinds == {
        "負債 ratio, %": "number", "region": "category", "grade": "category",
        "digital": "flag", "visits": "number",
    }  # fmt: skip
    assert made.card.unused == {
        "notes": "declared never to be used",
        "branch": "the same value in every row",
        "sex": "a protected attribute, not allowed",
    }


def test_the_figures_are_those_of_a_sound_model(made: TableModel) -> None:
    told = made.summary()
    assert list(told) == KEYS
    low, high = told["auc_interval"]
    assert low < told["auc"] < high
    assert 0.7 < told["auc"] < 0.9
    assert told["gini_normalised"] == pytest.approx(2 * told["auc"] - 1, abs=1e-3)
    assert told["o_e"] == pytest.approx(1, abs=0.1)
    assert made.judgement.protocol == "2 x 5 folds"
    assert made.judgement.rows == ROWS


def test_a_declared_direction_binds_the_trees(made: TableModel) -> None:
    found = release.read(made.folder)
    debt = np.tile(found.golden_rows[5], (50, 1))
    debt[:, 0] = np.linspace(0, 300, 50)
    assert (np.diff(Forest.from_text(found.model).margin(debt)) >= 0).all()
    assert made.card.columns[0].direction == 1


def test_the_cost_of_leaving_protected_columns_out_is_told(made: TableModel) -> None:
    told = made.card.protected
    assert told is not None
    assert (told["columns"], told["used"]) == (["sex"], False)
    assert told["comparison"]["rival"] == "with sex"
    low, high = told["comparison"]["interval"]
    assert low < told["comparison"]["difference"] < high


def test_a_protected_column_divides_the_rows_that_judge_though_no_tree_reads_it(
    made: TableModel,
) -> None:
    [by_sex] = made.judgement.fairness
    assert (by_sex.title, by_sex.read) == ("sex", False)
    assert [one.name for one in by_sex.groups] == ["f", "m"]
    assert sum(one.rows for one in by_sex.groups) == ROWS  # once, not once for every repetition
    rates = {gap.rate: gap for gap in by_sex.gaps}
    assert rates.keys() == {"selection", "tpr"}
    women, men = (one.figures["o_e"] for one in by_sex.groups)
    assert women < 1 < men  # whose outcomes differ beyond what the other columns tell
    assert "sex" not in {one.name for one in made.card.columns}


def test_a_declared_segment_is_judged_part_by_part(made: TableModel) -> None:
    [by_region] = made.judgement.segments
    assert (by_region.title, by_region.read, by_region.gaps) == ("region", True, ())
    told = {one.name: one for one in by_region.groups}
    assert told["islands"].insufficient == "3 rows, 100 wanted"
    assert told["islands"].figures == {}
    assert told["east"].figures["mean_score"] > told["north"].figures["mean_score"]
    page = (made.folder / "card.html").read_text("utf-8")
    assert "insufficient evidence: 3 rows, 100 wanted" in page


def test_a_protected_number_is_divided_at_quarters_and_an_age_at_the_usual_years(
    tmp_path: Path,
) -> None:
    draws = np.random.default_rng(3)
    frame = mart().assign(Age=draws.integers(18, 90, ROWS), children=draws.gamma(2, 2, ROWS))
    frame.loc[:200, "Age"] = None
    (tmp_path / "t.toml").write_text('protected = ["Age", "children"]\nnever = ["notes"]')
    path = written(frame, tmp_path / "mart.csv")
    made = train_table(asked(path, tmp_path / "out", declared=tmp_path / "t.toml"))
    by_age, by_children = made.judgement.fairness
    assert [one.name for one in by_age.groups] == [*AGES, NOT_KNOWN]
    assert [one.rows for one in by_children.groups] == [ROWS // 4] * 4


def test_the_code_book_is_covered_by_the_digest(made: TableModel) -> None:
    found = release.read(made.folder)
    region = {one.name: one for one in found.card.columns}["region"]
    assert region.categories == ("north", "south", "east")
    assert (region.code("south"), region.code("islands")) == (1.0, 3.0)
    path = made.folder / "release.json"
    sound = path.read_text()
    try:
        path.write_text(sound.replace("north", "narth"))
        with pytest.raises(ReleaseError, match=r"release.json is damaged"):
            release.read(made.folder)
    finally:
        path.write_text(sound)


def test_the_card_speaks_of_the_table(made: TableModel) -> None:
    page = (made.folder / "card.html").read_text("utf-8")
    for told in (
        "Debt over income", "負債 ratio, %", "the customer closed the last account",
        "Protected columns", "with sex", "Columns that are not used", "logistic regression",
        "2 x 5 folds", "as the table defines it",
    ):  # fmt: skip
        assert told in page, told
    assert "final status of the loan" not in page
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert (
        json.loads((made.folder / "card.json").read_text())["table"]["protected"]["used"] is False
    )


def test_later_periods_test_what_earlier_ones_taught(tmp_path: Path) -> None:
    path = written(dated(), tmp_path / "mart.csv")
    made = train_table(asked(path, tmp_path / "out", time="day"))
    assert made.judgement.protocol == "out of time"
    assert made.card.lineage.test_dates == ("2025-05-28", "2025-06-28")
    assert made.card.lineage.train_dates == tuple(f"2025-0{n}-28" for n in range(1, 5))
    assert made.rows_used + sum(made.card.lineage.left_out.values()) == made.rows_in == 1_800
    assert made.summary()["auc_within_period"] > 0.6


def test_no_customer_and_no_open_outcome_is_on_both_sides(tmp_path: Path) -> None:
    path = written(dated(), tmp_path / "mart.csv")
    (tmp_path / "t.toml").write_text("horizon_days = 40")
    found = prepare(asked(path, tmp_path / "out", time="day", declared=tmp_path / "t.toml"))
    train, test = found.spine[found.apart.train], found.spine[found.apart.test]
    assert not set(train["customer_id"]) & set(test["customer_id"])
    assert set(train["as_of"]) == {"2025-01-28", "2025-02-28", "2025-03-28"}
    assert found.apart.left_out["outcome still open when the test begins"] == 300


def test_an_amount_is_asked_for_by_lifetime_value(tmp_path: Path) -> None:
    frame = mart()
    frame["y"] = (frame["負債 ratio, %"] * 3 + np.random.default_rng(1).normal(0, 90, ROWS)).round(
        2
    )
    path = written(frame, tmp_path / "mart.csv")
    told = train_table(asked(path, tmp_path / "out", question="lifetime_value")).summary()
    assert told["auc"] is told["auc_interval"] is told["auc_within_period"] is None
    assert 0.2 < told["gini_normalised"] < 1
    assert told["calibration_slope"] == pytest.approx(1, abs=0.2)


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = mart()
    frame["visits"] = pd.to_numeric(frame["visits"])
    frame["digital"] = frame["digital"] == "true"
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "mart.parquet")
    of_parquet = prepare(asked(tmp_path / "mart.parquet", tmp_path / "out"))
    of_csv = prepare(asked(written(frame, tmp_path / "mart.csv"), tmp_path / "out"))
    assert [f.kind for f in of_parquet.found] == [f.kind for f in of_csv.found]
    for one, other in zip(of_parquet.found, of_csv.found, strict=True):
        pd.testing.assert_series_equal(pd.Series(one.values), pd.Series(other.values))


def test_broken_lines_are_counted_with_their_reason(tmp_path: Path) -> None:
    path = written(mart(), tmp_path / "mart.csv")
    lines = path.read_text("utf-8").splitlines()
    lines[3] += ",one too many"
    lines[8] = (
        lines[8].replace("north", '"north').replace("south", '"south').replace("east", '"east')
    )
    path.write_text("\n".join(lines), "utf-8")
    raw = read_table(path, Declaration())
    assert raw.rows == ROWS
    assert raw.broken == {"11 fields where the header has 10": 1, "quote not closed": 1}


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_the_one_the_header_has_most_of(tmp_path: Path, mark: str) -> None:
    raw = read_table(written(mart(60), tmp_path / "m.csv", sep=mark), Declaration())
    assert list(raw.columns) == list(mart(60).columns)


def test_a_leading_zero_makes_a_code_and_a_day_no_feature(tmp_path: Path) -> None:
    frame = mart(60).assign(zip=["0012", "110"] * 30, opened="2020-01-05")
    raw = read_table(written(frame, tmp_path / "m.csv"), Declaration())
    code = find(raw, "zip", Declaration())
    assert isinstance(code, Found)
    assert code.kind == "category"
    assert "a point in time" in str(find(raw, "opened", Declaration()))
    assert "identifier or free text" in str(
        find(read_table(written(mart(), tmp_path / "n.csv"), Declaration()), "notes", Declaration())
    )


CASES: list[tuple[Callable[[Frame], object], type[ZhikeError], str]] = [
    (lambda f: f.rename(columns={"y": "z"}), ConfigurationError, "--target y"),
    (lambda f: f.assign(y=f["y"].where(f.index != 4, None)), ContractBroken, r"column y: 1 rows have no target \(first in line 6\).*unlabelled"),
    (lambda f: f.assign(y=1), TooFewEvents, "column y: every target is 1"),
    (lambda f: f.assign(y=(f.index < 9).astype(int)), TooFewEvents, "9 events among 1,200 rows in mart.csv; at least 30"),
    (lambda f: f.assign(y=f.index % 3), ContractBroken, "3 different targets.*lifetime_value"),
    (lambda f: f.assign(y=f["y"].map({0: "good", 1: "bad"})), ConfigurationError, 'holds bad and good.*event = "bad"'),
    (lambda f: f.assign(y=f["y"].astype(float).where(f.index != 4, np.inf)), ContractBroken, "column y: 1 targets are infinite"),
    (lambda f: f.assign(client=f["client"].where(f.index != 4, "")), ContractBroken, "column client: 1 rows have no identifier.*line 6"),
    (lambda f: pd.concat([f, f[:1]]), ContractBroken, r"1 rows repeat another one.*line 1202"),
    (lambda f: f.assign(visits=f["visits"].where(f.index != 4, "many")), ContractBroken, "column visits: 1 of 1,200 values are not numbers.*line 6.*'many'.*category"),
    (lambda f: f.assign(visits=f["visits"].where(f.index != 4, "inf")), ContractBroken, "column visits: 1 of 1,200 values are infinite.*line 6"),
    (lambda f: f.assign(visits=f["visits"].where(f.index != 4, "1e999")), ContractBroken, "column visits: 1 of 1,200 values are infinite"),
    (lambda f: f.assign(client="C1" , n=f.index), TooFewEvents, "1 different customers"),
    (lambda f: f[:0], ContractBroken, "holds no row"),
    (lambda f: f[["client", "y"]], ContractBroken, "at least three columns"),
]  # fmt: skip


@pytest.mark.parametrize("spoil, kind, told", CASES)
def test_what_cannot_be_used_is_refused_by_name_with_a_remedy(
    refused: Callable[..., str], spoil: Callable[[Frame], Frame], kind: type[ZhikeError], told: str
) -> None:
    assert re.search(told, refused(spoil(mart()), kind))


def test_two_rows_of_one_customer_in_one_period_are_refused(refused: Callable[..., str]) -> None:
    frame = dated()
    again = frame[:1].assign(visits=77)
    told = refused(pd.concat([frame, again]), ContractBroken, time="day")
    assert "1 rows repeat an identifier (client) within one period of day" in told


@pytest.mark.parametrize("day", ["", "soon", "2025-02-30"])
def test_a_time_that_is_none_is_refused(refused: Callable[..., str], day: str) -> None:
    frame = dated()
    frame.loc[3, "day"] = day
    assert "column day, line 5" in refused(frame, ContractBroken, time="day")


@pytest.mark.parametrize(
    "toml, told",
    [
        ("never = ['regoin']", "regoin (did you mean region?)"),
        ("segments = ['brnch']", "brnch (did you mean branch?)"),
        ("[columns.nobody]\nkind = 'number'", "nobody"),
        ("nevr = ['region']", "nevr: no such setting"),
        ("[columns.grade]\nkind = 'text'\ndirection = 'up'", "columns.grade.direction"),
        ("never = [", "is not TOML"),
    ],
)
def test_a_declaration_that_names_what_is_not_there_is_refused(
    refused: Callable[..., str], toml: str, told: str
) -> None:
    assert told in refused(mart(), ConfigurationError, toml)


def test_rows_without_a_target_may_be_left_out_and_are_counted(tmp_path: Path) -> None:
    frame = mart()
    frame["y"] = frame["y"].where(frame.index != 4, None)
    (tmp_path / "t.toml").write_text('unlabelled = "leave out"')
    path = written(frame, tmp_path / "mart.csv")
    found = prepare(asked(path, tmp_path / "out", declared=tmp_path / "t.toml"))
    assert found.left_out == {"no target": 1}
    assert len(found.spine) == ROWS - 1


LEAKING = ["y_copy", "balance_after", "churn_date", "closingDate", "outcome", "date_of_default"]


@pytest.mark.parametrize("name", LEAKING)
def test_a_column_that_names_the_outcome_is_refused(refused: Callable[..., str], name: str) -> None:
    told = refused(mart().assign(**{name: range(ROWS)}), TrainingError)
    assert f"{name}: " in told
    assert "--allow COLUMN" in told


def test_a_column_that_guesses_too_well_is_refused_unless_allowed(tmp_path: Path) -> None:
    frame = mart()
    frame["oracle"] = frame["y"] * 10 + np.random.default_rng(2).normal(0, 1, ROWS)
    path = written(frame, tmp_path / "mart.csv")
    with pytest.raises(TrainingError, match=r"oracle: alone it has AUC 1\.000, above 0\.95"):
        prepare(asked(path, tmp_path / "out"))
    found = prepare(asked(path, tmp_path / "out", allowed=("oracle",)))
    assert "oracle" in {one.name for one in found.found}


def test_a_category_of_many_values_does_not_look_like_a_leak(tmp_path: Path) -> None:
    frame = mart().assign(village=[f"v{n % 500}" for n in range(ROWS)])
    found = prepare(asked(written(frame, tmp_path / "mart.csv"), tmp_path / "out"))
    assert "village" in {one.name for one in found.found}


@pytest.mark.parametrize(
    "name, is_one",
    [("SEX", True), ("customer_age", True), ("age", True), ("account_age_months", False),
     ("marital_status", True), ("性別", True), ("average", False)],
)  # fmt: skip
def test_protected_columns_are_found_by_their_names(name: str, is_one: bool) -> None:
    assert Declaration().is_protected(name) is is_one
    assert not Declaration(protected=()).is_protected(name)


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    path = written(mart(), tmp_path / "mart.csv")
    with pytest.raises(ConfigurationError, match="holds something already"):
        train_table(asked(path, tmp_path))


@pytest.mark.parametrize("name", ["absent.csv", "mart.xlsx", "false.parquet"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    if name != "absent.csv":
        (tmp_path / name).write_text("a,b,c\n1,2,3\n")
    with pytest.raises(SourceError, match=name):
        read_table(tmp_path / name, Declaration())


def test_an_empty_declaration_says_nothing() -> None:
    assert read_declaration(None) == Declaration()


COLUMNS = (
    Column(name="income", kind="number", low=0, high=100, missing=True),
    Column(name="region", kind="category", categories=("north", "7")),
    Column(name="digital", kind="flag", low=0, high=1),
)
SOUND: dict[str, Value] = {"income": 5.5, "region": "north", "digital": True}


def test_values_become_what_the_trees_read() -> None:
    row, remarks = coded(COLUMNS, {**SOUND, "region": 7})
    assert (row.tolist(), remarks) == ([5.5, 1.0, 1.0], [])
    row, _ = coded(COLUMNS, {**SOUND, "income": None})
    assert np.isnan(row[0])


def test_what_the_training_never_saw_is_read_as_declared_and_remarked_on() -> None:
    row, remarks = coded(COLUMNS, {**SOUND, "income": 1e6, "region": "moon"})
    assert row.tolist() == [1e6, 2.0, 1.0]
    assert remarks == [
        "income: beyond the 0 to 100 that the training saw",
        "region: not among the categories the model knows, read as a rare one",
    ]


@pytest.mark.parametrize(
    "values, told",
    [
        ({"regoin": "x"}, "regoin is not a feature of this model; income is missing (send null"),
        ({"income": 1.0}, "region is missing; digital is missing"),
        ({**SOUND, "incme": 1}, "incme is not a feature of this model"),
        ({**SOUND, "a\x00b": 1}, "one with an impossible name is not a feature"),
        ({**SOUND, "income": "5"}, "income must be a finite number"),
        ({**SOUND, "income": True}, "income must be a finite number"),
        ({**SOUND, "income": 10**400}, "income must be a finite number"),
        ({**SOUND, "region": 1.5}, "region is a category"),
        ({**SOUND, "region": None}, "region is null, and the training never saw it missing"),
        ({**SOUND, "digital": 1}, "digital must be true or false"),
    ],
)
def test_values_that_cannot_be_read_are_refused_by_name(
    values: dict[str, Value], told: str
) -> None:
    with pytest.raises(BadFeatures) as refusal:
        coded(COLUMNS, values)
    assert told in str(refusal.value)


def command(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "training", "table", *words],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "ZHIKE_HOME": str(tmp_path / "home")},
    )  # fmt: skip


def test_the_last_line_of_the_command_is_json(tmp_path: Path) -> None:
    path = written(mart(), tmp_path / "mart.csv")
    ran = command(
        tmp_path, str(path), "--id", "client", "--target", "y", "--out", str(tmp_path / "o")
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert list(told) == KEYS
    assert told["rows"] == ROWS
    assert "protected" in ran.stdout


def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path: Path) -> None:
    ran = command(
        tmp_path, "nowhere.csv", "--id", "a", "--target", "b", "--out", str(tmp_path / "o")
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1].startswith("error: there is no file nowhere.csv")


@pytest.mark.slow
@pytest.mark.data
def test_taiwan_default_is_ranked_as_well_as_published(tmp_path: Path, real_data: Path) -> None:
    made = train_table(
        Asked(
            path=real_data / "uci_default_taiwan" / "UCI_Credit_Card.csv",
            id="ID",
            target="Default",
            out=tmp_path / "out",
            question="credit_risk",
            allowed=("SEX", "AGE", "MARRIAGE"),
        )
    )
    told = made.summary()
    assert told["rows"] == 30_000
    assert told["auc"] >= 0.785
    assert 0.9 <= told["calibration_slope"] <= 1.1
    assert made.protection is not None
    assert made.protection.columns == ("SEX", "MARRIAGE", "AGE")
    assert made.protection.other.metrics["auc"] > 0.78

"""A machine that lacks something may skip a test only if nobody required it."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

ONE_TEST_ON_REAL_DATA = """
import pytest

@pytest.mark.data
def test_real_files_load():
    pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("ZHIKE_REQUIRE", raising=False)
    pytester.makeini("[pytest]\nmarkers = data: needs real data")
    pytester.makepyfile(ONE_TEST_ON_REAL_DATA)
    return pytester


def run(suite: pytest.Pytester) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "tests.requirements", "-rs")


def test_what_is_there_is_used(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZHIKE_REAL_DATA", str(tmp_path))
    monkeypatch.setenv("ZHIKE_REQUIRE", "data")
    run(suite).assert_outcomes(passed=1)


def test_what_is_missing_is_skipped_with_its_reason(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_REAL_DATA", "/nowhere")
    result = run(suite)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*data: /nowhere does not exist*"])


def test_what_is_required_and_missing_fails(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_REAL_DATA", "/nowhere")
    monkeypatch.setenv("ZHIKE_REQUIRE", "postgres,data")
    result = run(suite)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*data is required here (ZHIKE_REQUIRE): /nowhere*"])


def test_a_misspelt_requirement_is_refused(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_REQUIRE", "postgress")
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*ZHIKE_REQUIRE names postgress; known are postgres, java*"])


@pytest.mark.postgres
@pytest.mark.parametrize("run", ["first", "second"])
def test_each_test_gets_an_empty_database(postgres_database: str, run: str) -> None:
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customers (id integer)"))
        assert connection.scalar(text("SELECT count(*) FROM customers")) == 0
    engine.dispose()

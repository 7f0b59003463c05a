"""The whole book: in parts, taken up after a kill, replayed from one audit record, told in words."""

import json
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from data.audit import first_broken, records
from data.database import Database, migrated
from data.errors import ConfigurationError, NotReady, UnknownCustomer
from data.schema import ACTORS, BOOK_SCORES, PUBLICATIONS
from data.warehouse import Warehouse, file_digest
from features.catalogue import CATALOGUE
from features.spark import session
from features.spine import newest_as_of
from serving import __main__ as serving
from serving.book import BookRun, cluster, newest_book, publish_newest, score_book
from serving.book.folder import Book
from serving.book.parts import Parts
from serving.book.ranking import codes, exact_code
from serving.book.reading import scores_of
from serving.book.replay import replay
from serving.book.run import Engine, here
from serving.publication import manifest_now, published
from serving.reasons import Language
from serving.scoring import Scorer
from tests.requirements import CHECKOUT

PART = 400  # customers: the small bank has a few such parts


@pytest.fixture
def own(trained_home: Path, served: Database, home: Path) -> Iterator[Database]:
    """The small trained bank without a book; its database. The home in force is this one."""
    home.mkdir()
    for name in ("warehouse", "releases", "snapshots"):
        (home / name).symlink_to(trained_home / name)
    database = knowing_actors(trained_home)
    yield database
    database.engine.dispose()


def knowing_actors(home: Path) -> Database:
    """A new database that knows who signed the releases of a home."""
    database, theirs = migrated(), Database(f"sqlite:///{home / 'zhike.db'}")
    with theirs.reading() as connection:
        actors = [dict(row._mapping) for row in connection.execute(sa.select(ACTORS))]
    theirs.engine.dispose()
    with database.writing() as connection:
        connection.execute(sa.insert(ACTORS), actors)
    return database


@pytest.fixture(scope="module")
def whole(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every file of a book that nothing interrupted, with its digest."""
    home = tmp_path_factory.mktemp("whole")
    for name in ("warehouse", "releases", "snapshots"):
        (home / name).symlink_to(trained_home / name)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(home))
        database = knowing_actors(trained_home)
        book = scored(database)
        database.engine.dispose()
    assert book.parts > 2
    return digests(book.folder)


def scored(database: Database, engine: Engine = here) -> BookRun:
    return score_book(Warehouse(), database, actor="test", engine=engine, part=PART)


def digests(folder: Path) -> dict[str, str]:
    """Every file below a book's folder, hidden ones too, with its digest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {f"{folder.name}/{path.relative_to(folder)}": file_digest(path) for path in files}


# Audit events are the interpreter's own: nothing in the product knows of these points.
KILLED = f"""
import os, signal, sys
from data.database import Database
from data.warehouse import Warehouse
from serving.book import score_book

point, left = sys.argv[1], int(sys.argv[2])

def die():
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(event, told):
    if event == "os.rename" and point == "file" and "/books/" in str(told[1]):
        die()

def say(step, done, total):
    if step == point:
        die()

sys.addaudithook(watch)
score_book(Warehouse(), Database(), report=say, part={PART})
"""


def killed(point: str, times: int) -> bool:
    """Whether a run of the book, in a process of its own, died before it was done."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, point, str(times)],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def test_f60_a_book_killed_within_a_part_is_taken_up_and_ends_with_the_same_bytes(
    own: Database, whole: dict[str, str], scorer: Scorer
) -> None:
    assert killed("file", 2 + len(scorer.models) + 4)  # in the second part
    with pytest.raises(NotReady):
        newest_book(own)
    assert records(own, ["book"]) == []
    book = scored(own)
    assert book.resumed == 1
    assert digests(book.folder) == whole
    assert len(records(own, ["book"])) == 1
    assert first_broken(own) is None


@pytest.mark.slow
def test_f60_a_book_killed_at_random_again_and_again_ends_with_the_same_bytes(
    own: Database, whole: dict[str, str]
) -> None:
    draw = random.Random(20)
    deaths = [killed("file", draw.randint(8, 16)) for _ in range(6)]
    assert sum(deaths) >= 3
    book = scored(own)
    assert digests(book.folder) == whole
    assert len(records(own, ["book"])) == deaths.count(False) + 1


@pytest.mark.slow
def test_a_book_killed_while_it_is_published_shows_nobody_a_half(
    own: Database, whole: dict[str, str]
) -> None:
    assert killed("publish", 2)
    with pytest.raises(NotReady):
        scores_of(own, "anybody")
    assert records(own, ["book"]) == []
    book = scored(own)
    assert book.resumed == book.parts
    assert digests(book.folder) == whole
    with own.reading() as connection:
        kept = connection.execute(sa.select(PUBLICATIONS.c.current)).scalars().all()
    assert kept == [True]


def test_the_same_book_again_scores_nothing_anew_and_has_a_record_of_its_own(
    own: Database, whole: dict[str, str]
) -> None:
    first, again = scored(own), scored(own)
    assert (first.resumed, again.resumed) == (0, again.parts)
    assert digests(again.folder) == whole
    assert again.audit_sequence == first.audit_sequence + 1


def test_a_part_that_was_damaged_is_scored_anew(own: Database, whole: dict[str, str]) -> None:
    book = scored(own)
    path = book.folder / "churn.parquet" / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert scored(own).resumed == book.parts - 1
    assert digests(book.folder) == whole


def test_a_book_is_read_a_part_at_a_time(own: Database, scorer: Scorer) -> None:
    run = scored(own)
    book = Book(run.folder)
    parts = Parts(book, scorer.models, threads=1)
    sizes = [parts.profiles(number).num_rows for number in range(run.parts)]
    assert max(sizes) == PART
    assert sum(sizes) == run.customers
    for number in (1, 0, run.parts - 1):
        told = [parts.profiles(number)["customer_id"], parts.standing(number)["customer_id"]]
        kept = pq.read_table(book.part("churn", number), columns=["customer_id"])["customer_id"]
        assert told[0].to_pylist() == told[1].to_pylist() == kept.to_pylist()


def test_the_record_of_a_book_names_its_snapshot_releases_and_output(
    own: Database, scorer: Scorer
) -> None:
    book = scored(own)
    (record,) = records(own, ["book"])
    body = json.loads(record.body)
    assert record.sequence == book.audit_sequence
    assert body["output"] == file_digest(book.folder / "digests.json")
    assert body["releases"] == {n: m.release.digest for n, m in scorer.models.items()}
    day = newest_as_of(Warehouse()).isoformat()
    assert (body["as_of"], body["manifest"]) == (day, manifest_now())
    told = json.loads((book.folder / "digests.json").read_text())
    assert (told["snapshot"], len(told["parts"])) == (body["snapshot"], book.parts)


def test_any_score_of_a_book_is_replayed_bit_for_bit(
    own: Database, standings: dict[str, dict[str, str]], customer: str
) -> None:
    """F69"""
    book = scored(own)
    chosen = [customer, *random.Random(3).sample(sorted(standings), 12)]
    for who in chosen:
        found = replay(own, book.audit_sequence, who)
        assert {one.model for one in found} == set(book.scored)
        assert all(one.same for one in found)
    assert replay(own, book.audit_sequence, customer)[0].kept["value"][0].as_py() > 0


def test_a_replay_finds_an_answer_that_is_not_what_the_models_say(
    own: Database, customer: str
) -> None:
    book = scored(own)
    one = replay(own, book.audit_sequence, customer)[0]
    place = one.anew.schema.get_field_index("margin")
    margin = one.anew["margin"].to_numpy()
    nearest = one.anew.set_column(place, "margin", [np.nextafter(margin, np.inf)])
    assert not type(one)(one.model, one.kept, nearest).same


def test_a_book_whose_file_was_changed_is_not_replayed(own: Database, customer: str) -> None:
    book = scored(own)
    (sealed := book.folder / "digests.json").write_text(sealed.read_text().replace("2", "3"))
    with pytest.raises(NotReady, match=r"digests\.json is missing or damaged"):
        replay(own, book.audit_sequence, customer)


def test_what_is_no_book_and_who_is_in_none_is_said(own: Database) -> None:
    book = scored(own)
    with pytest.raises(UnknownCustomer):
        replay(own, book.audit_sequence, "nobody")
    with pytest.raises(NotReady, match="99 is not that of a book run"):
        replay(own, 99, "nobody")
    with pytest.raises(UnknownCustomer):
        scores_of(own, "nobody")


def test_the_database_holds_the_values_grades_and_reasons_that_the_api_tells(
    served: Database, scorer: Scorer, standings: dict[str, dict[str, str]]
) -> None:
    rows = sa.select(BOOK_SCORES)
    with served.reading() as connection:
        kept = {(r.customer_id, r.model): r for r in connection.execute(rows)}
    compared = 0
    for who in sorted(standings)[::7]:
        profile, _ = published(served, who, manifest_now())
        for name, model in scorer.models.items():
            if standings[who][name] != "scorable":
                continue
            row = kept[who, name]
            score = model.score(profile.row(model.release.card.profiled))
            told = [
                ("+" if r.direction == "raises" else "-") + r.feature for r in score.reasons or []
            ]
            assert row.reasons.split() == told
            assert row.value == score.value
            assert row.grade == (score.credit.grade if score.credit else None)
            compared += 1
    assert compared > 200


@pytest.mark.parametrize("language", get_args(Language))
def test_the_reasons_of_a_book_are_worded_when_they_are_read(
    served: Database, scorer: Scorer, customer: str, language: Language
) -> None:
    _, found = scores_of(served, customer, language)
    profile, _ = published(served, customer, manifest_now())
    for one in found:
        model = scorer.models[one.model]
        score = model.score(profile.row(model.release.card.profiled), language=language)
        assert one.reasons == [reason.text for reason in score.reasons or []]
        assert (one.value, one.version) == (score.value, score.version)
    assert len(found) > 5


def test_who_is_in_default_has_a_grade_and_no_value(served: Database) -> None:
    defaulted = sa.select(BOOK_SCORES).where(BOOK_SCORES.c.grade == "D")
    with served.reading() as connection:
        rows = connection.execute(defaulted).all()
    assert rows
    assert {(row.value, row.reasons) for row in rows} == {(None, "")}


def test_profiles_published_without_a_book_have_no_book_to_read(own: Database) -> None:
    book = scored(own)
    publish_newest(Warehouse(), own)
    with pytest.raises(NotReady, match="score-book"):
        scores_of(own, "anybody")
    assert newest_book(own) == book.folder


NAMES = sorted(CATALOGUE)
PUSHES = st.one_of(st.sampled_from([0.0, -0.0, 0.5, -0.5, 0.25, 1e-17, 0.01]), st.floats(-2.0, 2.0))


@given(st.lists(st.tuples(st.sampled_from(NAMES), PUSHES), min_size=1, max_size=40))
def test_many_customers_are_ranked_as_one_is(pushes: list[tuple[str, float]]) -> None:
    told = dict(pushes)
    row = np.array([list(told.values())])
    assert codes(row, list(told)) == [exact_code(list(told.values()), list(told))]


def test_sums_that_only_rounding_tells_apart_are_ranked_as_the_exact_ones() -> None:
    same = [n for n in NAMES if n in ("loan_days_past_due", "card_days_past_due", "limit_use")]
    pushes = [0.1, 0.2, 0.30000000000000004]
    for row in (pushes, pushes[::-1]):
        assert codes(np.array([row]), same) == [exact_code(row, same)]


def command(*words: str) -> Any:
    return CliRunner().invoke(serving.app, list(words))


def test_the_commands_of_a_book_score_replay_and_tell(own: Database, customer: str) -> None:
    said = command("score-book")
    assert said.exit_code == 0, said.output
    sequence = str(records(own, ["book"])[-1].sequence)
    said = command("replay-book", sequence, customer)
    assert "are the same, bit for bit" in said.output
    said = command("book", customer, "--language", "zh-TW")
    assert said.exit_code == 0, said.output
    assert "churn, version 1" in said.output
    assert "流失機率" in said.output
    assert "parts stood already" in command("score-book").output


@pytest.mark.parametrize("words", [["--master", "local[2]"], ["--as-of", "tomorrow"]])
def test_an_option_that_cannot_be_used_is_named(home: Path, words: list[str]) -> None:
    failed = command("score-book", *words).exception
    assert isinstance(failed, ConfigurationError)
    assert words[0] in str(failed)


@pytest.mark.java
@pytest.mark.spark
@pytest.mark.slow
def test_a_book_scored_on_spark_has_the_same_bytes(
    own: Database, whole: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # py4j leaves its sockets to the collector
        with session("local[2]", spark_driver_memory="1g") as spark:
            monkeypatch.delenv("PYTHONPATH", raising=False)
            book = scored(own, cluster.on(spark))
    assert (book.resumed, digests(book.folder)) == (0, whole)

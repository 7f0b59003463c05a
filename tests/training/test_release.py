"""A release vouches for itself: whatever was altered is refused before it is parsed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import ReleaseError
from tests.training.test_fit import FEATURES, RECIPE, rows_of
from training import release
from training.fit import fit
from training.judge import ENOUGH_EVENTS
from training.release import ReleaseCard
from training.trees import Forest

ROWS = rows_of(count=400)
MODEL = str(fit(RECIPE, ROWS, FEATURES).booster.model_to_string(num_iteration=-1))


def card(version: str = "1", **values: object) -> ReleaseCard:
    judged = {"events": ENOUGH_EVENTS, "interval": [0.6, 0.8], "metrics": {"auc": 0.7}}
    about = {
        **dict.fromkeys(("unit", "label_version", "population", "outcome"), "x"),
        "name": "churn",
        "question": "churn",
        "version": version,
        "product": None,
        "answer": "probability",
        "horizon_days": 182,
        "features": FEATURES,
        "typical": {"limit_use": None},
        "parameters": {"seed": 1},
        "calibration": {"slope": 1.0, "intercept": 0.0},
        "judgement": judged,
        "lineage": lineage(),
        "provisional": False,
    }
    return ReleaseCard.model_validate(about | values)


def lineage() -> dict[str, object]:
    texts = dict.fromkeys(("manifest", "catalogue", "source"), "x")
    return {**texts, "train_dates": (), "test_dates": (), "left_out": {"dormant": 3}}


@pytest.fixture
def written(home: Path) -> Path:
    return release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1})


def test_a_release_comes_back_as_it_was_written(written: Path) -> None:
    found = release.read(written)
    assert (found.card, found.model) == (card(), MODEL)
    assert written == written.parent.parent / "churn" / "1"


def test_golden_rows_give_their_margins_to_the_bit(written: Path) -> None:
    found = release.read(written)
    said = Forest.from_text(found.model).margin(found.golden_rows)
    assert tuple(float(m).hex() for m in said) == found.golden_margins
    assert len(said) == release.GOLDEN_ROWS
    assert np.isnan(found.golden_rows).all(axis=1).any()  # a customer of whom nothing is known


def test_f29_what_changed_between_the_libraries_of_two_releases_is_told_by_name() -> None:
    now = release.libraries()
    assert {"python", "lightgbm", "numpy"} <= set(now)
    assert release.differing(now, now) == release.differing({}, now) == ""
    assert release.differing({**now, "numpy": "1.0"}, now) == f"numpy 1.0 then, {now['numpy']} now"


def test_the_same_content_has_the_same_digest(written: Path, tmp_path: Path) -> None:
    digest = release.read(written).digest
    written.rename(tmp_path / "moved")
    again = release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1})
    assert release.read(again).digest == digest


@pytest.mark.parametrize("name", [*release.FILES, "digests.json"])
def test_one_flipped_bit_is_refused_by_the_name_of_its_file(written: Path, name: str) -> None:
    path = written / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match=rf"{name} is (missing or )?damaged"):
        release.read(written)


@pytest.mark.parametrize("name", [*release.FILES, "digests.json"])
def test_a_missing_file_is_refused_by_name(written: Path, name: str) -> None:
    (written / name).unlink()
    with pytest.raises(ReleaseError, match=rf"{name} is missing"):
        release.read(written)


def test_nothing_is_parsed_before_its_digest_holds(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (written / "release.json").write_text('{"name": "another"}')
    parsed: list[str] = []
    monkeypatch.setattr(ReleaseCard, "model_validate_json", parsed.append)
    with pytest.raises(ReleaseError, match="damaged"):
        release.read(written)
    assert parsed == []


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '"x"', '{"release": 1}', "\xff"])
def test_digests_that_are_none_vouch_for_nothing(written: Path, text: str) -> None:
    (written / "digests.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReleaseError, match="nothing vouches"):
        release.read(written)


def test_a_version_is_never_written_twice(written: Path) -> None:
    with pytest.raises(ReleaseError, match="never written twice"):
        release.write(card(), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1})
    assert not list(written.parent.glob(".draft-*"))


def test_a_model_that_cannot_be_read_leaves_nothing_behind(home: Path) -> None:
    with pytest.raises(ReleaseError):
        release.write(card(), MODEL[: len(MODEL) // 2], ROWS[list(FEATURES)].to_numpy(), {"x": 1})
    assert not list(home.rglob("model.txt"))


def test_no_version_answers_until_one_is_promoted(written: Path) -> None:
    assert release.champion("churn") is None
    release.point_champion("churn", "1")
    assert release.champions() == {"churn": written}
    release.retire_all()
    assert release.champions() == {}
    assert release.read(written).card == card()  # the release itself stays


def test_a_damaged_release_cannot_become_champion(written: Path) -> None:
    (written / "model.txt").write_text("tree")
    with pytest.raises(ReleaseError, match="damaged"):
        release.point_champion("churn", "1")
    assert release.champion("churn") is None


@pytest.mark.parametrize("version", ["../../etc", "", "1/../2", ".", "1\n"])
def test_an_impossible_champion_is_refused(written: Path, version: str) -> None:
    pointer = written.parent / "champion.json"
    pointer.write_text(json.dumps({"version": version, "release": "x"}))
    with pytest.raises(ReleaseError, match="impossible version"):
        release.champion("churn")


def test_a_champion_swapped_for_another_release_is_refused(written: Path) -> None:
    release.point_champion("churn", "1")
    shutil.rmtree(written)
    release.write(card(horizon_days=90), MODEL, ROWS[list(FEATURES)].to_numpy(), {"x": 1})
    with pytest.raises(ReleaseError, match="not the release that was promoted"):
        release.champion("churn")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", "\xff"])
def test_a_damaged_champion_is_refused_with_the_remedy(written: Path, text: str) -> None:
    (written.parent / "champion.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ReleaseError, match="damaged; promote a version again"):
        release.champion("churn")


def test_why_a_model_was_not_trained_is_kept(home: Path) -> None:
    assert release.not_trained() == {}
    release.note_not_trained({"churn": "3 events"})
    assert release.not_trained() == {"churn": "3 events"}

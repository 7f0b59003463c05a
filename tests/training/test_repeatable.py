"""The same data, configuration and seed give the same release, whatever the number of threads."""

from pathlib import Path

import pytest

from data.warehouse import Warehouse
from training import life, release
from training.run import Trained, train


@pytest.mark.slow
def test_f29_one_thread_and_two_give_the_same_release_to_the_last_bit(
    loaded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for threads in ("1", "2"):
        home = tmp_path / threads
        home.mkdir()
        (home / "warehouse").symlink_to(loaded_home / "warehouse")
        monkeypatch.setenv("ZHIKE_HOME", str(home))
        monkeypatch.setenv("ZHIKE_THREADS", threads)
        (outcome,) = train(Warehouse(), "lifetime_value.five_years")
        assert isinstance(outcome, Trained), outcome
        made.append(life.read("lifetime_value.five_years", outcome.version))
    one, two = made
    assert one.digest == two.digest  # trees, golden rows, card and report
    assert one.model == two.model

    release.point_champion("lifetime_value.five_years", two.card.version)
    upgraded = {**release.libraries(), "lightgbm": "99.0"}
    monkeypatch.setattr(release, "libraries", lambda: upgraded)
    (outcome,) = train(Warehouse(), "lifetime_value.five_years")
    assert isinstance(outcome, Trained), outcome
    before = two.card.lineage.libraries["lightgbm"]
    assert f"lightgbm {before} then, 99.0 now" in outcome.remarks[0]

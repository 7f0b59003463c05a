"""Scores: the same bits alone, in the book and by LightGBM; a damaged release is never served."""

import json
import shutil
import warnings
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.database import Database
from data.errors import NotReady, ReleaseError
from data.settings import settings
from data.warehouse import canonical_json
from features.definition import Array
from serving.answering import answer
from serving.credit import COLUMNS
from serving.scoring import Model, Profile, Score, Scorer
from tests.training.sealing import sealed
from training import actors
from training.labels import CHURN, HORIZON, SCORABLE
from training.release import champions, read

HORIZONS = CHURN.horizons
DAMAGED = ("model.txt", "release.json", "golden.json", "card.json", "digests.json")


@pytest.fixture
def book(served: Database, trained_home: Path) -> Path:
    """The folder of the book run's outputs."""
    return next(path for path in (trained_home / "books").iterdir() if path.name[0] != ".")


@pytest.fixture
def frame(served: Database, trained_home: Path) -> pd.DataFrame:
    """The profiles of the whole bank as published."""
    return pq.read_table(next((trained_home / "snapshots").glob("*/profiles.parquet"))).to_pandas()


@pytest.fixture
def release(served: Database, tmp_path: Path) -> Path:
    """A copy of the churn release, to be damaged."""
    return Path(shutil.copytree(champions()["churn"], tmp_path / "churn" / "copy"))


def rows_of(model: Model, frame: pd.DataFrame) -> Array:
    card = model.release.card
    profiles = frame[list(card.profiled)].to_numpy(np.float64)
    rows = np.vstack([model.inputs(profiles, h) for h in card.horizons or (card.horizon_days,)])
    odd = [np.full(rows.shape[1], v) for v in (np.nan, 0.0, -1e15, 1e15)]
    return np.vstack([rows, *odd])


def test_one_customer_gets_the_same_bits_alone_and_among_all(
    scorer: Scorer, frame: pd.DataFrame
) -> None:
    for model in scorer.models.values():
        rows = rows_of(model, frame)
        margins, contributions = model.explain(rows)
        for place in range(0, len(rows), 40):
            alone = model.explain(rows[place : place + 1])
            assert alone[0].tobytes() == margins[place : place + 1].tobytes()
            assert alone[1].tobytes() == contributions[place : place + 1].tobytes()


def test_every_margin_is_lightgbms_own_to_the_last_bit(scorer: Scorer, frame: pd.DataFrame) -> None:
    for model in scorer.models.values():
        rows = rows_of(model, frame)
        booster = lightgbm.Booster(model_str=model.release.model)
        theirs = np.asarray(booster.predict(rows, raw_score=True))
        assert model.explain(rows)[0].tobytes() == theirs.tobytes()


def test_contributions_are_those_of_the_shap_library(scorer: Scorer, frame: pd.DataFrame) -> None:
    for model in scorer.models.values():
        rows = rows_of(model, frame)[::150]
        expected = by_shap(model, rows)
        scale = max(1.0, float(np.abs(expected).max()))
        assert np.abs(model.explain(rows)[1] - expected).max() <= 1e-9 * scale


def by_shap(model: Model, rows: Array) -> Array:
    with warnings.catch_warnings():  # of matplotlib on import, and of shap's own older returns
        warnings.simplefilter("ignore")
        import shap

        oracle = shap.TreeExplainer(lightgbm.Booster(model_str=model.release.model))
        values = oracle.shap_values(rows)
    return np.asarray(values[-1] if isinstance(values, list) else values)


def test_the_book_and_the_service_give_the_same_bits(
    served: Database, scorer: Scorer, book: Path
) -> None:
    books = {n: pq.read_table(book / f"{n}.parquet").to_pandas() for n in scorer.models}
    customers = list(books["churn"]["customer_id"])[::30]
    assert len(customers) >= 50
    for customer in customers:
        told = by_model(answer(scorer, served, customer, actor="test")[0].scores)
        for name, table in books.items():
            row = table[table["customer_id"] == customer].iloc[0]
            assert_same(row, told[name])


def by_model(scores: dict[str, Score | dict[str, Score]]) -> dict[str, Score]:
    told = {n: s for n, s in scores.items() if isinstance(s, Score)}
    offers = scores["propensity"]
    assert isinstance(offers, dict)
    return told | {f"propensity.{family}": score for family, score in offers.items()}


def assert_same(row: "pd.Series[float]", score: Score) -> None:
    status = str(row["status"])
    for name in COLUMNS if score.credit else ():
        told = getattr(score.credit, name)
        assert row[name] == told or (told is None and pd.isna(row[name]))
    if status != SCORABLE:
        assert (score.status, score.reason) == ("not_scorable", status)
        assert np.isnan(row["margin"])
        return
    assert (score.margin, score.value, score.base_value) == tuple(
        float(row[name]) for name in ("margin", "value", "base_value")
    )
    assert score.contributions == {name: float(row[name]) for name in score.contributions or {}}
    for one in score.horizons or []:
        end = "" if one.horizon == score.horizon else f"@{one.horizon}"
        assert (one.margin, one.value) == (row[f"margin{end}"], row[f"value{end}"])
        pushes = one.contributions or {}
        assert pushes == {name: row[f"{name}{end}"] for name in pushes}


def test_a_longer_horizon_never_has_the_lower_value(
    scorer: Scorer, frame: pd.DataFrame, book: Path
) -> None:
    model = scorer.models["churn"]
    profiles = frame[list(model.release.card.profiled)].to_numpy(np.float64)
    odd = [np.full(profiles.shape[1], v) for v in (np.nan, 0.0, -1e15, 1e15)]
    said = [model.explain(model.inputs(np.vstack([profiles, *odd]), h))[0] for h in HORIZONS]
    assert (np.diff(said, axis=0) >= 0).all()
    assert (np.diff(said, axis=0) > 0).any(axis=1).all()
    table = pq.read_table(book / "churn.parquet").to_pandas()
    values = table.loc[table["status"] == SCORABLE, ["value@91", "value", "value@365"]]
    assert (np.diff(values.to_numpy(), axis=1) >= 0).all()


def test_every_horizon_adds_up_and_the_horizon_itself_is_no_reason(
    served: Database, scorer: Scorer, customer: str
) -> None:
    score = answer(scorer, served, customer, ["churn"], actor="test")[0].scores["churn"]
    assert isinstance(score, Score)
    assert score.horizons is not None
    assert [one.horizon for one in score.horizons] == list(HORIZONS)
    for one in score.horizons:
        assert one.base_value is not None
        assert one.contributions is not None
        assert one.reasons is not None
        total = one.base_value + sum(one.contributions.values())
        assert total == pytest.approx(one.margin, abs=1e-9)
        assert one.value == pytest.approx(1 / (1 + np.exp(-one.margin)))
        assert HORIZON in one.contributions
        assert HORIZON not in {reason.feature for reason in one.reasons}
    assert (score.margin, score.value) == (score.horizons[1].margin, score.horizons[1].value)


def test_the_golden_rows_ask_at_every_horizon(release: Path) -> None:
    assert set(HORIZONS) <= set(read(release).golden_rows[:, -1])


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_release_with_one_changed_byte_is_refused(release: Path, name: str, place: float) -> None:
    content = bytearray((release / name).read_bytes())
    content[int(place * len(content)) if place >= 0 else -1] ^= 1
    (release / name).write_bytes(content)
    with pytest.raises(ReleaseError, match=r"damaged|vouches"):
        Model.load(release)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_release_with_a_file_cut_short_is_refused(release: Path, name: str, share: float) -> None:
    content = (release / name).read_bytes()
    (release / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReleaseError, match=r"damaged|vouches"):
        Model.load(release)


@pytest.mark.parametrize("name", DAMAGED)
def test_a_release_that_lacks_a_file_is_refused(release: Path, name: str) -> None:
    (release / name).unlink()
    with pytest.raises(ReleaseError, match="missing"):
        Model.load(release)


def test_nothing_of_a_damaged_release_is_parsed(release: Path) -> None:
    for name in ("model.txt", "release.json", "golden.json", "card.json"):
        (release / name).write_text("not anything that a parser would take")
    with pytest.raises(ReleaseError, match=r"model.txt is damaged"):  # the first by its digest
        Model.load(release)


def vouch(release: Path) -> None:
    """Sign what was altered, as whoever trained it could."""
    database = Database()
    trainer = actors.actor(database, "ann")
    database.engine.dispose()
    about = json.loads((release / "release.json").read_text())
    sealed(release, trainer, about["name"], about["version"])


def test_a_release_that_does_not_give_its_golden_margins_is_refused(release: Path) -> None:
    golden = json.loads((release / "golden.json").read_text())
    golden["margins"][7] = float(np.nextafter(float.fromhex(golden["margins"][7]), np.inf)).hex()
    (release / "golden.json").write_text(canonical_json(golden))
    vouch(release)
    with pytest.raises(ReleaseError, match="golden margins"):
        Model.load(release)


def test_the_trees_of_a_model_of_other_features_are_refused(release: Path) -> None:
    """F24"""
    shutil.copy(champions()["credit_risk"] / "model.txt", release / "model.txt")
    vouch(release)
    with pytest.raises(ReleaseError, match="disagree on the features"):
        Model.load(release)


def test_a_card_with_its_features_in_another_order_is_refused(release: Path) -> None:
    """F24"""
    card = json.loads((release / "release.json").read_text())
    card["features"].reverse()
    (release / "release.json").write_text(canonical_json(card))
    with pytest.raises(ReleaseError, match=r"release\.json is damaged"):  # its hash
        Model.load(release)
    vouch(release)
    with pytest.raises(ReleaseError, match="disagree on the features"):
        Model.load(release)


def test_a_profile_with_its_columns_in_another_order_has_the_same_scores(
    scorer: Scorer, frame: pd.DataFrame
) -> None:
    """F24"""
    row = frame.iloc[3].drop(["customer_id", "as_of"])
    standing = dict.fromkeys(scorer.models, SCORABLE)
    one, other = (
        scorer.answer(
            Profile("C1", date(2024, 1, 31), tuple(n), row[n].to_numpy(np.float64), standing, False)
        )
        for n in (list(row.index), list(row.index)[::-1])
    )
    assert one == other


def test_the_trees_of_another_model_of_the_same_features_are_refused(release: Path) -> None:
    fund, insurance = (champions()[f"propensity.{family}"] for family in ("fund", "insurance"))
    for file in fund.iterdir():
        shutil.copy(file, release / file.name)
    shutil.copy(insurance / "model.txt", release / "model.txt")
    vouch(release)
    with pytest.raises(ReleaseError, match="golden margins"):
        Model.load(release)


def test_a_text_cut_short_and_vouched_for_is_refused_without_lightgbm(release: Path) -> None:
    text = (release / "model.txt").read_text()
    (release / "model.txt").write_text(text[: len(text) // 2])
    vouch(release)
    with pytest.raises(ReleaseError):
        Model.load(release)


def test_the_golden_rows_hold_what_nobody_expects(release: Path) -> None:
    rows = read(release).golden_rows
    assert np.isnan(rows).all(axis=1).any()
    assert {1e15, -1e15, 0.0} <= {float(row[0]) for row in rows[-3:]}


def test_without_a_champion_the_service_is_not_ready(home: Path) -> None:
    with pytest.raises(NotReady, match="--promote"):
        Scorer.load()


def test_another_release_in_the_champion_s_place_is_not_served(
    served: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(settings().releases, tmp_path / "releases")
    monkeypatch.setenv("ZHIKE_HOME", str(tmp_path))
    churn = tmp_path / "releases" / "churn"
    version = json.loads((churn / "champion.json").read_text())["version"]
    shutil.rmtree(churn / version)
    other = tmp_path / "releases" / "credit_risk"
    shutil.copytree(next(p for p in other.iterdir() if p.is_dir()), churn / version)
    with pytest.raises(ReleaseError, match="not the release that was promoted"):
        Scorer.load()

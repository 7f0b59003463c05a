import dataclasses
import logging
import re
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import AdditivityBroken, ReleaseError
from tests.training.boosters import Case, case, cases
from training.branches import gauss_legendre
from training.shapley import TABLE_BYTES, Explainer
from training.trees import Forest

quick = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def sample() -> Case:
    return case(seed=3, objective="multiclass", leaves=24)


def many(sample: Case) -> npt.NDArray[np.float64]:
    return np.tile(sample.rows, (9, 1))


@given(cases, st.sampled_from([0, 9_000, TABLE_BYTES]))
@quick
def test_contributions_are_lightgbms_and_add_up(sample: Case, table_bytes: int) -> None:
    explainer = Explainer(sample.forest, table_bytes=table_bytes)
    margins, ours = explainer.explain(sample.rows)
    told, shape = sample.contributions(), (-1, sample.forest.num_class)
    ours, margins = ours.reshape(told[..., :-1].shape), margins.reshape(shape)
    assert np.array_equal(margins, sample.margins().reshape(shape))
    assert np.abs(ours - told[..., :-1]).max() <= 1e-9
    assert np.abs(explainer.base_values - told[..., -1]).max() <= 1e-12
    assert np.abs(explainer.base_values + ours.sum(axis=2) - margins).max() <= 1e-9


@given(cases, st.sampled_from([0, 9_000, TABLE_BYTES]))
@settings(quick, max_examples=40)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(sample: Case, table_bytes: int) -> None:
    explainer = Explainer(sample.forest, table_bytes=table_bytes)
    margins, contributions = explainer.explain(sample.rows)
    for row in range(0, len(sample.rows), 9):
        margin, alone = explainer.explain(sample.rows[row : row + 1])
        assert np.array_equal(margin[0], margins[row])
        assert np.array_equal(alone[0], contributions[row])


@pytest.mark.parametrize("table_bytes", [0, 9_000, TABLE_BYTES])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_batch_size_change_no_bit(sample: Case, table_bytes: int, threads: int) -> None:
    explainer = Explainer(sample.forest, table_bytes=table_bytes)
    rows = many(sample)
    whole = explainer.contributions(rows, threads=threads)
    parts = [explainer.contributions(rows[at : at + 301]) for at in range(0, len(rows), 301)]
    assert np.array_equal(whole, np.concatenate(parts))


def deep_case() -> Case:
    """Every feature isolates one rare group, so that a path grows by a feature at a time."""
    draw = np.random.default_rng(2)
    rows = (draw.random((4000, 40)) < 0.01).astype(np.float64)
    target = np.asarray(rows @ 1.3 ** np.arange(40.0) + draw.normal(size=4000), dtype=np.float64)
    return trained(rows, target, {"num_leaves": 41, "min_data_in_leaf": 1})


def trained(
    rows: npt.NDArray[np.float64], target: npt.NDArray[np.float64], extra: dict[str, int]
) -> Case:
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1, **extra}
    text = lgb.train(parameters, lgb.Dataset(rows, target), 4).model_to_string()
    return Case(lgb.Booster(model_str=text), Forest.from_text(text), rows[:300])


@pytest.mark.parametrize("table_bytes", [0, TABLE_BYTES])
def test_a_path_of_many_features_is_explained_exactly(table_bytes: int) -> None:
    deep = deep_case()
    explainer = Explainer(deep.forest, table_bytes=table_bytes)
    assert explainer.lone_leaves > 5
    told = deep.contributions()[:, 0]
    scale = np.abs(told).max()
    assert np.abs(explainer.contributions(deep.rows) - told[:, :-1]).max() <= 1e-12 * scale


def test_tables_keep_to_their_bound(sample: Case) -> None:
    few = Explainer(sample.forest, table_bytes=1_000)
    more = Explainer(sample.forest, table_bytes=100_000)
    assert few.table_bytes <= 1_000 < more.table_bytes <= 100_000
    assert few.lone_leaves > more.lone_leaves


def test_the_base_value_is_the_average_of_the_training_rows() -> None:
    binary = case(seed=11, smallest_leaf=5)
    rows = binary.rows[:240]
    explainer = Explainer(binary.forest)
    assert explainer.base_value == pytest.approx(binary.forest.margin(rows).mean(), abs=1e-9)


def test_a_multiclass_forest_has_no_single_base_value(sample: Case) -> None:
    with pytest.raises(ValueError, match="base_values"):
        _ = Explainer(sample.forest).base_value


def test_no_rows_have_no_contributions(sample: Case) -> None:
    margins, contributions = Explainer(sample.forest).explain(np.empty((0, 4)))
    assert margins.shape == (0, 3)
    assert contributions.shape == (0, 3, 4)


def test_kept_tables_give_the_same_bits(sample: Case, tmp_path: Path) -> None:
    first = Explainer(sample.forest, tmp_path).contributions(sample.rows)
    second = Explainer(sample.forest, tmp_path).contributions(sample.rows)
    assert np.array_equal(first, second)
    assert np.array_equal(first, Explainer(sample.forest).contributions(sample.rows))
    assert [folder.name[:64] for folder in tmp_path.iterdir()] == [sample.forest.digest]


@pytest.mark.parametrize("name", ["table.npy", "pair_entry.npy", "digests.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_tables_are_made_again(
    sample: Case, tmp_path: Path, name: str, damage: str
) -> None:
    whole = Explainer(sample.forest, tmp_path).contributions(sample.rows)
    (path,) = tmp_path.glob(f"*/{name}")
    kept = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(kept[:-1] if damage == "cut" else kept[:-9] + b"\x7f" + kept[-8:])
    assert np.array_equal(Explainer(sample.forest, tmp_path).contributions(sample.rows), whole)
    assert path.read_bytes() == kept


def test_a_cache_that_cannot_be_written_is_told_and_done_without(
    sample: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        Explainer(sample.forest, blocked)
    assert "are not kept" in caplog.text


def test_contributions_that_miss_the_margin_are_never_served(sample: Case) -> None:
    counts = sample.forest.leaf_count + np.arange(len(sample.forest.leaf_count))
    with pytest.raises(AdditivityBroken, match="miss its margin"):
        Explainer(dataclasses.replace(sample.forest, leaf_count=counts))


def test_a_leaf_without_training_rows_is_refused(sample: Case) -> None:
    counts = re.sub(r"_count=[\d ]+", lambda found: re.sub(r"\d+", "0", found[0]),
                    sample.booster.model_to_string())  # fmt: skip
    body = counts.partition("\n\n")[2].partition("end of trees")[0]
    sizes = " ".join(str(len(tree)) for tree in re.split(r"(?=Tree=)", body)[1:])
    forest = Forest.from_text(re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", counts))
    with pytest.raises(ReleaseError, match="no training row"):
        Explainer(forest)


@pytest.mark.parametrize("points", [1, 2, 3, 8, 20, 60])
def test_a_rule_integrates_every_power_it_promises(points: int) -> None:
    at, weight = (np.array(part) for part in gauss_legendre(points))
    for power in range(2 * points):
        assert (weight * at**power).sum() == pytest.approx(1 / (power + 1), rel=1e-13)

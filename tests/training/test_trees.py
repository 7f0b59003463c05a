import json
import re
import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from data.errors import ReleaseError
from tests.training.boosters import Case, case, cases
from training.trees import Forest

TEXT = case(seed=7, leaves=8).booster.model_to_string()
ROWS = case(seed=7, leaves=8).rows
quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def resized(text: str) -> str:
    """The text with tree_sizes made to fit, as a careful forger would."""
    body = text.partition("\n\n")[2].partition("end of trees")[0]
    sizes = " ".join(str(len(tree)) for tree in re.split(r"(?=Tree=)", body)[1:])
    return re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", text)


@given(cases)
@quick
def test_margins_equal_the_boosters_to_the_last_bit(sample: Case) -> None:
    assert np.array_equal(sample.forest.margin(sample.rows), sample.margins())


def test_a_row_has_the_same_margin_alone_and_with_any_number_of_threads() -> None:
    forest = Forest.from_text(TEXT)
    rows = np.tile(ROWS, (9, 1))
    margins = forest.margin(rows, threads=1)
    assert np.array_equal(margins, forest.margin(rows, threads=5))
    assert np.array_equal(margins[:40], [forest.margin(row[None])[0] for row in rows[:40]])


def test_a_forest_knows_its_names_and_its_text() -> None:
    forest = Forest.from_text(TEXT)
    assert forest.feature_names == tuple(f"Column_{number}" for number in range(4))
    assert forest.objective == "binary sigmoid:1"
    assert forest.trees == 4
    assert forest.digest != Forest.from_text(TEXT.replace("Column_3", "Column_4")).digest


def test_a_forest_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Forest.from_text(TEXT).leaf_value[0] = 1.0


def test_no_rows_have_no_margins() -> None:
    assert Forest.from_text(TEXT).margin(np.empty((0, 4))).shape == (0,)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 5), (1, 2, 4)])
def test_rows_of_another_width_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rows of 4 features"):
        Forest.from_text(TEXT).margin(np.zeros(shape))


@pytest.mark.parametrize(
    "pattern,replacement,reason",
    [
        (r"version=v4", "version=v3", "version 'v3' is not supported"),
        (r"version=v4", "version=v4\naverage_output", "averaged output"),
        (r"is_linear=0", "is_linear=1", "linear tree"),
        (r"num_class=1", "num_class=2", "num_class and num_tree_per_iteration"),
        (r"max_feature_idx=3", "max_feature_idx=4", "max_feature_idx disagree"),
        (r"(leaf_value=)\S+", r"\1nan", "leaf_value of tree 0"),
        (r"(leaf_value=)\S+", r"\g<1>1e999", "leaf_value of tree 0"),
        (r"(leaf_value=)\S+ ", r"\1", "7 items in leaf_value, not 8"),
        (r"(threshold=)\S+", r"\1nan", "threshold of tree 0"),
        (r"(split_feature=)\d+", r"\g<1>4", "feature that does not exist"),
        (r"(decision_type=)\d+", r"\g<1>12", "unknown decision_type"),
        (r"(left_child=)\S+", r"\g<1>0", "no tree"),
        (r"(left_child=)\S+", r"\g<1>-9", "no tree"),
        (r"(leaf_count=)\S+", r"\g<1>1", "counts that do not add up"),
        (r"(cat_boundaries=)0", r"\g<1>1", "cat_boundaries"),
        (r"(cat_threshold=)\S+", r"\g<1>4294967296", "no 32-bit word"),
        (r"num_cat=\d+", "num_cat=0", "cat_boundaries, not 0"),
        (r"shrinkage=", "shrinkwrap=", "unknown entry 'shrinkwrap'"),
        (r"leaf_count=.*\n", "", "lacks leaf_count"),
        (r"shrinkage=1\n", "shrinkage=1\nshrinkage=1\n", "has the line 'shrinkage=1'"),
        (r"end of parameters", "end of everything", "'end of parameters' is missing"),
        (r"pandas_categorical:null", "pandas_categorical:nul", "ends with"),
    ],
)  # fmt: skip
def test_a_text_that_lightgbm_did_not_write_is_refused_by_name(
    pattern: str, replacement: str, reason: str
) -> None:
    forged = resized(re.sub(pattern, replacement, TEXT, count=1))
    with pytest.raises(ReleaseError, match=re.escape(reason)):
        Forest.from_text(forged)


def test_a_cycle_is_refused() -> None:
    left, right = "left_child=1 -1", "right_child=2 -2"
    tree = re.sub(r"(?<=\n)left_child=.*", left, TEXT, count=1)
    with pytest.raises(ReleaseError):
        Forest.from_text(resized(re.sub(r"(?<=\n)right_child=.*", right, tree, count=1)))


def test_a_linear_tree_is_refused() -> None:
    data = lgb.Dataset(np.nan_to_num(ROWS, posinf=0, neginf=0), np.arange(len(ROWS)) % 7.0)
    parameters = {"linear_tree": True, "verbose": -1, "num_threads": 1, "objective": "regression"}
    booster = lgb.train(parameters, data, 2)
    with pytest.raises(ReleaseError, match="linear tree"):
        Forest.from_text(booster.model_to_string())


def test_a_random_forest_is_refused() -> None:
    data = lgb.Dataset(ROWS, np.arange(len(ROWS)) % 2.0)
    parameters = {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1, "verbose": -1}
    booster = lgb.train(parameters | {"objective": "binary"}, data, 2)
    with pytest.raises(ReleaseError, match="random forest"):
        Forest.from_text(booster.model_to_string())


def test_a_text_cut_short_is_refused_unless_nothing_of_weight_is_lost() -> None:
    whole = Forest.from_text(TEXT).margin(ROWS)
    end = TEXT.index("end of parameters") + len("end of parameters")
    for length in range(0, end, 23):
        with pytest.raises(ReleaseError):
            Forest.from_text(TEXT[:length])
    for length in range(end, len(TEXT)):
        try:
            assert np.array_equal(Forest.from_text(TEXT[:length]).margin(ROWS), whole)
        except ReleaseError:
            continue


LIGHTGBM_READS = """
import json, sys
import lightgbm as lgb, numpy as np
texts, rows = json.load(sys.stdin)
for text in texts:
    try:
        margins = lgb.Booster(model_str=text).predict(np.array(rows), raw_score=True, num_threads=1)
    except lgb.basic.LightGBMError:
        margins = None
    print(json.dumps(margins if margins is None else [float(one).hex() for one in margins]))
"""


def flipped(text: str, draw: np.random.Generator) -> str | None:
    raw = bytearray(text.encode())
    raw[draw.integers(len(raw))] ^= 1 << int(draw.integers(8))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def test_a_flipped_bit_is_refused_or_read_as_lightgbm_reads_it() -> None:
    draw = np.random.default_rng(5)
    trees = TEXT[: TEXT.index("feature_importances")]  # the rest has no part in an answer
    rest = TEXT[len(trees) :]
    rows = np.nan_to_num(ROWS[:40], posinf=1e9, neginf=-1e9)
    accepted, margins, refused = [], [], 0
    for _ in range(700):
        text = flipped(trees, draw)
        if text is None:
            continue
        try:
            forest = Forest.from_text(text + rest)
        except ReleaseError:
            refused += 1
            continue
        accepted.append(text + rest)
        margins.append([float(one).hex() for one in forest.margin(rows)])
    whole = [float(one).hex() for one in Forest.from_text(TEXT).margin(rows)]
    reader = subprocess.run(
        [sys.executable, "-c", LIGHTGBM_READS],
        input=json.dumps([accepted, rows.tolist()]), capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    answers = [json.loads(line) for line in reader.stdout.splitlines() if line[0] in "[n"]
    assert len(answers) == len(accepted) > 50
    assert refused > 200
    for ours, lightgbms in zip(margins, answers, strict=True):
        assert ours == (whole if lightgbms is None else lightgbms)

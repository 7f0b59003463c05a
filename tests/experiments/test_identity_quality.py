"""Records of real shape are joined as well as the project promises."""

from pathlib import Path

import pytest

from data.errors import SourceError
from experiments.identity_quality import febrl, quality


def test_quality_counts_pairs() -> None:
    found = {"a": 1, "b": 1, "c": 1, "d": 2}
    truth = {"a": "x", "b": "x", "c": "y", "d": "y"}
    figures = quality(found, truth)
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.33333, 0.5, 0.4)


def test_nothing_joined_has_no_recall() -> None:
    assert quality({"a": 1, "b": 2}, {"a": "x", "b": "x"})["f1"] == 0


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("file", ["dataset2.csv", "dataset3.csv"])
def test_the_febrl_data_sets_are_joined(real_data: Path, file: str) -> None:
    figures = febrl(real_data / "febrl" / file)
    assert figures["records"] == 5_000
    assert figures["f1"] >= 0.97


def test_a_missing_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ZHIKE_REAL_DATA"):
        febrl(tmp_path / "dataset2.csv")

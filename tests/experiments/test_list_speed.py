"""The speed of lists is measured on a list that is drafted and sealed, whole."""

from pathlib import Path

from experiments.list_speed import make, measured


def test_a_list_over_eight_products_is_drafted_sealed_and_accounted_for(tmp_path: Path) -> None:
    make(tmp_path, 400)
    found = measured(tmp_path, 400)
    assert (found["customers"], found["products"], found["listed"]) == (400, 8, 40)
    assert found["listed"] + found["control"] + found["suppressed"] == 400
    assert found["draft_seconds"] > 0

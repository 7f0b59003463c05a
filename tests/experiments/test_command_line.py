"""An experiment is run by its name; its arguments are options."""

import pytest

from experiments.__main__ import main, names


def test_the_experiments_are_the_modules_of_the_package() -> None:
    assert {
        "attainable",
        "book_speed",
        "explanation_speed",
        "feature_speed",
        "simulated_bank",
        "simulation_speed",
    } <= set(names())


@pytest.mark.parametrize("arguments", [[], ["alchemy"]])
def test_an_unknown_experiment_is_refused_with_the_known_ones(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "attainable" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_every_experiment_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert "--quick" in capsys.readouterr().out


def test_a_number_of_customers_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["attainable", "--customers", "many"])
    assert "--customers" in capsys.readouterr().err


def test_a_bank_that_cannot_be_simulated_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["attainable", "--customers", "-1", "--months", "12"]) == 2
    assert capsys.readouterr().err.startswith("error: cannot simulate -1 customers")

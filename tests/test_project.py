"""The project's own promises: its layout, its lock, its entry points, its contracts."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ["data", "features", "training", "serving", "experiments"]


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / name).read_text("utf-8"))


def entry_points() -> dict[str, Any]:
    project: dict[str, Any] = yaml.safe_load((CHECKOUT / "MLproject").read_text("utf-8"))
    points: dict[str, Any] = project["entry_points"]
    return points


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is_for(package: str) -> None:
    source = (CHECKOUT / package / "__init__.py").read_text("utf-8")
    assert source.startswith('"""')


def test_tests_are_no_package() -> None:
    assert not list((CHECKOUT / "tests").rglob("__init__.py"))


def test_the_project_cannot_be_published() -> None:
    project = table("pyproject.toml")
    assert project["project"]["classifiers"] == ["Private :: Do Not Upload"]
    assert project["tool"]["uv"]["package"] is False
    assert "build-system" not in project


def test_every_dependency_has_a_floor() -> None:
    project = table("pyproject.toml")
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    assert [d for group in groups for d in group if not re.match(r"[\w.\[\]-]+>=\d", d)] == []


def test_the_lock_names_the_public_index_only() -> None:
    packages = table("uv.lock")["package"]
    ours, others = packages_by(packages, "virtual")
    assert [p["name"] for p in ours] == ["zhike"]
    assert {p["source"]["registry"] for p in others} == {"https://pypi.org/simple"}
    files = [f for p in others for f in [*p.get("wheels", []), *filter(None, [p.get("sdist")])]]
    assert [f for f in files if not f["url"].startswith("https://files.pythonhosted.org/")] == []


def packages_by(packages: list[Any], source: str) -> tuple[list[Any], list[Any]]:
    return (
        [p for p in packages if source in p["source"]],
        [p for p in packages if source not in p["source"]],
    )


def test_the_lock_is_of_these_dependencies() -> None:
    [ours] = packages_by(table("uv.lock")["package"], "virtual")[0]
    locked = {entry["name"] for entry in ours["metadata"]["requires-dist"]}
    project = table("pyproject.toml")["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["spark"]
    assert locked == {re.split(r"[\[>]", d)[0] for d in wanted}


def test_mlflow_installs_what_the_project_installs() -> None:
    listed = yaml.safe_load((CHECKOUT / "python_env.yaml").read_text("utf-8"))["dependencies"]
    assert listed == table("pyproject.toml")["project"]["dependencies"]


def test_every_step_has_its_entry_point() -> None:
    bank = {"simulate", "load", "identify", "profile"}
    models = {"train", "sync", "actor", "approve", "gates", "promote", "rollback", "retire"}
    assert entry_points().keys() == {"main", *bank, *models, "score", "verify", "serve"}


@pytest.mark.parametrize("name", entry_points())
def test_the_command_of_an_entry_point_is_understood(name: str, tmp_path: Path) -> None:
    """Parsed by the module's own command line, which runs nothing yet."""
    point = entry_points()[name]
    samples = {"as_of": "2024-01-31", "dir": str(tmp_path)}
    given = {
        key: samples.get(key, about.get("default", "1"))
        for key, about in point.get("parameters", {}).items()
    }
    module, *words = point["command"].removeprefix("python -P -m ").format(**given).split()
    command = command_of(module)
    if steps := getattr(command, "commands", {}):
        assert words[0] in steps, f"{module} has no command {words[0]}"
        command, words = steps[words[0]], words[1:]
    command.make_context(name, words).close()


def command_of(module: str) -> Any:
    try:
        found = importlib.import_module(f"{module}.__main__")
    except ModuleNotFoundError:
        found = importlib.import_module(module)
    return typer.main.get_command(found.app)


@pytest.mark.parametrize("name", entry_points())
def test_an_entry_point_runs_a_module_with_the_parameters_it_declares(name: str) -> None:
    point = entry_points()[name]
    module = re.match(r"python -P -m (\S+) ?", point["command"])
    assert module is not None
    path = CHECKOUT / module[1].replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    assert set(re.findall(r"{(\w+)}", point["command"])) == set(point.get("parameters", {}))


def test_the_layers_are_the_packages_in_their_order() -> None:
    settings = table("pyproject.toml")["tool"]["importlinter"]
    contracts = {c["id"]: c for c in settings["contracts"]}
    assert settings["root_packages"] == PACKAGES
    assert contracts["layers"]["layers"] == PACKAGES[::-1]
    doors = {
        "door-mlflow",
        "door-fairlearn",
        "door-optuna",
        "door-shap",
        "door-splink",
        "door-fastapi",
        "door-lightgbm",
    }
    assert doors < contracts.keys()

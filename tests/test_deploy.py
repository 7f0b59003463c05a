"""What runs the service elsewhere, and what audits what it is made of: checked as far as it goes here."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from data.documentation import settings_table
from data.settings import Settings
from serving.__main__ import app

CHECKOUT = Path(__file__).resolve().parent.parent
UNIT = CHECKOUT / "deploy" / "zhike.service"
CONTAINER = CHECKOUT / "deploy" / "Containerfile"
AUDIT = CHECKOUT / ".ci" / "audit-dependencies"


def steps() -> list[tuple[str, str]]:
    """The Containerfile's instructions and their words."""
    text = re.sub(r"^#.*\n", "", CONTAINER.read_text("utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def words(instruction: str) -> list[str]:
    return [said for name, said in steps() if name == instruction]


def unit() -> dict[str, list[str]]:
    """The unit's settings."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_pages_table_has_every_setting() -> None:
    assert settings_table() in (CHECKOUT / "docs" / "operations.md").read_text("utf-8")


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, f in Settings.model_fields.items() if not f.description] == []


def test_a_container_copies_what_is_there_and_fetches_nothing_unpinned() -> None:
    assert words("ADD") == []
    for copied in words("COPY"):
        *sources, _ = copied.split()
        assert all((CHECKOUT / source).exists() for source in sources), copied
    packages = {"data", "features", "training", "serving"}
    assert packages < {source for copied in words("COPY") for source in copied.split()}
    assert all(image.count(":") == 1 and not image.endswith(":latest") for image in words("FROM"))
    assert any("uv sync --frozen" in run for run in words("RUN"))
    assert not any("curl" in run or "wget" in run for run in words("RUN"))


def test_a_container_runs_as_nobody_in_particular_and_stops_when_told() -> None:
    names = [name for name, _ in steps()]
    assert words("USER") == ["10001"]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    assert words("STOPSIGNAL") == ["SIGTERM"]
    assert len(words("ENTRYPOINT")) == len(words("CMD")) == 1
    said = json.loads(words("ENTRYPOINT")[0]) + json.loads(words("CMD")[0])
    understood(said[said.index("serving") + 1 :])


def test_a_unit_runs_a_command_that_exists_and_gives_it_time_to_stop() -> None:
    [command] = unit()["ExecStart"]
    program, module, *said = command.split()
    assert (program, module) == ("/opt/zhike/zhike", "serving")
    understood(said)
    assert int(unit()["TimeoutStopSec"][0]) > Settings.model_fields["stop_seconds"].default
    assert unit()["Restart"] == ["on-failure"]
    assert int(unit()["StartLimitBurst"][0]) > 0
    most = Settings.model_fields["connections"].default
    assert int(unit()["LimitNOFILE"][0]) > most
    assert {"NoNewPrivileges", "ProtectSystem", "CapabilityBoundingSet"} < unit().keys()


def understood(said: list[str]) -> None:
    """The words are a command line of serving's; parsed, not run."""
    command = typer.main.get_command(app).commands[said[0]]  # type: ignore[attr-defined]
    command.make_context(said[0], said[1:]).close()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text("utf-8").replace("/opt/zhike/zhike", str(CHECKOUT / "zhike")))
    told = subprocess.run(
        ["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False
    )
    ours = [line for line in told.stderr.splitlines() if UNIT.name in line]
    assert ours == []


LOCK = """
[[package]]
name = "zhike"
version = "1"
source = { virtual = "." }

[[package]]
name = "first"
version = "1"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/first", hash = "sha256:aa" }]

[[package]]
name = "first"
version = "2"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://files.pythonhosted.org/first", hash = "sha256:bb" }
"""
FAULT = {"name": "first", "version": "1", "vulns": [{"id": "PYSEC-0000-1"}]}
CLEAN = {"name": "first", "version": "1", "vulns": []}
SKIPPED = {"name": "first", "version": "1", "skip_reason": "not found"}


def report(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": packages})


@pytest.mark.parametrize(
    "first, second, status, told",
    [
        (report(CLEAN), report(CLEAN), 0, "2 of 2 locked packages audited, 0 with"),
        (report(FAULT), report(CLEAN), 1, "first 1: PYSEC-0000-1"),
        (report(CLEAN), report(SKIPPED), 1, "1 of 2 locked packages audited"),
        (report(CLEAN), "", 1, "1 of 2 locked packages audited"),
        (report(SKIPPED), report(SKIPPED), 3, "nothing is known"),
        (report(), report(), 3, "nothing is known"),
        ("No known vulnerabilities found", "", 3, "nothing is known"),
    ],
    ids=["clean", "vulnerable", "one skipped", "half", "all skipped", "none", "no report"],
)
def test_f80_only_an_audit_that_looked_at_everything_passes(
    tmp_path: Path, first: str, second: str, status: int, told: str
) -> None:
    (tmp_path / "uv.lock").write_text(LOCK)
    program = tmp_path / "pip-audit"
    program.write_text(
        "#!/bin/sh\nfor list; do :; done\n"
        f"if grep -q first==1 \"$list\"; then echo '{first}'; else echo '{second}'; fi\n"
    )
    program.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, AUDIT, "--lock", tmp_path / "uv.lock", "--program", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, told in ended.stdout) == (status, True), ended.stdout


@pytest.mark.slow
def test_f80_pip_audit_without_a_network_does_not_pass(tmp_path: Path) -> None:
    """The program itself, its way out blocked."""
    (tmp_path / "uv.lock").write_text(LOCK)
    blocked = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, AUDIT, "--lock", tmp_path / "uv.lock"],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **blocked},
    )  # fmt: skip
    assert ended.returncode == 3
    assert "nothing is known" in ended.stdout


def test_f80_the_locks_every_package_has_its_digest() -> None:
    namespace: dict[str, object] = {"__file__": str(AUDIT), "__name__": "audit"}
    exec(compile(AUDIT.read_text("utf-8"), AUDIT, "exec"), namespace)
    lists = namespace["requirements"](CHECKOUT / "uv.lock")  # type: ignore[operator]
    lines = [line for listed in lists for line in listed.values()]
    assert len(lines) > 100
    assert [line for line in lines if "--hash=sha256:" not in line] == []

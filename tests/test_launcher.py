"""The launcher keeps its promises; uv and Python are stood in for by small scripts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$@" >> "{log}"
sleep "${{SLOW:-0}}"
[ -z "${{BROKEN:-}}" ] || exit 1
case $1 in sync | venv) mkdir -p "{env}/bin" && ln -sf "{python}" "{env}/bin/python" ;; esac
"""
PYTHON_WITHOUT_PIP = """#!/bin/sh
case "$1 $2" in "-m venv" | "-m pip") exit 1 ;; *sys.executable*) echo "$0"; exit ;; esac
exec "{python}" "$@"
"""
BROKEN = "#!/bin/sh\nexit 1\n"


class Machine:
    """A checkout, a home and a PATH of their own, in a folder with a space in its name."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "check out"
        self.home = folder / "ho me"
        self.programs = folder / "bin"
        self.elsewhere = folder / "elsewhere"
        self.log = folder / "uv.log"
        for made in (self.checkout, self.programs, self.elsewhere):
            made.mkdir()
        for name in ("zhike", "uv.lock", "pyproject.toml"):
            shutil.copy(CHECKOUT / name, self.checkout)

    def give(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(
            script.format(log=self.log, env=self.home / "env", python=sys.executable)
        )
        program.chmod(0o755)

    def command(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.checkout / "zhike", *words],
            env={"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.elsewhere),
                 "ZHIKE_HOME": str(self.home), **environment},
            cwd=self.elsewhere, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        process = self.command(*words, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def uv_calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.give("uv", UV)
    made.give("python3.13", BROKEN)
    made.give("python3.12", '#!/bin/sh\nexec "{python}" "$@"')
    return made


def test_the_first_call_makes_the_environment_and_the_second_does_not(machine: Machine) -> None:
    for _ in range(2):
        assert machine.run("json.tool", "--help")[0] == 0
    [call] = machine.uv_calls
    assert call.startswith("sync --frozen --inexact --no-install-project --no-default-groups")


def test_a_changed_lock_is_synced_once(machine: Machine) -> None:
    machine.run("json.tool", "--help")
    with (machine.checkout / "uv.lock").open("a") as lock:
        lock.write("\n")
    for _ in range(2):
        machine.run("json.tool", "--help")
    assert len(machine.uv_calls) == 2


def test_a_sync_that_failed_is_tried_again(machine: Machine) -> None:
    status, _, err = machine.run("json.tool", "--help", BROKEN="yes")
    assert status == 1
    assert "the environment could not be made" in err
    assert machine.run("json.tool", "--help")[0] == 0


def test_two_first_calls_at_once_make_one_environment(machine: Machine) -> None:
    calls = [machine.command("json.tool", "--help", SLOW="1") for _ in range(2)]
    for call in calls:
        call.communicate(timeout=60)
    assert [call.returncode for call in calls] == [0, 0]
    assert len(machine.uv_calls) == 1


def test_only_tests_need_test_packages(machine: Machine) -> None:
    machine.run("demo", "--help")
    machine.run("test", "--help")
    run, test = machine.uv_calls
    assert "--group dev" not in run
    assert "--group dev" in test


def test_what_tests_run_in_runs_the_rest_too(machine: Machine) -> None:
    machine.run("test", "--help")
    machine.run("json.tool", "--help")
    assert len(machine.uv_calls) == 1


def test_extras_are_installed_on_request(machine: Machine) -> None:
    machine.run("json.tool", "--help", ZHIKE_EXTRAS="spark")
    assert "--extra spark" in machine.uv_calls[0]


@pytest.mark.parametrize(
    "setting",
    [
        {"PIP_INDEX_URL": "http://127.0.0.1:1/simple"},
        {"UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple"},
        {"PIP_NO_INDEX": "1"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_machine_with_an_index_of_its_own_installs_from_it(
    machine: Machine, setting: dict[str, str]
) -> None:
    machine.run("json.tool", "--help", **setting)
    assert [call.split()[0] for call in machine.uv_calls] == ["venv", "export", "pip"]
    assert "--require-hashes" in machine.uv_calls[-1]


def test_the_caller_stays_in_their_directory(machine: Machine) -> None:
    machine.run("json.tool", "--help")
    (machine.checkout / "where.py").write_text(
        "import os, sys\nprint(os.getcwd(), sys.argv[1:], sys.flags.safe_path)"
    )
    _, out, _ = machine.run("where", "a b", "*")
    assert out.strip() == f"{machine.elsewhere} ['a b', '*'] True"


def test_mlflow_finds_its_store_under_home(machine: Machine) -> None:
    (machine.checkout / "where.py").write_text(
        "import os\nprint(os.environ['MLFLOW_TRACKING_URI'], os.environ['PATH'])"
    )
    _, out, _ = machine.run("where")
    assert out.startswith(f"sqlite:///{machine.home}/mlflow.db {machine.home}/env/bin:")
    _, out, _ = machine.run("where", MLFLOW_TRACKING_URI="http://127.0.0.1:5000")
    assert out.startswith("http://127.0.0.1:5000 ")


def test_it_can_be_called_through_a_link(machine: Machine) -> None:
    link = machine.elsewhere / "zhike"
    link.symlink_to(os.path.relpath(machine.checkout / "zhike", machine.elsewhere))
    machine.checkout, shown = machine.elsewhere, machine.checkout
    (shown / "where.py").write_text("print(__file__)")
    assert machine.run("where")[1].strip() == str(shown / "where.py")


def test_a_python_without_venv_and_pip_is_told_what_to_install(machine: Machine) -> None:
    machine.give("uv", BROKEN)  # hides one that is installed here
    machine.give("python3.13", PYTHON_WITHOUT_PIP)
    status, _, err = machine.run("demo")
    assert status == 1
    assert "apt install python3-venv" in err
    assert "Traceback" not in err


def test_a_machine_without_a_recent_python_is_told_so(machine: Machine) -> None:
    for name in ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"):
        machine.give(name, BROKEN)
    status, _, err = machine.run("demo")
    assert status == 1
    assert err == (
        "zhike: needs Python 3.11 or later on PATH (Debian, Ubuntu: apt install python3)\n"
    )


@pytest.mark.parametrize("words", [(), ("help",), ("--help",)])
def test_help_installs_nothing(machine: Machine, words: tuple[str, ...]) -> None:
    status, out, _ = machine.run(*words)
    assert status == 0
    assert out.startswith("usage: ./zhike demo")
    assert machine.uv_calls == []

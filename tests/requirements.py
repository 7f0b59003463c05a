"""Say what a test needs of the machine; skip it where that is missing, fail it where it is required.

A test marked `postgres`, `java`, `spark`, `chromium` or `data` is skipped, with the reason, on a
machine that lacks the thing. ZHIKE_REQUIRE=postgres,data turns those skips into failures,
so that a green run cannot hide what never ran.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

CHECKOUT = Path(__file__).resolve().parent.parent

_database_numbers = count(1)


def real_data_folder() -> Path:
    named = os.environ.get("ZHIKE_REAL_DATA")
    return Path(named) if named else CHECKOUT.parent / "shared" / "data"


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server programs, the newest where there are several."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        folders.append(Path(asked.stdout.strip()))
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(installed, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def missing_postgres() -> str | None:
    return (
        None if postgres_programs() else "PostgreSQL's server programs (initdb) are not installed"
    )


def missing_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        return "no Java runtime is installed"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if version is None or int(version[1]) < 17:
        return "the Java runtime is older than 17"
    return None


def missing_spark() -> str | None:
    return None if find_spec("pyspark") else "pyspark is not installed; it is the extra spark"


def missing_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return None if any(map(shutil.which, names)) else "Chromium is not installed"


def missing_data() -> str | None:
    folder = real_data_folder()
    return None if folder.is_dir() else f"{folder} does not exist; name yours with ZHIKE_REAL_DATA"


MISSING: dict[str, Callable[[], str | None]] = {
    "postgres": missing_postgres,
    "java": missing_java,
    "spark": missing_spark,
    "chromium": missing_chromium,
    "data": missing_data,
}


def required() -> set[str]:
    return {name.strip() for name in os.environ.get("ZHIKE_REQUIRE", "").split(",")} - {""}


def demand(name: str) -> None:
    """Skip the running test, or fail it, if this machine lacks what is named."""
    reason = MISSING[name]()
    if reason is None:
        return
    if name in required():
        pytest.fail(f"{name} is required here (ZHIKE_REQUIRE): {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


def pytest_configure() -> None:
    if unknown := required() - MISSING.keys():
        raise pytest.UsageError(
            f"ZHIKE_REQUIRE names {', '.join(sorted(unknown))}; known are {', '.join(MISSING)}"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in MISSING:
        if item.get_closest_marker(name):
            demand(name)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets."""
    demand("data")
    return real_data_folder()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[URL]:
    """A private PostgreSQL cluster, reachable through its own socket only."""
    demand("postgres")
    programs = postgres_programs()
    assert programs is not None
    owner = unprivileged_user()
    # A socket's path may have 107 bytes: not under pytest's long folder names.
    with tempfile.TemporaryDirectory(prefix="zhike-pg-", dir="/tmp") as folder:
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        server = start_postgres(programs, Path(folder), owner)
        try:
            url = URL.create(
                "postgresql+psycopg", "zhike", database="postgres", query={"host": folder}
            )
            wait_until_it_answers(server, url, Path(folder) / "log")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
            server.wait(timeout=30)


@pytest.fixture
def postgres_database(postgres_url: URL) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{next(_database_numbers)}"
    with psycopg.connect(dsn(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield postgres_url.set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run PostgreSQL as: it refuses root."""
    if os.geteuid() != 0:
        return None
    users = {user.pw_name: user for user in pwd.getpwall()}
    return users.get("postgres") or users["nobody"]


def start_postgres(
    programs: Path, folder: Path, owner: pwd.struct_passwd | None
) -> subprocess.Popen[bytes]:
    user, group = (owner.pw_uid, owner.pw_gid) if owner else (None, None)
    extra: list[int] | None = [] if owner else None
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "--pgdata", data, "--username", "zhike", "--auth", "trust",
         "--encoding", "UTF8", "--locale", "C", "--no-sync"],
        check=True, capture_output=True, cwd=folder, user=user, group=group, extra_groups=extra,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"],
            stdout=log, stderr=log, cwd=folder, user=user, group=group, extra_groups=extra,
        )  # fmt: skip


def wait_until_it_answers(server: subprocess.Popen[bytes], url: URL, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(dsn(url)).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"PostgreSQL did not start:\n{log.read_text()}", pytrace=False)


def dsn(url: URL) -> str:
    return f"host={url.query['host']} user={url.username} dbname={url.database}"

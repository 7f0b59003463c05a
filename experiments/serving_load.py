"""How much does the service carry beside MLflow's own scoring server, under the same load?

A simulated bank is trained and published (with --home it is kept there, or taken from there). Our
service and ``mlflow models serve`` then run with two workers each, and one load generator drives
them in turns: 16 connections that ask again at once, then 50 requests a second whatever comes back.
Ours checks the key, reads the profile of a random customer, answers with reasons and has the answer
in the audit chain, durable, before it leaves; theirs predicts from the features sent, and records
nothing. Both answer of the same customers, and before anything is timed the same numbers. Then
ours is overloaded ten times: 160 connections that ask again at once.

Figures of the last line, of the databases asked for the worse one:

``requests_ratio``: one question with reasons, requests a second, ours over theirs.
``p99_ratio``: 99th percentile of the wait in the same phases, ours over theirs.
``four_questions_ratio``: all questions with reasons against their one, requests a second.
``errors``: requests to us that were neither answered nor turned away with 429 or 503.
``p99_ms_at_50``: 99th percentile in ms of our one question at 50 requests a second.
``shed``, ``shed_p99_ms``, ``recovered_s``: of the overload, the share that was turned away, how
soon, and seconds from its end until every request at 50 a second was answered within 50 ms.
``mb_start``, ``mb_end``: memory of our workers after the warm-up and at the end; ``growth_mb`` is
of the one that grew most.
"""

import json
import math
import random
import signal
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from data.database import Database
from data.errors import ConfigurationError, ZhikeError
from data.schema import PROFILES, PUBLICATIONS
from experiments._load import SHED, Measured, Plan, drive
from experiments._postgres import cluster, copied, programs
from experiments._servers import Server, mlflow, zhike
from experiments._servers import run as command
from training.labels import HORIZON, SCORABLE

CUSTOMERS, QUICK_CUSTOMERS, MONTHS, SECONDS = 5_000, 1_500, 48, 30
CONNECTIONS, RATE, TENFOLD, ROUNDS = 16, 50.0, 10, 2
ASKED, CHECKED, SEED = 2_000, 20, 8
WARM, OVERLOADED, WATCHED = 3.0, 5.0, 30.0  # seconds
QUESTION, SOON = "churn", 0.050
DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Asked:
    """The same customers as the three servers' requests have them; the first two need a port."""

    one: list[dict[str, Any]]
    four: list[dict[str, Any]]
    theirs: list[dict[str, Any]]


@dataclass
class Side:
    """What one kind of request came to, over the rounds."""

    phases: list[Measured] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        answered = sum(one.a_second * one.seconds for one in self.phases)
        return float(answered / sum(one.seconds for one in self.phases))

    @property
    def p99(self) -> float:
        waits = [one.waited[one.status == 200] for one in self.phases]
        return float(np.percentile(np.concatenate(waits), 99) * 1e3)

    @property
    def errors(self) -> int:
        return sum(one.errors for one in self.phases)


def run(
    quick: bool = False,
    seconds: int | None = None,
    database: str | None = None,
    customers: int | None = None,
    home: Path | None = None,
) -> dict[str, Any]:
    """Drive both servers; prints a table for each database."""
    seconds = seconds or (3 if quick else SECONDS)
    names = _databases(database or ("sqlite" if quick else "both"))
    # Ended from outside, it stops its servers all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="zhike-load-") as folder, ExitStack() as stack:
        bank = (home or Path(folder) / "home").resolve()
        if not (bank / "zhike.db").exists():
            _made(bank, customers or (QUICK_CUSTOMERS if quick else CUSTOMERS))
        asked = _asked(bank)
        theirs = stack.enter_context(mlflow(bank, QUESTION, Path(folder) / "mlflow.log"))
        found = {}
        for name in names:
            with _served(bank, name, Path(folder)) as (ours, key):
                found[name] = _compared(ours, theirs, asked, key, seconds)
    return {
        **_worst(list(found.values())),
        "seconds": seconds,
        "customers": len(asked.one),
        **found,
    }


def _databases(asked: str) -> list[str]:
    if asked not in (*DATABASES, "both"):
        raise ConfigurationError(f"--database {asked}: choose sqlite, postgresql or both.")
    names = list(DATABASES) if asked == "both" else [asked]
    if "postgresql" in names:
        programs()
    return names


def _made(home: Path, customers: int) -> None:
    print(f"a bank of {customers:,} customers is made, trained and published", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    command(home, "-m", "serving.demo", "--no-serve", "--customers", str(customers),
            "--months", str(MONTHS))  # fmt: skip


@contextmanager
def _served(home: Path, name: str, folder: Path) -> Iterator[tuple[Server, str]]:
    """Our service on a database, and a key to it."""
    with ExitStack() as stack:
        address = stack.enter_context(cluster()) if name == "postgresql" else ""
        if address:
            source, target = Database(f"sqlite:///{home / 'zhike.db'}"), Database(address)
            copied(source, target)
            for one in (source, target):
                one.engine.dispose()
        key = command(home, "-m", "serving", "key", "load", database=address).split()[-1]
        yield stack.enter_context(zhike(home, address, folder / f"{name}.log")), key


def _asked(home: Path) -> Asked:
    """Random customers whom the question fits, and their rows as the model reads them."""
    champion = json.loads((home / "releases" / QUESTION / "champion.json").read_text())
    about = home / "releases" / QUESTION / champion["version"] / "release.json"
    card = json.loads(about.read_text())
    database = Database(f"sqlite:///{home / 'zhike.db'}")
    rows = sa.select(PUBLICATIONS.c.features, PROFILES).join_from(PUBLICATIONS, PROFILES)
    with database.reading() as connection:
        found = connection.execute(rows.where(PUBLICATIONS.c.current)).all()
    database.engine.dispose()
    fitting = [row for row in found if row.standing.get(QUESTION) == SCORABLE]
    if not fitting:
        raise ZhikeError(f"the bank in {home} has no customer whom {QUESTION} fits; make another.")
    chosen = random.Random(SEED).choices(sorted(fitting, key=lambda row: row.customer_id), k=ASKED)
    theirs = []
    for row in chosen:
        known = dict(zip(row.features, np.frombuffer(row.vector, "<f8").tolist(), strict=True))
        known[HORIZON] = card["horizon_days"]
        values = [None if known[f] != known[f] else known[f] for f in card["features"]]
        theirs.append({"dataframe_split": {"columns": card["features"], "data": [values]}})
    return Asked(
        [
            {"customer_id": row.customer_id, "questions": [QUESTION], "contributions": False}
            for row in chosen
        ],
        [{"customer_id": row.customer_id, "contributions": False} for row in chosen],
        theirs,
    )


def _compared(
    ours: Server, theirs: Server, asked: Asked, key: str, seconds: float
) -> dict[str, Any]:
    one, four = (_requests("/v1/scores", bodies, key) for bodies in (asked.one, asked.four))
    rows = _requests("/invocations", asked.theirs)
    _same_numbers(ours, theirs, asked, key)
    kinds = {"one": (ours, one), "theirs": (theirs, rows), "four": (ours, four)}
    for server, requests in kinds.values():
        _drive(Plan(server.port, requests, CONNECTIONS, WARM))
    before = ours.megabytes()
    sides = {name: Side() for name in kinds}
    for _ in range(ROUNDS):
        for name, (server, requests) in kinds.items():
            plan = Plan(server.port, requests, CONNECTIONS, seconds / ROUNDS)
            sides[name].phases.append(_shown(name, _drive(plan)))
    paced = {
        name: _shown(f"{name} at {RATE:.0f}/s", _drive(Plan(kinds[name][0].port, kinds[name][1],
                     CONNECTIONS * TENFOLD, seconds, RATE)))
        for name in ("one", "theirs")
    }  # fmt: skip
    overload = _shown("overload", _drive(Plan(ours.port, one, CONNECTIONS * TENFOLD, OVERLOADED)))
    after = _drive(Plan(ours.port, one, CONNECTIONS * TENFOLD, min(WATCHED, seconds), RATE))
    held = ours.megabytes()
    return {
        "requests_ratio": _rounded(sides["one"].a_second / sides["theirs"].a_second),
        "p99_ratio": _rounded(sides["one"].p99 / sides["theirs"].p99),
        "four_questions_ratio": _rounded(sides["four"].a_second / sides["theirs"].a_second),
        "errors": sides["one"].errors + sides["four"].errors + paced["one"].errors
        + overload.errors + after.errors,
        "p99_ms_at_50": _rounded(paced["one"].milliseconds(99)),
        "shed": _rounded(overload.shed),
        "shed_p99_ms": _rounded(overload.milliseconds(99, *SHED)),
        "recovered_s": _rounded(_recovered(after)),
        "mb_start": [round(one) for one in before],
        "mb_end": [round(one) for one in held],
        "growth_mb": _rounded(max(b - a for a, b in zip(before, held, strict=True))),
        "requests_a_second": {name: round(side.a_second, 1) for name, side in sides.items()},
        "p99_ms": {name: _rounded(side.p99) for name, side in sides.items()},
        "their_errors": sides["theirs"].errors,
        "generator_busy": _rounded(max(p.busy for s in sides.values() for p in s.phases)),
    }  # fmt: skip


def _same_numbers(ours: Server, theirs: Server, asked: Asked, key: str) -> None:
    """Both answer the same of the same customers, or nothing is worth timing.

    Raises:
        ZhikeError: they do not.
    """
    for one, row in list(zip(asked.one, asked.theirs, strict=True))[:CHECKED]:
        our = _post(ours.port, "/v1/scores", one, key)["scores"][QUESTION]["value"]
        [their] = _post(theirs.port, "/invocations", row)["predictions"]
        if our != their:
            raise ZhikeError(f"MLflow answers {their}, we answer {our}, of the same row.")


def _post(port: int, path: str, body: Any, key: str = "") -> Any:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), _headers(key)
    )
    with urllib.request.urlopen(asked, timeout=60) as answered:
        return json.load(answered)


def _headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )


def _requests(path: str, bodies: list[dict[str, Any]], key: str = "") -> list[bytes]:
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(key).items())
    texts = [json.dumps(body, separators=(",", ":")).encode() for body in bodies]
    return [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(text)}\r\n\r\n".encode()
        + text
        for text in texts
    ]


def _drive(plan: Plan) -> Measured:
    """Drive in a process of its own, which shares no interpreter with what is measured."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(drive, plan).result()


def _shown(name: str, found: Measured) -> Measured:
    waits = " ".join(f"p{p} {found.milliseconds(p):.1f}" for p in (50, 95, 99))
    print(
        f"{name:14} {found.a_second:8.1f}/s  {waits} ms  shed {found.shed:.1%} statuses"
        f" {found.statuses}  generator {found.busy:.0%} of a processor",
        flush=True,
    )
    return found


def _recovered(after: Measured) -> float:
    """Seconds until nothing was late or turned away any more."""
    bad = after.due[(after.status != 200) | (after.waited > SOON)]
    return float(bad.max()) if len(bad) else 0.0


def _worst(found: list[dict[str, Any]]) -> dict[str, Any]:
    least = ("requests_ratio", "four_questions_ratio")
    most = ("p99_ratio", "p99_ms_at_50", "shed_p99_ms", "recovered_s", "growth_mb")
    return {
        **{name: min(one[name] for one in found) for name in least},
        **{
            name: max((o[name] for o in found if o[name] is not None), default=None)
            for name in most
        },
        "errors": sum(one["errors"] for one in found),
    }


def _rounded(value: float) -> float | None:
    """Four digits; None for what nothing was measured of, which JSON cannot say otherwise."""
    return float(f"{value:.4g}") if math.isfinite(value) else None

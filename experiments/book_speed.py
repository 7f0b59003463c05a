"""How fast is a whole book scored with all reasons, and in how much memory?

Models are trained on a small simulated bank; then the book of another is scored, 200,000 customers
over 24 months by default, who of its records is whose being told by the truth. Every version that
was trained answers, whatever its gates say of it.

``customers_per_second`` is scoring with all contributions and reasons and writing the parts, from a
snapshot that stands, on the processors there are; building the snapshot, asking the labels where
customers stand, and publishing are told apart. ``share_explaining`` is the processor time that the
same answers take when they are only explained, over that of scoring and writing them. Each phase
has a process of its own, so that its memory is its own.
"""

import multiprocessing
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from data.database import migrated
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse
from experiments._true_bank import truly_identified
from features.spine import newest_as_of
from serving.book import score_book
from serving.book.folder import Book
from serving.book.parts import Parts, matrix
from serving.book.ranking import codes
from serving.book.run import snapshot_of
from serving.scoring import Scorer
from training import actors, life, release
from training.labels import SCORABLE
from training.run import Trained, train

CUSTOMERS, MONTHS, SEED = 200_000, 24, 12
LEARNT_FROM, LEARNT_OVER = 4_000, 48
QUICK_CUSTOMERS, QUICK_MONTHS, QUICK_LEARNT_FROM = 3_000, 12, 1_500
WARM_UP = 600  # rows: compiled loops are loaded before anything is timed
KIBIBYTES_PER_GIGABYTE = 1e6 / 1.024
_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Phase:
    """What one step took: seconds by the clock and of processors."""

    seconds: float
    processor: float


@dataclass(frozen=True)
class Scoring:
    """A book run: its phases, and the memory of its process in GB."""

    customers: int
    models: int
    answers: int
    parts: int
    gigabytes: float
    standing: Phase
    scores: Phase
    publish: Phase


class Steps:
    """Takes the time of each step that a book run reports."""

    def __init__(self) -> None:
        self._began: list[tuple[str, float, float]] = []

    def __call__(self, step: str, done: int, total: int) -> None:
        if not self._began or self._began[-1][0] != step:
            self._began.append((step, time.perf_counter(), time.process_time()))
            print(f"  {step}, load {os.getloadavg()[0]:.1f}", flush=True)

    def phases(self) -> dict[str, Phase]:
        """Step -> what it took; the last one ends now."""
        self("end", 0, 0)
        return {
            step: Phase(until - since, used - before)
            for (step, since, before), (_, until, used) in zip(
                self._began, self._began[1:], strict=False
            )
        }


def taught(home: Path, customers: int) -> None:
    """Train on a small bank every model that its data carry, and let each answer."""
    _at(home)
    files = home / "files"
    simulate(files, customers=customers, months=LEARNT_OVER, seed=SEED)
    load(open_source("simulated", files), Warehouse())
    shutil.rmtree(files)
    database = migrated()
    trainer = actors.available(database, "trainer")
    for outcome in train(Warehouse(), trainer=trainer.name):
        if isinstance(outcome, Trained):
            life.sign_as_trainer(database, outcome.name, outcome.version, trainer)
            release.point_champion(outcome.name, outcome.version)


def delivered(home: Path, customers: int, months: int) -> None:
    """A warehouse whose customers are persons."""
    _at(home)
    files, raw = home / "files", Warehouse(home / "raw")
    simulate(files, customers=customers, months=months, seed=SEED + 1)
    load(open_source("simulated", files), raw)
    truly_identified(raw, files, home / "warehouse")
    shutil.rmtree(files)


def profiled(home: Path) -> tuple[float, float]:
    """Seconds and GB of building the snapshot."""
    _at(home)
    warehouse = Warehouse()
    start = time.perf_counter()
    snapshot_of(warehouse, newest_as_of(warehouse), lambda *_: None)
    return time.perf_counter() - start, _peak()


def scored(home: Path) -> Scoring:
    """Score the book from the snapshot, and publish it."""
    _at(home)
    _warm()
    steps = Steps()
    run = score_book(Warehouse(), migrated(), report=steps)
    took = steps.phases()
    return Scoring(
        customers=run.customers,
        models=len(run.scored),
        answers=sum(run.scored.values()),
        parts=run.parts,
        gigabytes=_peak(),
        **{name: took[name] for name in ("standing", "scores", "publish")},
    )


def explained(home: Path) -> Phase:
    """Explain all the book's answers, every horizon of them, and do nothing else with them."""
    _at(home)
    _warm()
    (folder,) = (path.parent for path in home.glob("books/*/digests.json"))
    parts = Parts(Book(folder), Scorer.load().models, threads=1)
    features = parts.book.snapshot.features
    seconds = processor = 0.0
    for number in range(len(parts.book.spans)):
        values, standing = matrix(parts.profiles(number)), parts.standing(number)
        for name, model in parts.models.items():
            card = model.release.card
            fits = [told == SCORABLE for told in standing[name].to_pylist()]
            rows = values[fits][:, [features.index(f) for f in card.profiled]]
            asked = [model.inputs(rows, h) for h in card.horizons or (card.horizon_days,)]
            since, before = time.perf_counter(), time.process_time()
            for inputs in asked:
                model.explain(inputs)
            seconds += time.perf_counter() - since
            processor += time.process_time() - before
    return Phase(seconds, processor)


def run(
    quick: bool = False, customers: int | None = None, months: int | None = None
) -> dict[str, float]:
    """Make both banks in a folder that is deleted afterwards, and score the larger."""
    customers = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    months = months or (QUICK_MONTHS if quick else MONTHS)
    with tempfile.TemporaryDirectory() as folder:
        small, home = Path(folder) / "small", Path(folder) / "home"
        _apart(taught, small, QUICK_LEARNT_FROM if quick else LEARNT_FROM)
        print(f"trained; load {os.getloadavg()[0]:.1f}", flush=True)
        _apart(delivered, home, customers, months)
        (small / "releases").replace(home / "releases")
        print(f"{customers:,} persons are loaded; load {os.getloadavg()[0]:.1f}", flush=True)
        building, building_gb = _apart(profiled, home)
        print(f"snapshot in {building:.1f} s, {building_gb:.2f} GB", flush=True)
        book = _apart(scored, home)
        alone = _apart(explained, home)
    phases = {**{n: getattr(book, n) for n in ("standing", "scores", "publish")}, "explain": alone}
    for name, phase in phases.items():
        print(f"{name}: {phase.seconds:.1f} s, {phase.processor:.1f} s of processors", flush=True)
    scoring = book.scores
    everything = building + book.standing.seconds + scoring.seconds + book.publish.seconds
    return {
        "customers": book.customers,
        "months": months,
        "models": book.models,
        "answers": book.answers,
        "seconds": round(scoring.seconds, 1),
        "customers_per_second": round(book.customers / scoring.seconds),
        "processor_us_a_customer": round(1e6 * scoring.processor / book.customers),
        "share_explaining": round(alone.processor / scoring.processor, 3),
        "peak_gb": round(book.gigabytes, 2),
        "snapshot_seconds": round(building, 1),
        "snapshot_peak_gb": round(building_gb, 2),
        "standing_seconds": round(book.standing.seconds, 1),
        "publish_seconds": round(book.publish.seconds, 1),
        "customers_per_second_with_all": round(book.customers / everything),
    }


def _at(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    os.environ |= {"ZHIKE_HOME": str(home), "ZHIKE_DATABASE_URL": "", "ZHIKE_TRACKING_URI": ""}


def _warm() -> None:
    """Load the compiled loops."""
    for model in Scorer.load().models.values():
        rows = model.release.golden_rows.repeat(-(-WARM_UP // len(model.release.golden_rows)), 0)
        codes(model.explain(rows)[1], model.release.card.features)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_GIGABYTE


def _apart(ask: Callable[_Asked, _Answer], *args: _Asked.args, **named: _Asked.kwargs) -> _Answer:
    """Ask in a process of its own, which has the memory of nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(ask, *args, **named).result()

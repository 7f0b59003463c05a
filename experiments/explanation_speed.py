"""How fast is an explanation? Our kernel beside LightGBM's, shap's and woodelf's, on one model.

``batch_ratio`` is the time of LightGBM's ``pred_contrib`` over ours for 20,000 rows of trees of depth 6
at most, ``batch_ratio_unbounded`` the same of any depth, ``single_ratio`` that of one row;
``explain_over_predict`` is our explanation over LightGBM's plain prediction of 20,000 rows, and
``max_abs_difference`` the largest difference of a contribution. woodelf is of the dependency group
``benchmark`` and is left out where it is not installed.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from statistics import median
from typing import Any

import lightgbm as lgb
import numpy as np

from training.shapley import Explainer
from training.trees import Floats, Forest

TREES, LEAVES, FEATURES = 300, 31, 120
PATIENCE = 60.0  # seconds; what would take longer is reckoned from fewer rows and marked "~"


@dataclass
class Bench:
    """One model, its rows and everything that can explain them."""

    depth: int
    booster: lgb.Booster
    explainer: Explainer
    rows: Floats
    peers: dict[str, Callable[[Floats], Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "unbounded depth" if self.depth < 0 else f"depth <= {self.depth}"


def made_up(count: int, seed: int) -> tuple[Floats, Floats]:
    """Customers with the habits of bank data: skewed amounts, counts, interactions, gaps."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(count, FEATURES))
    rows[:, :20] = np.exp(rows[:, :20])
    rows[:, 20:40] = draw.poisson(2.0, size=(count, 20))
    weights = draw.normal(size=FEATURES) * (draw.random(FEATURES) < 0.5)
    score = 0.4 * np.tanh(rows) @ weights + 0.6 * rows[:, 45] * rows[:, 46]
    score += 0.5 * (rows[:, 21] > 2) * rows[:, 50] + 0.4 * np.sin(2 * rows[:, 60])
    target = (score - np.median(score) + draw.logistic(size=count) > 0).astype(np.float64)
    rows[draw.random(rows.shape) < 0.08] = np.nan
    return rows, target


def bench(depth: int, trees: int, count: int) -> Bench:
    rows, target = made_up(40_000, seed=7)
    parameters = {
        "objective": "binary", "num_leaves": LEAVES, "max_depth": depth, "learning_rate": 0.05,
        "verbose": -1, "seed": 1, "deterministic": True,
    }  # fmt: skip
    text = lgb.train(parameters, lgb.Dataset(rows, target), trees).model_to_string()
    booster = lgb.Booster(model_str=text)
    begin = time.perf_counter()
    explainer = Explainer(Forest.from_text(text))
    made = Bench(depth, booster, explainer, np.tile(rows, (-(-count // len(rows)), 1))[:count])
    print(
        f"\n{trees} trees x {LEAVES} leaves x {FEATURES} features, {made.name}: read and prepared "
        f"in {time.perf_counter() - begin:.2f} s, tables {explainer.table_bytes / 2**20:.0f} MiB, "
        f"{explainer.lone_leaves} leaves without a table"
    )
    made.peers = {"pred_contrib": lambda rows: booster.predict(rows, pred_contrib=True)}
    made.peers |= installed_peers(booster)
    return made


def installed_peers(booster: lgb.Booster) -> dict[str, Callable[[Floats], Any]]:
    """Shap and woodelf, each where it is installed."""
    peers: dict[str, Callable[[Floats], Any]] = {}
    if importlib.util.find_spec("shap"):
        tree = importlib.import_module("shap").TreeExplainer(booster)
        peers["shap.TreeExplainer"] = lambda rows: tree.shap_values(rows)
    if importlib.util.find_spec("woodelf"):
        pandas = importlib.import_module("pandas")
        names = booster.feature_name()
        elf = importlib.import_module("woodelf").WoodelfExplainer(booster)
        peers["woodelf"] = lambda rows: elf.shap_values(pandas.DataFrame(rows, columns=names))
    return peers


def quiet(work: Callable[[], Any]) -> Callable[[], Any]:
    """Without the progress bars that some draw."""

    def hushed() -> None:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            work()

    return hushed


def seconds(work: Callable[[], Any], calls: int = 1) -> float:
    time.sleep(0.02)  # LightGBM's threads go on spinning for a while after their work
    begin = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - begin) / calls


def together(works: dict[str, Callable[[], Any]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Median seconds of each, taken in turns, so that a busy machine slows all alike.

    A first call does not count where there are more; what takes long is called less.
    """
    first = {name: seconds(work) for name, work in works.items()} if rounds > 2 else {}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            slow = first.get(name, 0.0) > 0.1
            if not slow or number < 2:
                taken[name].append(seconds(work, 1 if slow else calls))
    return {name: median(values) for name, values in taken.items()}


def reckoned(known: list[tuple[int, float]], count: int) -> float:
    """Seconds for `count` rows on the line through the two largest batches so far."""
    if len(known) < 2:
        return 0.0
    (few, less), (many, more) = known[-2:]
    return more + max(0.0, more - less) / (many - few) * (count - many)


def measure(made: Bench, count: int, known: dict[str, list[tuple[int, float]]]) -> dict[str, float]:
    """Seconds by method for `count` rows; `known` holds those of smaller batches."""
    rows = made.rows[:count]
    ours: dict[str, Callable[[], Any]] = {
        "Zhike": lambda: made.explainer.explain(rows),
        "Booster.predict": lambda: made.booster.predict(rows, raw_score=True),
        "Forest.margin": lambda: made.explainer.forest.margin(rows),
    }
    expected = {name: reckoned(known[name], count) for name in made.peers}
    slow = {name for name, wait in expected.items() if wait > PATIENCE}
    for name, peer in made.peers.items():
        if name not in slow:
            ours[name] = quiet(partial(peer, rows))
    if count == 1:  # starting threads for one row is no fair price for LightGBM
        ours["pred_contrib, one thread"] = lambda: made.booster.predict(
            rows, pred_contrib=True, num_threads=1
        )
    rounds = 15 if count <= 100 else 1 if len(made.peers) > len(slow) else 5
    taken = together(ours, rounds, calls=15 if count == 1 else 1)
    return taken | {f"~ {name}": expected[name] for name in slow}


def show(made: Bench, count: int, taken: dict[str, float]) -> None:
    for name, value in taken.items():
        ratio = value / taken["Zhike"]
        print(f"{made.name:16} {count:>8,} {name:26} {value / count * 1e6:>12,.2f} {ratio:>9,.2f}")


def largest_difference(made: Bench, rows: Floats) -> float:
    """Of contributions and base value from LightGBM's; the margins must be its own bits."""
    margins, ours = made.explainer.explain(rows)
    told = np.asarray(made.booster.predict(rows, pred_contrib=True))
    if not np.array_equal(margins, np.asarray(made.booster.predict(rows, raw_score=True))):
        raise AssertionError("The margins are not LightGBM's to the last bit.")
    base = float(np.abs(told[:, -1] - made.explainer.base_value).max())
    return max(base, float(np.abs(ours - told[:, :-1]).max()))


def batch_ratios(made: Bench, count: int, rounds: int = 2) -> tuple[float, float]:
    """pred_contrib and explaining over predicting, each pair taken in turns."""
    rows = made.rows[:count]
    taken = together(
        {
            "explain": lambda: made.explainer.explain(rows),
            "predict": lambda: made.booster.predict(rows, raw_score=True),
            "contrib": lambda: made.booster.predict(rows, pred_contrib=True),
        },
        rounds,
    )
    return taken["contrib"] / taken["explain"], taken["explain"] / taken["predict"]


def run(quick: bool = False) -> dict[str, float]:
    """Print the table; the ratios that the project reaches for.

    `batch_ratio` and `batch_ratio_unbounded` are LightGBM's pred_contrib over ours for
    20,000 rows (2,000 when quick), `single_ratio` the same for one row with the faster
    of LightGBM's two ways, and the smaller of both depths; `explain_over_predict` is
    ours over Booster.predict, and `max_abs_difference` from pred_contrib, the larger.
    """
    counts = [1, 100, 2_000] if quick else [1, 100, 20_000, 200_000]
    batch = counts[2]
    ratios: dict[int, tuple[float, float]] = {}
    singles, differences = [], []
    for depth in (6, -1):
        made = bench(depth, 60 if quick else TREES, counts[-1])
        print(f"{'model':16} {'rows':>8} {'method':26} {'us a row':>12} {'/ Zhike':>9}")
        known: dict[str, list[tuple[int, float]]] = {name: [] for name in made.peers}
        for count in counts:
            taken = measure(made, count, known)
            show(made, count, taken)
            for name in made.peers.keys() & taken.keys():
                known[name].append((count, taken[name]))
            if count == 1:
                theirs = min(taken["pred_contrib"], taken["pred_contrib, one thread"])
                singles.append(theirs / taken["Zhike"])
        ratios[depth] = batch_ratios(made, batch)
        differences.append(largest_difference(made, made.rows[: min(batch, 5_000)]))
    return {
        "batch_ratio": ratios[6][0],
        "batch_ratio_unbounded": ratios[-1][0],
        "single_ratio": min(singles),
        "explain_over_predict": max(over for _, over in ratios.values()),
        "max_abs_difference": max(differences),
    }

"""The pictures on a model card: PNGs in base64, one style."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from features.definition import Array

INK, MODEL, OTHER, GRID = "#23303f", "#1f5f8b", "#c8602b", "#dfe5ea"
Rows = Sequence[dict[str, float]]


def reliability(rows: Rows, unit: str) -> str:
    """Observed against expected by tenth of the score, with intervals."""
    figure, axes = _figure()
    expected = np.array([row["expected"] for row in rows])
    observed = np.array([row["observed"] for row in rows])
    reach = np.array(
        [[r["observed"] - r["low"] for r in rows], [r["high"] - r["observed"] for r in rows]]
    )
    ends = min(expected.min(), observed.min()), max(expected.max(), observed.max())
    axes.plot(ends, ends, color=OTHER, linewidth=1.2, linestyle="--", label="as expected")
    axes.errorbar(
        expected,
        observed,
        yerr=np.maximum(reach, 0),
        fmt="o",
        color=MODEL,
        markersize=5,
        capsize=3,
        linewidth=1.2,
        label="observed, 95 % interval",
    )
    _named(axes, f"expected ({unit})", f"observed ({unit})", unit)
    axes.xaxis.set_major_formatter(_formatter(unit))
    return encoded(figure)


def lift(rows: Rows, answer: str) -> str:
    """Lift by tenth, and the share of all events (or money) captured."""
    figure, axes = _figure()
    tenths = [row["tenth"] for row in rows]
    axes.bar(tenths, [row["lift"] for row in rows], color=MODEL, width=0.72, label="lift")
    axes.axhline(1.0, color=OTHER, linewidth=1.2, linestyle="--", label="no model")
    axes.set_xticks(tenths)
    _named(axes, "tenth of the test rows, best scored first", "lift over the mean", "")
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="center right")
    beside = axes.twinx()
    beside.plot(
        tenths,
        [row["captured"] for row in rows],
        color=INK,
        marker="o",
        markersize=4,
        linewidth=1.4,
    )
    what = "money" if answer == "money" else "events"
    beside.set_ylabel(f"share of {what} captured (line)", color=INK)
    beside.yaxis.set_major_formatter(_formatter("probability"))
    beside.set_ylim(0, None)
    for side in ("top", "left", "bottom", "right"):
        beside.spines[side].set_visible(False)
    beside.tick_params(colors=INK, length=0)
    return encoded(figure)


def scores(train: Array, test: Array, unit: str) -> str:
    """How the scores of the training and of the test rows are spread."""
    figure, axes = _figure()
    both = np.concatenate([train, test])
    low, high = (float(q) for q in np.quantile(both, [0.005, 0.99]))
    edges = np.linspace(low, high if high > low else low + 1, 41)
    for sample, colour, label in ((train, OTHER, "training"), (test, MODEL, "test")):
        counts, _ = np.histogram(np.clip(sample, edges[0], edges[-1]), edges)
        axes.stairs(counts / len(sample), edges, color=colour, linewidth=1.6, label=label)
    _named(axes, f"score ({unit})", "share of rows", "probability")
    axes.xaxis.set_major_formatter(_formatter(unit))
    return encoded(figure)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 3.7))  # fixed margins: to compute them is to draw twice
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.16, right=0.87, bottom=0.15, top=0.97)
    return figure, figure.subplots()


def _named(axes: Axes, x: str, y: str, unit: str) -> None:
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    if unit:
        axes.yaxis.set_major_formatter(_formatter(unit))
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)


def _formatter(unit: str) -> FuncFormatter:
    if unit == "probability":
        return FuncFormatter(lambda value, _: f"{100 * value:.3g} %")
    return FuncFormatter(lambda value, _: f"{value:,.0f}")


@contextmanager
def global_figure() -> Iterator[Callable[[], Figure]]:
    """Pyplot's own figure, for a library that draws on nothing else; closed at the end."""
    plt.close("all")
    try:
        yield plt.gcf
    finally:
        plt.close("all")


def encoded(figure: Any) -> str:
    """A figure as PNG in base64."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=110,
        facecolor="white",
        metadata={"Software": None},
        pil_kwargs={"compress_level": 4},
    )
    return base64.b64encode(buffer.getvalue()).decode()

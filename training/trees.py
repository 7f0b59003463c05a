"""LightGBM boosters as plain arrays, and the margin to the last bit."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from training import booster_text, kernels

Floats = kernels.Floats
Longs = kernels.Longs
Ints = kernels.Ints


@dataclass(frozen=True, eq=False)
class Forest:
    """A LightGBM booster as flat, read-only arrays.

    The nodes of tree t are `node_start[t]:node_start[t + 1]` and its leaves
    `leaf_start[t]:leaf_start[t + 1]`; trees of a multiclass booster take turns,
    tree t belonging to class `t % num_class`. A child is the number of a node in
    its own tree, or `-1 - leaf`; a parent's number is always smaller. `kind` says
    how a node decides (see `training.kernels`), and the categories that go left at
    node n are the bits of `categories[category_start[n]:category_start[n + 1]]`.
    """

    digest: str
    objective: str
    feature_names: tuple[str, ...]
    num_class: int
    node_start: Longs
    leaf_start: Longs
    feature: Ints
    threshold: Floats
    kind: npt.NDArray[np.uint8]
    left: Ints
    right: Ints
    category_start: Longs
    categories: npt.NDArray[np.uint32]
    node_count: Longs
    leaf_value: Floats
    leaf_count: Longs

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a booster's text (LightGBM's version v4) without LightGBM.

        Raises ReleaseError for a text that is cut short, altered in its structure or
        inconsistent, and for what is not supported: linear trees, averaged output
        (random forests), other versions. An altered digit of a value can not be
        seen here; the digest, which is the SHA-256 of the text in UTF-8, shows it.
        """
        return cls(**{name: _frozen(value) for name, value in booster_text.read(text).items()})

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.node_start) - 1

    def margin(self, rows: npt.ArrayLike, threads: int | None = None) -> Floats:
        """The booster's raw score, equal to LightGBM's to the last bit.

        `rows` is (n, features); the answer is (n,), or (n, classes) for a multiclass
        booster, on the model's own scale. One row gives the same bits alone, in a
        batch and with any number of threads. Raises ValueError for a wrong shape.
        """
        matrix = self.matrix(rows)
        out = np.empty((len(matrix), self.num_class))
        leaves = kernels.Leaves(self.leaf_start, self.leaf_value, self.left, self.right)
        nodes = self.nodes(self.feature)
        in_blocks(
            lambda begin, end: kernels.margins(matrix, begin, end, nodes, leaves, out),
            len(matrix),
            threads,
        )
        return out[:, 0] if self.num_class == 1 else out

    def nodes(self, column: Ints) -> kernels.Nodes:
        """The inner nodes for compiled code, with `column` the place of a node's feature."""
        return kernels.Nodes(
            self.node_start, column, self.threshold, self.kind, self.category_start, self.categories
        )

    def matrix(self, rows: npt.ArrayLike) -> Floats:
        """`rows` as a read-only, row-major float64 matrix of the booster's width."""
        matrix = np.ascontiguousarray(rows, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != len(self.feature_names):
            raise ValueError(
                f"The model reads rows of {len(self.feature_names)} features; "
                f"these have the shape {matrix.shape}."
            )
        return read_only(matrix)


def in_blocks(work: Callable[[int, int], object], rows: int, threads: int | None = None) -> None:
    """Call `work(begin, end)` over all rows, one thread a core unless told otherwise.

    A single block runs in the calling thread. How rows are dealt out depends on the
    number of rows and threads only in which thread does them, never in the result:
    `work` treats every row by itself.
    """
    blocks = -(-rows // kernels.BLOCK)
    workers = min(cores() if threads is None else max(1, threads), blocks)
    if workers <= 1:
        if rows:
            work(0, rows)
        return
    share = max(1, min(16, blocks // (4 * workers))) * kernels.BLOCK
    begins = range(0, rows, share)
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda begin: work(begin, min(begin + share, rows)), begins):
            pass


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be written through: one type of array for the compiled code."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _frozen(value: Any) -> Any:
    return read_only(value) if isinstance(value, np.ndarray) else value

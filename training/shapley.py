"""Exact path-dependent SHAP values of a forest, at about the price of a prediction."""

import hashlib
import json
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.errors import AdditivityBroken
from training import kernels
from training.branches import lay_out
from training.trees import Floats, Forest, in_blocks, read_only

TABLE_BYTES = 64 << 20
TOLERANCE = 1e-9
FEW = 5  # rows up to which the loop for one row is faster than the loop for blocks
LAYOUT = 1  # raise it when the stored arrays change their meaning

_log = logging.getLogger(__name__)


class Explainer:
    """Contributions of every feature to every margin of a forest.

    The values are those of path-dependent TreeSHAP (Lundberg et al., From local
    explanations to global understanding with explainable AI for trees, 2020), which
    LightGBM gives as `pred_contrib`, to rounding. They are exact: for every row
    `base_value + sum(contributions) = margin` to 1e-9 of max(1, |margin|).

    With a `cache` folder the tables are kept there under the forest's digest and
    mapped into memory, so that all processes share them; a damaged copy is noticed
    and made again. `table_bytes` bounds them: leaves that find no room are worked out
    for each row, several times slower and just as exactly.
    Raises ReleaseError if a leaf has a count of no training rows.
    """

    def __init__(
        self, forest: Forest, cache: Path | None = None, table_bytes: int = TABLE_BYTES
    ) -> None:
        self.forest = forest
        self._branches = _stored(forest, cache, table_bytes)
        self.base_values = _base_values(forest)
        column = np.searchsorted(self._branches.features, forest.feature)
        self._nodes = forest.nodes(read_only(column.astype(np.int32)))
        for rows in (
            1,
            FEW + 1,
        ):  # loads or compiles both loops now, so that no answer waits for it
            self.explain(np.zeros((rows, len(forest.feature_names))))

    @property
    def base_value(self) -> float:
        """The expected margin over the training rows, for a forest with one output."""
        if self.forest.num_class > 1:
            raise ValueError("A multiclass model has one base value a class: base_values.")
        return float(self.base_values[0])

    @property
    def table_bytes(self) -> int:
        """Memory that the tables take."""
        return self._branches.table.nbytes

    @property
    def lone_leaves(self) -> int:
        """Leaves that go without a table."""
        return len(self._branches.lone_value)

    def contributions(self, rows: npt.ArrayLike, threads: int | None = None) -> Floats:
        """Contributions (n, features), or (n, classes, features) for a multiclass forest.

        See `explain`.
        """
        return self.explain(rows, threads)[1]

    def explain(self, rows: npt.ArrayLike, threads: int | None = None) -> tuple[Floats, Floats]:
        """Margins and contributions on the model's scale, of rows (n, features).

        Margins are (n,) or (n, classes) and equal `Forest.margin`'s to the last bit.
        One row gives the same bits alone, in a batch and with any number of threads;
        one row alone starts no threads. Raises ValueError for a wrong shape and
        AdditivityBroken if contributions and margin disagree.
        """
        matrix = self.forest.matrix(rows)
        classes = self.forest.num_class
        margins = np.empty((len(matrix), classes))
        contributions = np.empty((len(matrix), classes, matrix.shape[1]))
        if len(matrix) <= FEW:
            for one in map(slice, range(len(matrix)), range(1, len(matrix) + 1)):
                kernels.explain_one(
                    matrix[one], self._nodes, self._branches, margins[one], contributions[one]
                )
        else:
            in_blocks(
                lambda begin, end: kernels.explain_blocks(
                    matrix, begin, end, self._nodes, self._branches, margins, contributions
                ),
                len(matrix),
                threads,
            )
        self._check(margins, contributions)
        if classes == 1:
            return margins[:, 0], contributions[:, 0]
        return margins, contributions

    def _check(self, margins: Floats, contributions: Floats) -> None:
        gap = np.abs(self.base_values + contributions.sum(axis=2) - margins)
        broken = ~(gap <= TOLERANCE * np.maximum(1.0, np.abs(margins)))
        if broken.any():
            row = int(np.argmax(broken.any(axis=1)))
            raise AdditivityBroken(
                f"The contributions of row {row} miss its margin by {gap[row].max():.3g}. "
                "Remove the release's explanation cache and start again."
            )


def _base_values(forest: Forest) -> Floats:
    """LightGBM's expected value: leaf values weighted by their training rows, (classes,)."""
    values = np.zeros(forest.num_class)
    for tree in range(forest.trees):
        leaves = slice(*forest.leaf_start[tree : tree + 2].tolist())
        value, count = forest.leaf_value[leaves].tolist(), forest.leaf_count[leaves].tolist()
        total = sum(count) if len(count) > 1 else 1
        weights = [one / total for one in count] if len(count) > 1 else [1.0]
        expected = 0.0
        for one, weight in zip(value, weights, strict=True):
            expected += weight * one
        values[tree % forest.num_class] += expected
    return values


def _stored(forest: Forest, cache: Path | None, table_bytes: int) -> kernels.Branches:
    if cache is None:
        return lay_out(forest, table_bytes)
    folder = cache / f"{forest.digest}-{LAYOUT}-{table_bytes}"
    known = _load(folder)
    if known is not None:
        return known
    made = lay_out(forest, table_bytes)
    try:
        _save(made, folder)
    except OSError as error:
        _log.warning("Explanation tables are not kept in %s: %s", cache, error)
        return made
    return _load(folder) or made


def _load(folder: Path) -> kernels.Branches | None:
    """The stored arrays, if all are there and none has changed since they were written."""
    try:
        digests = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
        arrays = {}
        for name in kernels.Branches._fields:
            path = folder / f"{name}.npy"
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digests[name]:
                    return None
            arrays[name] = read_only(np.load(path, "r" if name == "table" else None))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kernels.Branches(**arrays)


def _save(branches: kernels.Branches, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    try:
        digests = {}
        for name, array in branches._asdict().items():
            path = draft / f"{name}.npy"
            np.save(path, array)
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        (draft / "digests.json").write_text(json.dumps(digests), encoding="utf-8")
        if folder.exists():  # damaged, or another process was faster: either way ours is good
            shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)

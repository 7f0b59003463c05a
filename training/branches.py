"""Which parts of a forest share a table of contributions, and what each table is made from.

Path-dependent TreeSHAP (Lundberg et al. 2020) sees a leaf as a game among the k
distinct features on the path to it: a feature is met or not, and if it is left out
the row goes on with the training rows' share. The contributions of a leaf therefore
depend on which of the k conditions hold, no more, and fit a table of 2^k rows.
Leaves under one node share the conditions above it, so a whole branch fits one table
whose pattern has a bit for every feature above the branch and every split inside.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

from data.errors import ReleaseError
from training import kernels
from training.trees import Forest, read_only

# Costs where adding one table entry is 1, from timings of forests of 300 trees: a
# condition, a branch, and a factor of a leaf that goes without a table.
_PER_CONDITION, _PER_BRANCH, _PER_FACTOR = 0.2, 2.0, 0.8
# The cost of a kilobyte of table begins with what it pushes out of the processor's
# cache, and is raised until the tables fit their bound.
_KILOBYTE_PRICES = [0.25 * 1.25**step for step in range(60)]

Path = tuple[tuple[int, bool], ...]  # the nodes above, and whether the way goes left


@cache
def gauss_legendre(points: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points and weights on (0, 1), exact for polynomials of degree 2 x points - 1.

    Worked out to forty digits and rounded once, so that every machine has the same
    bits, which a linear algebra library does not promise.
    """
    found = []
    with localcontext() as context:
        context.prec = 40
        for index in range(points):
            x = Decimal(math.cos(math.pi * (index + 0.75) / (points + 0.5)))
            for _ in range(7):  # Newton's steps double the digits
                before, value = Decimal(1), x
                for degree in range(1, points):
                    step = (2 * degree + 1) * x * value - degree * before
                    before, value = value, step / (degree + 1)
                slope = points * (x * value - before) / (x * x - 1)
                x -= value / slope
            found.append((float((1 + x) / 2), float(1 / ((1 - x * x) * slope * slope))))
    return tuple(point for point, _ in found), tuple(weight for _, weight in found)


def rule_points(features: int) -> int:
    """How many points integrate a leaf of so many features exactly."""
    return (features + 1) // 2


class Tree:
    """One tree of a forest: the way to each node and leaf, and what lies below it.

    A vertex is the number of a node, or -1 - leaf.
    """

    def __init__(self, forest: Forest, number: int) -> None:
        nodes = slice(*forest.node_start[number : number + 2].tolist())
        leaves = slice(*forest.leaf_start[number : number + 2].tolist())
        self.feature: list[int] = forest.feature[nodes].tolist()
        self.left: list[int] = forest.left[nodes].tolist()
        self.right: list[int] = forest.right[nodes].tolist()
        self.value: list[float] = forest.leaf_value[leaves].tolist()
        counts = forest.node_count[nodes].tolist() + forest.leaf_count[leaves].tolist()[::-1]
        self.count: list[int] = counts  # a leaf's place counts from the end, like its vertex
        self.root = 0 if self.feature else -1
        if self.feature and min(counts) < 1:
            raise ReleaseError(
                f"Tree {number} has a leaf that no training row reached; "
                "contributions need the number of training rows of every leaf. Train it again."
            )
        self.path: dict[int, Path] = {self.root: ()}
        self.below: dict[int, tuple[int, ...]] = {-1 - leaf: () for leaf in range(len(self.value))}
        for node in range(len(self.feature)):
            self.path[self.left[node]] = (*self.path[node], (node, True))
            self.path[self.right[node]] = (*self.path[node], (node, False))
        for node in reversed(range(len(self.feature))):
            below = self.below[self.left[node]] + self.below[self.right[node]]
            self.below[node] = (node, *below)

    def above(self, vertex: int) -> dict[int, list[tuple[int, bool]]]:
        """The conditions on the way to a vertex, by feature, in order."""
        conditions: dict[int, list[tuple[int, bool]]] = {}
        for node, went_left in self.path[vertex]:
            conditions.setdefault(self.feature[node], []).append((node, went_left))
        return conditions

    def shares(self, leaf: int) -> dict[int, float]:
        """By feature, the share of training rows that go on towards the leaf without it."""
        shares: dict[int, float] = {}
        for node, went_left in self.path[leaf]:
            child = self.left[node] if went_left else self.right[node]
            share = self.count[child] / self.count[node]
            shares[self.feature[node]] = shares.get(self.feature[node], 1.0) * share
        return shares

    def leaves(self, vertex: int) -> list[int]:
        """The leaves at or below a vertex, from left to right."""
        found, waiting = [], [vertex]
        while waiting:
            here = waiting.pop()
            if here < 0:
                found.append(here)
            else:
                waiting += (self.right[here], self.left[here])
        return found


@dataclass
class Shape:
    """What a vertex would cost as one branch."""

    conditions: int
    columns: int

    @property
    def table_bytes(self) -> int:
        return (8 * (self.columns + 1)) << self.conditions

    def cost(self, kilobyte: float) -> float:
        """Of one row with a table, where a kilobyte of table has this price."""
        if self.conditions > kernels.MOST_BITS:
            return math.inf
        work = _PER_BRANCH + _PER_CONDITION * self.conditions + self.columns + 1
        return work + kilobyte * self.table_bytes / 1024

    @property
    def lone_cost(self) -> float:
        """Of one row without a table, for a leaf."""
        return _PER_FACTOR * self.columns * (rule_points(self.columns) + 1) or math.inf


def shapes(tree: Tree) -> dict[int, Shape]:
    found = {}
    for vertex, path in tree.path.items():
        above = {tree.feature[node] for node, _ in path}
        inside = {tree.feature[node] for node in tree.below[vertex]}
        conditions = len(above) + len(tree.below[vertex])
        found[vertex] = Shape(conditions, len(above | inside))
    return found


def divide(tree: Tree, shape: dict[int, Shape], kilobyte: float) -> list[tuple[int, bool]]:
    """The cheapest division of a tree: its parts from left to right, and whether tabulated."""
    best: dict[int, float] = {}
    whole: dict[int, bool] = {}
    for vertex in [*range(-len(tree.value), 0), *reversed(range(len(tree.feature)))]:
        tabulated = shape[vertex].cost(kilobyte)
        if vertex < 0:
            other = shape[vertex].lone_cost
        else:
            other = best[tree.left[vertex]] + best[tree.right[vertex]]
        best[vertex], whole[vertex] = min(tabulated, other), tabulated <= other
    parts, waiting = [], [tree.root]
    while waiting:
        vertex = waiting.pop()
        if vertex < 0 or whole[vertex]:
            parts.append((vertex, whole[vertex]))
        else:
            waiting += (tree.right[vertex], tree.left[vertex])
    return parts


@dataclass
class Draft:
    """The arrays of Branches and Recipes while they grow."""

    columns: dict[int, int]
    classes: int
    ints: dict[str, list[Any]] = field(default_factory=dict)
    floats: dict[str, list[float]] = field(default_factory=dict)
    lone_conditions: list[list[tuple[int, bool]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        starts = (
            "start", "condition_start", "pair_start", "lone_start", "lone_rule", "lone_feature",
            "literal_start", "table_start", "leaf_start", "feature_start",
        )  # fmt: skip
        others = (
            "width", "pair_column", "pair_branch", "pair_entry", "lone_condition", "lone_column",
            "literal_node", "literal_want", "literal_bit", "mask", "want", "place",
        )  # fmt: skip
        self.ints = {name: [0] for name in starts} | {name: [] for name in others}
        floats = ("lone_value", "lone_share", "rule_point", "rule_weight", "value", "share")
        self.floats = {name: [] for name in floats}

    def add_tree(self, tree: Tree, number: int, parts: list[tuple[int, bool]]) -> None:
        offset = number % self.classes * len(self.columns)
        entries: dict[int, list[tuple[int, int]]] = {}
        first = len(self.ints["width"])
        for vertex, tabulated in parts:
            if tabulated:
                branch, entry = len(self.ints["width"]) - first, self.ints["table_start"][-1]
                columns = [offset + column for column in self._add_branch(tree, vertex)]
                columns.append(len(self.columns) * self.classes + number % self.classes)
                for place, column in enumerate(columns):
                    entries.setdefault(column, []).append((branch, entry + place))
            else:
                self._add_lone(tree, vertex, offset)
        for column, found in entries.items():
            for one in range(0, len(found), 2):
                pair = [*found[one : one + 2], (-1, 0)]
                self.ints["pair_column"].append(column)
                self.ints["pair_branch"].append([pair[0][0], pair[1][0]])
                self.ints["pair_entry"].append([pair[0][1], pair[1][1]])
        self.ints["start"].append(len(self.ints["width"]))
        self.ints["pair_start"].append(len(self.ints["pair_column"]))
        self.ints["lone_start"].append(len(self.floats["lone_value"]))

    def _add_condition(self, literals: list[tuple[int, bool]], bit: int) -> None:
        for node, went_left in literals:
            self.ints["literal_node"].append(node)
            self.ints["literal_want"].append(int(went_left))
            self.ints["literal_bit"].append(bit)
        self.ints["literal_start"].append(len(self.ints["literal_node"]))

    def _add_branch(self, tree: Tree, vertex: int) -> list[int]:
        above, inside = tree.above(vertex), sorted(tree.below[vertex])
        conditions = [*above.values(), *([(node, True)] for node in inside)]
        for bit, literals in enumerate(conditions):
            self._add_condition(literals, bit)
        features = list(dict.fromkeys([*above, *(tree.feature[node] for node in inside)]))
        bits = {node: len(above) + place for place, node in enumerate(inside)}
        for leaf in tree.leaves(vertex):
            own = tree.path[leaf][len(tree.path[vertex]) :]
            for feature, share in tree.shares(leaf).items():
                mask = 1 << list(above).index(feature) if feature in above else 0
                want = mask
                for node, went_left in own:
                    if tree.feature[node] == feature:
                        mask |= 1 << bits[node]
                        want |= went_left << bits[node]
                self.floats["share"].append(share)
                self.ints["mask"].append(mask)
                self.ints["want"].append(want)
                self.ints["place"].append(features.index(feature))
            self.floats["value"].append(tree.value[-1 - leaf])
            self.ints["feature_start"].append(len(self.floats["share"]))
        self.ints["leaf_start"].append(len(self.floats["value"]))
        patterns = 1 << (len(above) + len(inside))
        self.ints["width"].append(len(features) + 1)
        self.ints["table_start"].append(
            self.ints["table_start"][-1] + patterns * (len(features) + 1)
        )
        self.ints["condition_start"].append(len(self.ints["literal_start"]) - 1)
        return [self.columns[feature] for feature in features]

    def _add_lone(self, tree: Tree, leaf: int, offset: int) -> None:
        shares = tree.shares(leaf)
        self.ints["lone_condition"].append(len(self.lone_conditions))
        self.lone_conditions += tree.above(leaf).values()
        self.floats["lone_value"].append(tree.value[-1 - leaf])
        self.floats["lone_share"] += shares.values()
        self.ints["lone_column"] += [offset + self.columns[feature] for feature in shares]
        points, weights = gauss_legendre(rule_points(len(shares)))
        self.floats["rule_point"] += points
        self.floats["rule_weight"] += weights
        self.ints["lone_feature"].append(len(self.floats["lone_share"]))
        self.ints["lone_rule"].append(len(self.floats["rule_point"]))

    def finish(self) -> kernels.Branches:
        """Fill the tables; the arrays as the compiled loops want them."""
        first = len(self.ints["literal_start"]) - 1
        self.ints["lone_condition"] = [first + place for place in self.ints["lone_condition"]]
        for literals in self.lone_conditions:
            self._add_condition(literals, 0)
        arrays = {name: np.array(values) for name, values in self.floats.items()}
        for name, values in self.ints.items():
            kind = np.int32 if name in _SHORT else np.int64
            shape = (-1, 2) if name in ("pair_branch", "pair_entry") else (-1,)
            arrays[name] = np.array(values, dtype=kind).reshape(shape)
        flips = np.where(arrays["literal_want"] == 1, kernels.NO, kernels.YES)
        arrays["literal_flip"] = flips.astype(np.uint16)
        arrays["features"] = np.array(list(self.columns), dtype=np.int64)
        arrays["table"] = np.empty(max(1, self.ints["table_start"][-1]))
        rules = [gauss_legendre(rule_points(count)) for count in range(kernels.MOST_BITS + 1)]
        recipes = kernels.Recipes(
            **{name: arrays[name] for name in kernels.Recipes._fields if "rule" not in name},
            rule_start=np.cumsum([0, *(len(points) for points, _ in rules)]),
            rule_point=np.array([point for points, _ in rules for point in points]),
            rule_weight=np.array([weight for _, weights in rules for weight in weights]),
        )
        kernels.fill_tables(recipes, arrays["condition_start"], arrays["width"], arrays["table"])
        fields = {name: read_only(arrays[name]) for name in kernels.Branches._fields}
        return kernels.Branches(**fields)


_SHORT = {"pair_column", "pair_branch", "lone_column", "literal_node"}


def lay_out(forest: Forest, table_bytes: int) -> kernels.Branches:
    """Tables for all branches of a forest, together at most `table_bytes` large.

    Where the bound leaves no room, the tables that save least for their size are
    given up, and their leaves go without. Raises ReleaseError for a leaf that no training row reached.
    """
    trees = [Tree(forest, number) for number in range(forest.trees)]
    shape = [shapes(tree) for tree in trees]
    for kilobyte in _KILOBYTE_PRICES:
        parts = [divide(tree, known, kilobyte) for tree, known in zip(trees, shape, strict=True)]
        size = sum(
            known[vertex].table_bytes
            for known, division in zip(shape, parts, strict=True)
            for vertex, tabulated in division
            if tabulated
        )
        if size <= table_bytes:
            break
    used = np.unique(forest.feature).tolist()
    draft = Draft({feature: column for column, feature in enumerate(used)}, forest.num_class)
    for number, (tree, division) in enumerate(zip(trees, parts, strict=True)):
        draft.add_tree(tree, number, division)
    return draft.finish()

"""The compiled loops behind margins and contributions, all in one file.

They are compiled once and cached on disk by numba, whose cache notices a change in
the file of a function but not in the files of the functions it calls: hence one
file. No fast-math and no sum that a compiler may reorder, so that one row gives the
same bits alone, in a batch and with any number of threads.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint16]

# How a node sends a row to the left: LightGBM's decision_type with the missing
# type, the default direction and the sign of the threshold already worked in.
NAN_RIGHT, NAN_LEFT, ZERO_RIGHT, ZERO_LEFT, CATEGORY = range(5)
ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: what counts as zero
BLOCK = 512  # rows; decides the speed, never the bits
MOST_BITS = 15  # of a pattern, which is a 16-bit word

YES = np.uint16(0xFFFF)
NO = np.uint16(0)


class Nodes(NamedTuple):
    """The inner nodes of all trees; `column` is the place of the feature in a row."""

    start: Longs  # (trees + 1,)
    column: Ints
    threshold: Floats
    kind: npt.NDArray[np.uint8]
    category_start: Longs  # (nodes + 1,)
    categories: npt.NDArray[np.uint32]


class Leaves(NamedTuple):
    """The leaves of all trees and the way to them."""

    start: Longs  # (trees + 1,)
    value: Floats
    left: Ints
    right: Ints


class Branches(NamedTuple):
    """Parts of trees whose contributions are tabulated, and leaves that go without a table.

    A condition is a conjunction of literals, a literal being a node of the tree and
    the way it must go. A branch has a pattern of conditions; its
    table has a row for every pattern. A pair adds up to two table entries into one
    column of the answer: the columns are class x feature, then one margin a class.
    """

    features: Longs  # (used,) numbers of the features that any tree reads
    start: Longs  # (trees + 1,)
    condition_start: Longs  # (branches + 1,)
    width: Longs  # (branches,) table entries a pattern
    pair_start: Longs  # (trees + 1,)
    pair_column: Ints  # (pairs,)
    pair_branch: Ints  # (pairs, 2) number in its tree; -1 for none
    pair_entry: Longs  # (pairs, 2) place in the table for pattern 0
    lone_start: Longs  # (trees + 1,)
    lone_value: Floats  # (lone,)
    lone_condition: Longs  # (lone,) first condition, one a feature
    lone_rule: Longs  # (lone + 1,) first point of its rule
    lone_feature: Longs  # (lone + 1,) where lone_column and lone_share begin
    lone_column: Ints
    lone_share: Floats
    rule_point: Floats
    rule_weight: Floats
    literal_start: Longs  # (conditions + 1,)
    literal_node: Ints
    literal_flip: Masks  # turns the node's decision into whether the literal holds
    literal_want: Longs  # 1 where the node must go left, 0 where right
    literal_bit: Longs  # place of the condition in its branch's pattern
    table: Floats


class Recipes(NamedTuple):
    """What tables are made from: for every leaf of a branch, a share and a test a feature."""

    table_start: Longs  # (branches + 1,)
    leaf_start: Longs  # (branches + 1,)
    value: Floats  # (leaves,)
    feature_start: Longs  # (leaves + 1,)
    share: Floats
    mask: Longs
    want: Longs
    place: Longs
    rule_start: Longs  # (features + 1,) by number of features of the leaf
    rule_point: Floats
    rule_weight: Floats


_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile strictly, cached on disk and free of the interpreter's lock."""
    return cast(_Function, numba.njit(cache=True, nogil=True, fastmath=False)(function))


# A compiled call that passes a tuple of arrays counts a reference for each of them, in
# a counter that all threads share: below, such a call does the work of a whole stage.


@compiled
def in_categories(value: float, words: Any, begin: int, end: int) -> bool:
    """LightGBM's CategoricalDecision: the whole part of `value` is a set bit."""
    if not (value > -1.0 and value < 32.0 * (end - begin)):
        return False
    category = np.int64(value)
    word = np.int64(words[np.uint64(begin + (category >> 5))])
    return bool((word >> (category & 31)) & 1 == 1)


@compiled
def goes_left(
    value: float, kind: int, threshold: float, words: Any, begin: int, end: int
) -> bool:  # fmt: skip
    if kind <= NAN_LEFT:
        return bool((value <= threshold) | ((value != value) & (kind == NAN_LEFT)))
    if kind == CATEGORY:
        return in_categories(value, words, begin, end)
    if value != value or (value >= -ZERO and value <= ZERO):
        return bool(kind == ZERO_LEFT)
    return bool(value <= threshold)


@compiled
def margins(rows: Floats, begin: int, end: int, nodes: Nodes, leaves: Leaves, out: Floats) -> None:
    """Write the sums of leaf values of rows `begin:end` into `out` (rows, classes)."""
    classes = out.shape[1]
    for block in range(begin, end, BLOCK):
        stop = min(block + BLOCK, end)
        out[block:stop] = 0.0
        for tree in range(len(nodes.start) - 1):
            first, leaf, column = nodes.start[tree], leaves.start[tree], tree % classes
            root = np.int64(0 if nodes.start[tree + 1] > first else -1)
            for row in range(block, stop):
                node = root
                while node >= 0:
                    at = np.uint64(first + node)
                    if goes_left(
                        rows[np.uint64(row), np.uint64(nodes.column[at])],
                        nodes.kind[at], nodes.threshold[at], nodes.categories,
                        nodes.category_start[at], nodes.category_start[at + np.uint64(1)],
                    ):  # fmt: skip
                        node = np.int64(leaves.left[at])
                    else:
                        node = np.int64(leaves.right[at])
                out[row, column] += leaves.value[np.uint64(leaf - 1 - node)]


@compiled
def leaf_table(recipes: Recipes, leaf: int) -> Floats:
    """Contributions of one leaf (patterns, features + 1); the last column is its value.

    Owen's integral of the Shapley value, by a Gauss-Legendre rule that is exact for
    a product of so many factors.
    """
    first = recipes.feature_start[leaf]
    features = recipes.feature_start[leaf + 1] - first
    value = recipes.value[leaf]
    table = np.zeros((1 << features, features + 1))
    factor, after = np.empty(features), np.empty(features + 1)
    for pattern in range(1 << features):
        for point in range(recipes.rule_start[features], recipes.rule_start[features + 1]):
            chance = recipes.rule_point[point]
            after[features] = 1.0
            for one in range(features - 1, -1, -1):
                met = chance if (pattern >> one) & 1 else 0.0
                factor[one] = recipes.share[first + one] * (1.0 - chance) + met
                after[one] = after[one + 1] * factor[one]
            before = recipes.rule_weight[point]
            for one in range(features):
                table[pattern, one] += before * after[one + 1]
                before *= factor[one]
        for one in range(features):
            met = 1.0 if (pattern >> one) & 1 else 0.0
            table[pattern, one] *= value * (met - recipes.share[first + one])
    table[(1 << features) - 1, features] = value
    return table


@compiled
def fill_tables(recipes: Recipes, condition_start: Longs, width: Longs, table: Floats) -> None:
    """Add the contributions of every leaf of every branch into the branch's rows."""
    table[:] = 0.0
    for branch in range(len(width)):
        patterns = 1 << (condition_start[branch + 1] - condition_start[branch])
        for leaf in range(recipes.leaf_start[branch], recipes.leaf_start[branch + 1]):
            own = leaf_table(recipes, leaf)
            first = recipes.feature_start[leaf]
            features = recipes.feature_start[leaf + 1] - first
            for pattern in range(patterns):
                met = 0
                for one in range(features):
                    if pattern & recipes.mask[first + one] == recipes.want[first + one]:
                        met |= 1 << one
                row = recipes.table_start[branch] + pattern * width[branch]
                for one in range(features):
                    table[row + recipes.place[first + one]] += own[met, one]
                table[row + width[branch] - 1] += own[met, features]


@compiled
def decide(values: Floats, nodes: Nodes, tree: int, count: int, decided: Masks) -> None:
    """Decide all nodes of a tree for `count` rows held by column: YES is left."""
    first = nodes.start[tree]
    for node in range(first, nodes.start[tree + 1]):
        answer, value = decided[node - first], values[nodes.column[node]]
        kind, threshold = nodes.kind[node], nodes.threshold[node]
        if kind == NAN_RIGHT:
            for row in range(count):
                answer[row] = YES if value[row] <= threshold else NO
        elif kind == NAN_LEFT:
            for row in range(count):
                answer[row] = NO if value[row] > threshold else YES
        else:
            for row in range(count):
                left = goes_left(
                    value[row], kind, threshold, nodes.categories,
                    nodes.category_start[node], nodes.category_start[node + 1],
                )  # fmt: skip
                answer[row] = YES if left else NO


@compiled
def meet(
    literal_node: Ints, literal_flip: Masks, first: int, last: int, decided: Masks, count: int,
    met: Masks,
) -> None:  # fmt: skip
    """Write YES where the condition of literals `first:last` holds, NO elsewhere."""
    answer, flip = decided[literal_node[first]], literal_flip[first]
    for row in range(count):
        met[row] = answer[row] ^ flip
    for literal in range(first + 1, last):
        answer, flip = decided[literal_node[literal]], literal_flip[literal]
        for row in range(count):
            met[row] &= answer[row] ^ flip


@compiled
def find_rows(
    branches: Branches, tree: int, decided: Masks, count: int, met: Masks, pattern: Masks,
    offset: npt.NDArray[np.uint32],
) -> None:  # fmt: skip
    """Write, for every branch of a tree, where each row's entries begin in its table."""
    nodes, flips = branches.literal_node, branches.literal_flip
    for branch in range(branches.start[tree], branches.start[tree + 1]):
        pattern[:count] = NO
        first = branches.condition_start[branch]
        for condition in range(first, branches.condition_start[branch + 1]):
            bit = np.uint16(1 << (condition - first))
            literal, last = branches.literal_start[condition], branches.literal_start[condition + 1]
            if last == literal + 1:
                answer, flip = decided[nodes[literal]], flips[literal]
                for row in range(count):
                    pattern[row] |= (answer[row] ^ flip) & bit
            else:
                meet(nodes, flips, literal, last, decided, count, met)
                for row in range(count):
                    pattern[row] |= met[row] & bit
        width, place = np.uint32(branches.width[branch]), offset[branch - branches.start[tree]]
        for row in range(count):
            place[row] = pattern[row] * width


@compiled
def add_pairs(
    branches: Branches, tree: int, offset: npt.NDArray[np.uint32], count: int, sums: Floats
) -> None:
    """Add the table entries that the offsets point to into the columns of `sums`."""
    table = branches.table
    for pair in range(branches.pair_start[tree], branches.pair_start[tree + 1]):
        column = sums[branches.pair_column[pair]]
        one = offset[branches.pair_branch[pair, 0]]
        table_one = table[branches.pair_entry[pair, 0] :]
        if branches.pair_branch[pair, 1] < 0:
            for row in range(count):
                column[row] += table_one[one[row]]
        else:
            two = offset[branches.pair_branch[pair, 1]]
            table_two = table[branches.pair_entry[pair, 1] :]
            for row in range(count):
                column[row] += table_one[one[row]] + table_two[two[row]]


@compiled
def multiply(
    value: float, shares: Floats, points: Floats, weights: Floats, met: Masks, count: int,
    product: Floats,
) -> None:  # fmt: skip
    """Write the weighted product of all factors of a leaf at every point of its rule."""
    for point in range(len(points)):
        chance, line = points[point], product[point]
        line[:count] = value * weights[point]
        for one in range(len(shares)):
            missed = shares[one] * (1.0 - chance)
            hit, holds = missed + chance, met[one]
            for row in range(count):
                line[row] *= hit if holds[row] else missed


@compiled
def add_lone(
    branches: Branches, tree: int, margin: int, decided: Masks, count: int, met: Masks,
    product: Floats, sums: Floats,
) -> None:  # fmt: skip
    """Add a tree's leaves without a table: the same integral, worked out row by row.

    `met` is (features, rows) and `product` (points, rows), both scratch. The factor
    of a feature is one of two numbers, so the product without it is one
    multiplication by one of two reciprocals.
    """
    for lone in range(branches.lone_start[tree], branches.lone_start[tree + 1]):
        value, condition = branches.lone_value[lone], branches.lone_condition[lone]
        shares = branches.lone_share[branches.lone_feature[lone] : branches.lone_feature[lone + 1]]
        rule = slice(branches.lone_rule[lone], branches.lone_rule[lone + 1])
        points = branches.rule_point[rule]
        met[len(shares), :count] = YES
        for one in range(len(shares)):
            meet(
                branches.literal_node, branches.literal_flip,
                branches.literal_start[condition + one],
                branches.literal_start[condition + one + 1], decided, count, met[one],
            )  # fmt: skip
            met[len(shares), :count] &= met[one, :count]
        every, total = met[len(shares)], sums[margin]
        for row in range(count):
            total[row] += value if every[row] else 0.0
        multiply(value, shares, points, branches.rule_weight[rule], met, count, product)
        for one in range(len(shares)):
            column = sums[branches.lone_column[branches.lone_feature[lone] + one]]
            holds, share = met[one], shares[one]
            for point in range(len(points)):
                line, missed = product[point], share * (1.0 - points[point])
                up, down = (1.0 - share) / (missed + points[point]), -share / missed
                for row in range(count):
                    column[row] += line[row] * (up if holds[row] else down)


@compiled
def widest(starts: Longs) -> int:
    """The largest distance between neighbours, at least 1."""
    most = 1
    for place in range(len(starts) - 1):
        most = max(most, starts[place + 1] - starts[place])
    return most


@compiled
def explain_blocks(
    rows: Floats, begin: int, end: int, nodes: Nodes, branches: Branches,
    margin: Floats, contributions: Floats,
) -> None:  # fmt: skip
    """Explain rows `begin:end`, a block at a time, held by column.

    `margin` is (rows, classes), `contributions` (rows, classes, features).
    """
    used, classes = len(branches.features), margin.shape[1]
    block = min(BLOCK, end - begin)
    values = np.empty((used, block))
    sums = np.empty((classes * used + classes, block))
    decided = np.empty((widest(nodes.start), block), np.uint16)
    met = np.empty((widest(branches.lone_feature) + 1, block), np.uint16)
    product = np.empty((widest(branches.lone_rule), block))
    pattern = np.empty(block, np.uint16)
    offset = np.empty((widest(branches.start), block), np.uint32)
    for at in range(begin, end, block):
        count = min(block, end - at)
        for row in range(count):
            for place in range(used):
                values[place, row] = rows[at + row, branches.features[place]]
        sums[:] = 0.0
        for tree in range(len(nodes.start) - 1):
            decide(values, nodes, tree, count, decided)
            find_rows(branches, tree, decided, count, met[0], pattern, offset)
            add_pairs(branches, tree, offset, count, sums)
            total = classes * used + tree % classes
            if branches.lone_start[tree + 1] > branches.lone_start[tree]:
                add_lone(branches, tree, total, decided, count, met, product, sums)
        for row in range(count):
            contributions[at + row] = 0.0
            for klass in range(classes):
                margin[at + row, klass] = sums[classes * used + klass, row]
                for place in range(used):
                    amount = sums[klass * used + place, row]
                    contributions[at + row, klass, branches.features[place]] = amount


@compiled
def decide_one(row: Floats, nodes: Nodes, features: Longs, decided: Longs) -> None:
    """Decide all nodes of all trees for one row: 1 is left, 0 is right."""
    for node in range(len(nodes.kind)):
        at = np.uint64(node)
        left = goes_left(
            row[np.uint64(features[np.uint64(nodes.column[at])])],
            nodes.kind[at], nodes.threshold[at], nodes.categories,
            nodes.category_start[at], nodes.category_start[at + np.uint64(1)],
        )  # fmt: skip
        decided[at] = np.int64(left)


@compiled
def find_one_row(nodes: Nodes, branches: Branches, decided: Longs, offset: Longs) -> None:
    """`find_rows` for one row and all branches of all trees."""
    for tree in range(len(nodes.start) - 1):
        start = nodes.start[tree]
        for branch in range(branches.start[tree], branches.start[tree + 1]):
            first, last = branches.condition_start[branch], branches.condition_start[branch + 1]
            missed = np.int64(0)
            for literal in range(branches.literal_start[first], branches.literal_start[last]):
                at = np.uint64(literal)
                answer = decided[np.uint64(start + branches.literal_node[at])]
                missed |= (answer ^ branches.literal_want[at]) << branches.literal_bit[at]
            pattern = ((1 << (last - first)) - 1) & ~missed
            offset[np.uint64(branch)] = pattern * branches.width[branch]


@compiled
def add_one(
    nodes: Nodes, branches: Branches, decided: Longs, offset: Longs, classes: int, sums: Floats
) -> None:
    """`add_pairs` and `add_lone` for one row and all trees: the same sums in the same order.

    One long function, because a call for every leaf would cost more than the leaf.
    """
    met = np.empty(widest(branches.lone_feature), np.int64)
    product = np.empty(widest(branches.lone_rule))
    for tree in range(len(nodes.start) - 1):
        first, start = branches.start[tree], nodes.start[tree]
        for pair in range(branches.pair_start[tree], branches.pair_start[tree + 1]):
            at = np.uint64(pair)
            branch = branches.pair_branch[at, np.uint64(0)]
            other = branches.pair_branch[at, np.uint64(1)]
            place = branches.pair_entry[at, np.uint64(0)] + offset[np.uint64(first + branch)]
            amount = branches.table[np.uint64(place)]
            if other >= 0:
                place = branches.pair_entry[at, np.uint64(1)] + offset[np.uint64(first + other)]
                amount += branches.table[np.uint64(place)]
            sums[np.uint64(branches.pair_column[at])] += amount
        for lone in range(branches.lone_start[tree], branches.lone_start[tree + 1]):
            value, condition = branches.lone_value[lone], branches.lone_condition[lone]
            begin, rule = branches.lone_feature[lone], branches.lone_rule[lone]
            features = branches.lone_feature[lone + 1] - begin
            points = branches.lone_rule[lone + 1] - rule
            every = np.int64(1)
            for one in range(features):
                holds = np.int64(1)
                last = branches.literal_start[condition + one + 1]
                for literal in range(branches.literal_start[condition + one], last):
                    answer = decided[start + branches.literal_node[literal]]
                    holds &= 1 ^ answer ^ branches.literal_want[literal]
                met[one] = holds
                every &= holds
            sums[len(sums) - classes + tree % classes] += value if every else 0.0
            for point in range(points):
                chance = branches.rule_point[rule + point]
                line = value * branches.rule_weight[rule + point]
                for one in range(features):
                    missed = branches.lone_share[begin + one] * (1.0 - chance)
                    line *= missed + chance if met[one] else missed
                product[point] = line
            for one in range(features):
                share, column = branches.lone_share[begin + one], branches.lone_column[begin + one]
                over, whole = 1.0 - share if met[one] else -share, sums[column]
                for point in range(points):
                    chance = branches.rule_point[rule + point]
                    under = share * (1.0 - chance) + (chance if met[one] else 0.0)
                    whole += product[point] * (over / under)
                sums[column] = whole


@compiled
def explain_one(
    row: Floats, nodes: Nodes, branches: Branches, margin: Floats, contributions: Floats
) -> None:
    """Explain one row (1, features) with the sums of `explain_blocks` in the same order."""
    used, classes = len(branches.features), margin.shape[1]
    decided, offset = np.empty(len(nodes.kind), np.int64), np.empty(len(branches.width), np.int64)
    sums = np.zeros(classes * used + classes)
    decide_one(row[0], nodes, branches.features, decided)
    find_one_row(nodes, branches, decided, offset)
    add_one(nodes, branches, decided, offset, classes, sums)
    contributions[0] = 0.0
    for klass in range(classes):
        margin[0, klass] = sums[classes * used + klass]
        for place in range(used):
            contributions[0, klass, branches.features[place]] = sums[klass * used + place]

"""The strict reader of a booster's text: all that LightGBM writes, and nothing else."""

import hashlib
import itertools
import json
import math
import re
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from data.errors import ReleaseError
from training import kernels

_INTEGER = r"-?\d{1,18}"
_NUMBER = r"-?\d{1,20}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?"
_INTEGERS = re.compile(rf"(?:{_INTEGER}(?: {_INTEGER})*)?", re.ASCII)
# A split that only parts the missing from the rest has the threshold inf.
_THRESHOLD = rf"(?:{_NUMBER}|inf)"
_THRESHOLDS = re.compile(rf"(?:{_THRESHOLD}(?: {_THRESHOLD})*)?", re.ASCII)
# Statistics of the training, without a part in any answer.
_STATISTIC = rf"(?:{_NUMBER}|-?inf|-?nan)"
_STATISTICS = re.compile(rf"(?:{_STATISTIC}(?: {_STATISTIC})*)?", re.ASCII)
_NUMBERS = re.compile(rf"(?:{_NUMBER}(?: {_NUMBER})*)?", re.ASCII)
_HEADER_KEYS = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx",
    "objective", "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
}  # fmt: skip
_WHOLE = (
    "split_feature", "decision_type", "left_child", "right_child", "internal_count", "leaf_count",
    "cat_boundaries", "cat_threshold",
)  # fmt: skip
_TOLD = ("split_gain", "leaf_weight", "internal_value", "internal_weight", "shrinkage")
_PER_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
_PER_NODE = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip
_TREE_KEYS = {"num_leaves", "num_cat", "is_linear", *_WHOLE, "threshold", "leaf_value", *_TOLD}
_OPTIONAL_TREE_KEYS = {"cat_boundaries", "cat_threshold"}
_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of decision_type, whose higher bits are the missing type
_ZERO_MISSING, _NAN_MISSING = 1, 2


def _refuse(fact: str) -> NoReturn:
    raise ReleaseError(
        f"The booster's text cannot be used: {fact}. Take it from the registry again."
    )


def read(text: str) -> dict[str, Any]:
    """The fields of a Forest. Raises ReleaseError."""
    raw = text.encode("utf-8", errors="surrogatepass")
    head, blank, body = raw.partition(b"\n\n")
    if not blank:
        _refuse("its header does not end")
    header = _read_header(_decoded(head))
    names = tuple(header["feature_names"].split(" "))
    if len(names) != _count(header, "max_feature_idx") + 1 or len(set(names)) != len(names):
        _refuse("feature_names and max_feature_idx disagree")
    for key in ("feature_infos", "monotone_constraints"):
        if key in header and len(header[key].split(" ")) != len(names):
            _refuse(f"{key} does not cover the features")
    classes = _count(header, "num_class")
    sizes = _integers(header["tree_sizes"], "tree_sizes")
    if classes < 1 or _count(header, "num_tree_per_iteration") != classes:
        _refuse("num_class and num_tree_per_iteration disagree")
    if not sizes or min(sizes) < 1 or len(sizes) % classes:
        _refuse("tree_sizes does not give every class its trees")
    trees, begin = [], 0
    for number, size in enumerate(sizes):
        block = _decoded(body[begin : begin + size])
        trees.append(_read_tree(block, number, len(names)))
        begin += size
    _check_tail(body[begin:])
    return {
        "digest": hashlib.sha256(raw).hexdigest(),
        "objective": header.get("objective", ""),
        "feature_names": names,
        "num_class": classes,
        **_joined(trees),
    }


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("it is not UTF-8")


def _read_header(head: str) -> dict[str, str]:
    first, _, rest = head.partition("\n")
    if first != "tree":
        _refuse(f"it begins with {first[:20]!r}, not with 'tree'")
    if "average_output" in rest.split("\n"):
        _refuse("averaged output (random forest) is not supported")
    header = _fields(rest.split("\n"), "the header")
    if header.get("version") != "v4":
        _refuse(f"version {header.get('version')!r} is not supported, only 'v4' is")
    if unknown := header.keys() - _HEADER_KEYS:
        _refuse(f"the header has an unknown entry {min(unknown)[:40]!r}")
    if missing := _HEADER_KEYS - header.keys() - {"objective", "monotone_constraints"}:
        _refuse(f"the header lacks {min(missing)}")
    return header


def _check_tail(tail: bytes) -> None:
    """What follows the trees has no part in the answer, but shows that the text is whole."""
    lines = _decoded(tail).split("\n")
    if lines[0] != "end of trees":
        _refuse("its trees do not end where tree_sizes says")
    for mark in ("feature_importances:", "parameters:", "end of parameters"):
        if mark not in lines:
            _refuse(f"the line {mark!r} is missing")
    last = [line for line in lines if line][-1]
    key, _, value = last.partition(":")
    if last != "end of parameters" and not (key == "pandas_categorical" and _is_json(value)):
        _refuse(f"it ends with {last[:40]!r}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _fields(lines: list[str], where: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or key in fields:
            _refuse(f"{where} has the line {line[:40]!r}")
        fields[key] = value
    return fields


def _integers(text: str, what: str) -> list[int]:
    if not _INTEGERS.fullmatch(text):
        _refuse(f"{what} is not a list of whole numbers")
    return [int(item) for item in text.split()]


def _numbers(text: str, pattern: re.Pattern[str], what: str) -> list[float]:
    if not pattern.fullmatch(text):
        _refuse(f"{what} is not a list of numbers")
    return [float(item) for item in text.split()]


def _count(fields: dict[str, str], key: str) -> int:
    numbers = _integers(fields[key], key)
    if len(numbers) != 1 or numbers[0] < 0:
        _refuse(f"{key} is not a count")
    return numbers[0]


def _read_tree(block: str, number: int, features: int) -> dict[str, Any]:
    where = f"tree {number}"
    lines = block.split("\n")
    if lines[0] != f"Tree={number}" or lines[-3:] != ["", "", ""]:
        _refuse(f"{where} does not begin and end where tree_sizes says")
    fields = _fields(lines[1:-3], where)
    if fields.get("is_linear", "0") != "0":
        _refuse(f"{where} is a linear tree, which is not supported")
    if unknown := fields.keys() - _TREE_KEYS:
        _refuse(f"{where} has an unknown entry {min(unknown)[:40]!r}")
    if missing := _TREE_KEYS - _OPTIONAL_TREE_KEYS - fields.keys():
        _refuse(f"{where} lacks {min(missing)}")
    leaves, categorical = _count(fields, "num_leaves"), _count(fields, "num_cat")
    tree: dict[str, Any] = {}
    for key in _WHOLE:
        tree[key] = _integers(fields.get(key, ""), f"{key} of {where}")
    tree["threshold"] = _numbers(fields["threshold"], _THRESHOLDS, f"threshold of {where}")
    tree["leaf_value"] = _numbers(fields["leaf_value"], _NUMBERS, f"leaf_value of {where}")
    if not all(math.isfinite(value) for value in tree["leaf_value"]):
        _refuse(f"leaf_value of {where} is not finite")
    for key in _TOLD:
        tree[key] = _numbers(fields[key], _STATISTICS, f"{key} of {where}")
    _check_lengths(tree, leaves, categorical, where)
    _check_splits(tree, features, categorical, where)
    _check_shape(tree, where)
    return tree


def _check_lengths(tree: dict[str, Any], leaves: int, categorical: int, where: str) -> None:
    lengths = dict.fromkeys(_PER_NODE, leaves - 1) | dict.fromkeys(_PER_LEAF, leaves)
    lengths["cat_boundaries"] = categorical + 1 if categorical else 0
    lengths["shrinkage"] = 1
    if leaves == 1:
        lengths["leaf_weight"] = len(tree["leaf_weight"])
    for key, length in lengths.items():
        if len(tree[key]) != length:
            _refuse(f"{where} has {len(tree[key])} items in {key}, not {length}")
    if leaves < 1:
        _refuse(f"{where} has no leaves")


def _check_splits(tree: dict[str, Any], features: int, categorical: int, where: str) -> None:
    if any(not 0 <= feature < features for feature in tree["split_feature"]):
        _refuse(f"{where} splits on a feature that does not exist")
    if any(not 0 <= kind < 12 for kind in tree["decision_type"]):
        _refuse(f"{where} has an unknown decision_type")
    boundaries, words = tree["cat_boundaries"] or [0], tree["cat_threshold"]
    rising = all(low < high for low, high in itertools.pairwise(boundaries))
    if boundaries[0] != 0 or boundaries[-1] != len(words) or not rising:
        _refuse(f"{where} has cat_boundaries that do not fit cat_threshold")
    if any(not 0 <= word < 2**32 for word in words):
        _refuse(f"{where} has a cat_threshold that is no 32-bit word")
    used = [
        threshold
        for threshold, kind in zip(tree["threshold"], tree["decision_type"], strict=True)
        if kind & _CATEGORICAL
    ]
    if sorted(used) != list(range(categorical)):
        _refuse(f"{where} has categorical splits that do not fit num_cat")


def _check_shape(tree: dict[str, Any], where: str) -> None:
    """Every node but the root and every leaf has one parent, and the counts add up."""
    left, right = tree["left_child"], tree["right_child"]
    leaves, nodes = len(tree["leaf_value"]), len(left)
    children = sorted(left + right)
    if nodes and children != [*range(-leaves, 0), *range(1, nodes)]:
        _refuse(f"{where} is no tree: a child is missing, doubled or out of range")
    if any(0 <= child <= node for side in (left, right) for node, child in enumerate(side)):
        _refuse(f"{where} has a node that comes before its parent")
    leaf_count, node_count = tree["leaf_count"], tree["internal_count"]
    if min(leaf_count) < 0:
        _refuse(f"{where} has a negative leaf_count")
    for node, pair in enumerate(zip(left, right, strict=True)):
        below = sum(leaf_count[-1 - kid] if kid < 0 else node_count[kid] for kid in pair)
        if node_count[node] != below:
            _refuse(f"{where} has counts that do not add up at node {node}")


def _kinds(tree: dict[str, Any]) -> list[int]:
    """How each node decides, with the missing type and default direction worked in."""
    kinds = []
    for threshold, decision in zip(tree["threshold"], tree["decision_type"], strict=True):
        default_left, missing = bool(decision & _DEFAULT_LEFT), decision >> 2
        if decision & _CATEGORICAL:
            kinds.append(kernels.CATEGORY)
        elif missing == _ZERO_MISSING:
            kinds.append(kernels.ZERO_LEFT if default_left else kernels.ZERO_RIGHT)
        elif default_left if missing == _NAN_MISSING else threshold >= 0:
            kinds.append(kernels.NAN_LEFT)
        else:
            kinds.append(kernels.NAN_RIGHT)
    return kinds


def _joined(trees: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = [_kinds(tree) for tree in trees]
    words: list[int] = []
    category_start = [0]
    for tree, tree_kinds in zip(trees, kinds, strict=True):
        for threshold, kind in zip(tree["threshold"], tree_kinds, strict=True):
            if kind == kernels.CATEGORY:
                begin, end = tree["cat_boundaries"][int(threshold) : int(threshold) + 2]
                words += tree["cat_threshold"][begin:end]
            category_start.append(len(words))

    def flat(key: str, dtype: type) -> npt.NDArray[Any]:
        return np.array([item for tree in trees for item in tree[key]], dtype=dtype)

    def starts(key: str) -> kernels.Longs:
        return np.cumsum([0, *(len(tree[key]) for tree in trees)], dtype=np.int64)

    return {
        "node_start": starts("threshold"),
        "leaf_start": starts("leaf_value"),
        "feature": flat("split_feature", np.int32),
        "threshold": flat("threshold", np.float64),
        "kind": np.array([kind for one in kinds for kind in one], dtype=np.uint8),
        "left": flat("left_child", np.int32),
        "right": flat("right_child", np.int32),
        "category_start": np.array(category_start, dtype=np.int64),
        "categories": np.array(words, dtype=np.uint32),
        "node_count": flat("internal_count", np.int64),
        "leaf_value": flat("leaf_value", np.float64),
        "leaf_count": flat("leaf_count", np.int64),
    }

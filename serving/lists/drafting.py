"""Make the draft of a list in parts: weigh everybody, place them, write down where each one is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import ListError
from data.terminal import Report
from data.warehouse import canonical_json, file_digest
from features.definition import Array
from serving.book.folder import Book
from serving.book.standing import texts
from serving.lists.counts import Counts
from serving.lists.folder import FACTS, LIST, Folder, drafted, part
from serving.lists.placing import ARMS, PLACES, Placed, placed, power
from serving.lists.reasons import BIT, REASONS
from serving.lists.request import TIERS
from serving.lists.weighing import Scores, Terms, grades_of, weigh

_CREDIT = ("credit_risk", "credit_risk.acquisition")


@dataclass(frozen=True)
class Source:
    """A book to list from, and the digest that vouches for it."""

    book: Book
    output: str

    @cached_property
    def sizes(self) -> list[int]:
        """Customers of each part."""
        about = pq.read_metadata(self.book.standing)
        return [about.row_group(number).num_rows for number in range(about.num_row_groups)]

    def customers(self) -> list[str]:
        """Everybody of the book, in order."""
        return texts(pq.read_table(self.book.standing, columns=["customer_id"])["customer_id"])

    def column(self, model: str, number: int, name: str) -> Any:
        """A column of a model's part."""
        path = self.book.verified(self.output, number, model)
        return pq.read_table(path, columns=[name])[name]

    def segments(self) -> "pa.Array[Any]":
        """The tier of everybody by lifetime value, in order."""
        if "lifetime_value" not in self.book.inputs.releases:
            return pa.array(["unscored"] * sum(self.sizes)).dictionary_encode()
        values = np.concatenate(
            [
                self.column("lifetime_value", number, "value").to_numpy()
                for number in range(len(self.sizes))
            ]
        )
        return pa.array(tiers(values)).dictionary_encode()

    def scores(self, number: int, families: frozenset[str]) -> Scores:
        """What a part says of some families and of credit risk.

        Raises:
            ListError: the book has no propensity for a family.
        """
        known = self.book.inputs.releases
        chance, incremental = {}, set()
        for family in sorted(families):
            name = f"uplift.{family}" if f"uplift.{family}" in known else f"propensity.{family}"
            if name not in known:
                raise ListError(
                    f"the book scores nobody's propensity for {family}; train and promote"
                    f" propensity.{family}, then score the book."
                )
            chance[family] = self.column(name, number, "value").to_numpy()
            incremental |= {family} if name.startswith("uplift.") else set()
        return Scores(chance, frozenset(incremental), *self._credit(number, known))

    def _credit(self, number: int, known: Mapping[str, str]) -> tuple[Array, Any]:
        pd = np.full(self.sizes[number], np.nan)
        grade = np.full(self.sizes[number], -1, np.int8)
        for name in _CREDIT:
            if name not in known:
                continue
            missing = np.isnan(pd) & (grade < 0)
            pd = np.where(missing, self.column(name, number, "value").to_numpy(), pd)
            told = grades_of(texts(self.column(name, number, "grade")))
            grade = np.where(missing, told, grade)
        return pd, grade


def tiers(values: Array) -> list[str]:
    """Each customer's tier by lifetime value, shape (n,); NaN is unscored."""
    scored = np.flatnonzero(~np.isnan(values))
    names = np.full(len(values), "unscored", dtype=object)
    order = scored[np.argsort(-values[scored], kind="stable")]
    begin = 0
    for name, end in TIERS:
        names[order[begin : round(end * len(order))]] = name
        begin = round(end * len(order))
    return list(names)


def keep_facts(folder: Folder, facts: pa.Table, sizes: list[int], about: Mapping[str, Any]) -> None:
    """Write the facts, a row group a part; a later run reads these, not the warehouse anew."""
    path = folder.path / FACTS
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        drafted(path) as draft,
        pq.ParquetWriter(draft, facts.schema, compression="zstd", write_page_checksum=True) as file,
    ):
        start = 0
        for size in sizes:
            file.write_table(facts.slice(start, size).combine_chunks())
            start += size
    folder.tell("facts.json", {**about, "sha256": file_digest(path)})


def weigh_parts(folder: Folder, source: Source, terms: Terms, report: Report) -> list[str]:
    """Weigh every part that does not stand yet; returns the digests of all."""
    facts = pq.ParquetFile(folder.path / FACTS)
    families = frozenset(offer.family for offer in terms.offers)
    digests = []
    for number in range(len(source.sizes)):
        report("weigh", number, len(source.sizes))
        name, mark = part("weighed", number), f"weighed/part-{number:05d}.json"
        digest = (folder.told(mark) or {}).get("sha256")
        if not folder.stands(name, digest):
            rows = weigh(terms, facts.read_row_group(number), source.scores(number, families))
            digest = folder.put(name, rows, durable=False)
            told = canonical_json({"sha256": digest}).encode()
            folder.put_bytes(mark, told, durable=False)
        digests.append(str(digest))
    return digests


def place_parts(
    folder: Folder, terms: Terms, incremental: frozenset[str], digests: list[str], report: Report
) -> tuple[str, dict[str, Any]]:
    """Place everybody and write where they are; returns the draft's digest and what it says."""
    wanted = ["offer", "p", "expected_profit", "draw"]
    columns = pa.concat_tables(
        pq.read_table(folder.path / part("weighed", n), columns=wanted) for n in range(len(digests))
    )
    offer, p, profit, draws = (columns[name].to_numpy() for name in wanted)
    found = placed(terms.request, offer >= 0, p, profit, draws)
    counts, begin, written = Counts(), 0, []
    for number in range(len(digests)):
        report("place", number, len(digests))
        rows = pq.read_table(folder.path / part("weighed", number))
        theirs = slice(begin, begin + rows.num_rows)
        begin += rows.num_rows
        placed_rows = _placed_rows(rows, terms, incremental, _cut(found, theirs))
        why, counting = (placed_rows[name].to_numpy() for name in ("reasons", "first"))
        counts.add(found.place[theirs], why, counting, draws[theirs])
        written.append(folder.put(part("places", number), placed_rows))
    chosen = found.place != PLACES.index("suppressed")
    mean = float(p[chosen].mean()) if chosen.any() else 0.0
    told = {
        "parts": written,
        "counts": asdict(counts),
        "power": asdict(power(terms.request, counts.listed, counts.control, mean)),
        "incremental": sorted(incremental),
    }
    if not counts.reconciled:
        raise ListError(f"list {folder.list_id} does not reconcile with the book: {counts}.")
    return folder.tell(LIST, told), told


def _cut(found: Placed, rows: slice) -> Placed:
    return Placed(found.place[rows], found.arm[rows], found.decile[rows])


def _placed_rows(
    rows: pa.Table, terms: Terms, incremental: frozenset[str], found: Placed
) -> pa.Table:
    codes = [reason.code for reason in REASONS]
    offer = rows["offer"].to_numpy()
    reasons = rows["reasons"].to_numpy()
    left = (offer >= 0) & (found.place == PLACES.index("suppressed"))
    reasons = np.where(left, np.int32(BIT["out_of_quota"]), reasons)
    why = np.where(left, codes.index("out_of_quota"), rows["first"].to_numpy()).astype(np.int8)
    named = [one.product for one in terms.offers]
    uplift = np.array([one.family in incremental for one in terms.offers])
    told: dict[str, Any] = {
        "place": _named(found.place, PLACES),
        "reason": _named(why, codes),
        "arm": _named(found.arm, ARMS),
        "decile": pa.array(found.decile),
        "product": _named(offer, named),
        "incremental": pa.array(uplift[offer], mask=offer < 0),
    }
    kept = rows
    changed: dict[str, Any] = {"reasons": reasons.astype(np.int32), "first": why}
    for name, column in changed.items():
        kept = kept.set_column(kept.column_names.index(name), name, pa.array(column))
    for name, column in told.items():
        kept = kept.append_column(name, column)
    return kept


def _named(places: Any, names: Any) -> "pa.DictionaryArray[Any, Any]":
    codes: Any = pa.array(np.asarray(places, np.int8), mask=np.asarray(places) < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(names)))

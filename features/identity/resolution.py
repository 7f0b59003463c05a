"""Records put together: judged pairs, decisions and earlier persons become groups of records."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from features.identity import linkage
from features.identity.clusters import Clusters, Link, Place, Proof, members, places
from features.identity.crosswalk import Entry
from features.identity.pairs import Blocking
from features.identity.pairs import prepare as prepare_pairs
from features.identity.records import prepare as prepare_records
from features.identity.reviews import Decision, Review

Report = Callable[[str, int, int], None]
STEPS = ("records", "pairs", "model", "links", "golden records")


@dataclass(frozen=True)
class Resolution:
    """Records put together.

    Attributes:
        groups: records of each person, the oldest first; persons by their oldest record.
        places: how each record hangs together with the oldest of its person.
        reviews: what a person has to decide, the most probable first.
        trained: whether the model was learnt from these records.
    """

    groups: list[list[str]]
    places: dict[str, Place]
    reviews: list[Review]
    blocking: Blocking
    trained: bool


@dataclass(frozen=True)
class _Records:
    """The records by position, in the order of their identifiers."""

    ids: list[str]
    by_uid: dict[int, int]
    first_known_us: list[int]
    proofs: dict[int, Proof]

    def age(self, record: int) -> tuple[int, str]:
        return self.first_known_us[record], self.ids[record]


def resolve(
    connection: duckdb.DuckDBPyConnection,
    before: Mapping[str, Entry] | None = None,
    decided: Sequence[Decision] = (),
    report: Report | None = None,
) -> Resolution:
    """Put the records of table ``customers`` together.

    Args:
        before: the assignment in force; who was one person stays so unless something forbids it.
        decided: what reviewers settled.
    """
    say = report or (lambda *_: None)
    say(STEPS[0], 0, len(STEPS))
    count = prepare_records(connection)
    say(STEPS[1], 1, len(STEPS))
    blocking = prepare_pairs(connection)
    say(STEPS[2], 2, len(STEPS))
    model = linkage.fit(connection, count)
    say(STEPS[3], 3, len(STEPS))
    judged = linkage.judge(connection, model)
    known = _first_known(connection, model, judged)
    records = _records(connection)
    groups, placed, reviews = _settle(records, judged, known, before or {}, decided)
    return Resolution(groups, placed, reviews, blocking, model.trained)


def _records(connection: duckdb.DuckDBPyConnection) -> _Records:
    rows = connection.sql(
        "SELECT uid, record_id, epoch_us(first_known_at), proven_type, proven_number"
        " FROM states WHERE latest ORDER BY record_id"
    ).fetchall()
    return _Records(
        ids=[record for _, record, *_ in rows],
        by_uid={uid: place for place, (uid, *_) in enumerate(rows)},
        first_known_us=[known for _, _, known, *_ in rows],
        proofs={place: (row[3], row[4]) for place, row in enumerate(rows) if row[4] is not None},
    )


def _first_known(
    connection: duckdb.DuckDBPyConnection, model: linkage.Model, judged: pd.DataFrame
) -> dict[tuple[int, int], int]:
    """By linked pair of uids, the earliest moment at which what was then known linked them."""
    linked = judged.loc[judged["rule"] != "", ["uid_l", "uid_r"]]
    connection.register("linked", pa.Table.from_pandas(linked, preserve_index=False))
    connection.execute(_MET)
    connection.execute(_EARLIER_PAIRS)
    earlier = linkage.judge(connection, model)
    held = earlier.loc[earlier["rule"] != "", ["uid_l", "uid_r"]]
    connection.register("held", pa.Table.from_pandas(held, preserve_index=False))
    rows = connection.sql(_FIRST_KNOWN).fetchall()
    connection.unregister("linked")
    connection.unregister("held")
    connection.execute("DROP TABLE met")
    return {(left, right): moment for left, right, moment in rows}


# The states of two linked records that stood side by side at some moment.
_MET = """
    CREATE OR REPLACE TEMP TABLE met AS
    WITH lasting AS (
        SELECT record_id, uid, known_at,
            lead(known_at) OVER (PARTITION BY record_id ORDER BY known_at) AS until_at
        FROM states
    )
    SELECT k.uid_l AS link_l, k.uid_r AS link_r, l.uid AS uid_l, r.uid AS uid_r,
        epoch_us(greatest(l.known_at, r.known_at)) AS met_us
    FROM linked k
    JOIN states a ON a.uid = k.uid_l JOIN lasting l ON l.record_id = a.record_id
    JOIN states b ON b.uid = k.uid_r JOIN lasting r ON r.record_id = b.record_id
    WHERE coalesce(l.known_at < r.until_at, true) AND coalesce(r.known_at < l.until_at, true)
"""
_EARLIER_PAIRS = """
    CREATE OR REPLACE TEMP TABLE pairs AS
    SELECT DISTINCT uid_l, uid_r FROM met WHERE NOT (uid_l = link_l AND uid_r = link_r)
    ORDER BY ALL
"""
_FIRST_KNOWN = """
    SELECT link_l, link_r, CAST(min(met_us) AS BIGINT)
    FROM met LEFT JOIN held h USING (uid_l, uid_r)
    WHERE h.uid_l IS NOT NULL OR (uid_l = link_l AND uid_r = link_r)
    GROUP BY link_l, link_r
"""


def _settle(
    records: _Records,
    judged: pd.DataFrame,
    known: Mapping[tuple[int, int], int],
    before: Mapping[str, Entry],
    decided: Sequence[Decision],
) -> tuple[list[list[str]], dict[str, Place], list[Review]]:
    """Join in the order of certainty: decisions, numbers, earlier persons, the model."""
    same, apart = _decided(records, decided)
    numbers, modelled = _judged_links(records, judged, known)
    clusters = Clusters(records.proofs, apart)
    held: list[Link] = []
    refused: list[tuple[Link, str]] = []
    for link in [*same, *numbers, *_former(records, before), *modelled]:
        forbidden = clusters.join(link.left, link.right)
        if forbidden is None:
            held.append(link)
        else:
            refused.append((link, forbidden))
    sets = members(clusters, len(records.ids)).values()
    groups = sorted((sorted(s, key=records.age) for s in sets), key=lambda g: records.age(g[0]))
    reviews = _reviews(records, clusters, judged, refused, apart)
    named = [[records.ids[record] for record in group] for group in groups]
    return named, _placed(records, clusters, groups, held), reviews


def _decided(
    records: _Records, decided: Sequence[Decision]
) -> tuple[list[Link], list[tuple[int, int]]]:
    """Links that reviewers made, and pairs that they told apart."""
    position = {record: place for place, record in enumerate(records.ids)}
    same, apart = [], []
    for decision in decided:
        left, right = position.get(decision.record_a), position.get(decision.record_b)
        if left is None or right is None:
            continue
        if decision.verdict == "different":
            apart.append((left, right))
        else:
            moment = int(decision.decided_at.timestamp() * 1_000_000)
            same.append(Link(left, right, 1.0, "review", moment))
    return same, apart


def _judged_links(
    records: _Records, judged: pd.DataFrame, known: Mapping[tuple[int, int], int]
) -> tuple[list[Link], list[Link]]:
    """Links by identity number and by model, each the most probable first."""
    found: dict[str, list[Link]] = {"identity_number": [], "model": []}
    columns = ("uid_l", "uid_r", "probability", "rule")
    for left, right, probability, rule in judged[judged["rule"] != ""][[*columns]].itertuples(
        index=False
    ):
        ends = records.by_uid[left], records.by_uid[right]
        found[rule].append(Link(*ends, probability, rule, known[left, right]))
    for links in found.values():
        links.sort(key=lambda link: (-link.probability, link.left, link.right))
    return found["identity_number"], found["model"]


def _former(records: _Records, before: Mapping[str, Entry]) -> list[Link]:
    """Persons as they were: each record tied to the oldest one of its person."""
    persons: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records.ids):
        if record in before:
            persons[before[record].customer_id].append(place)
    links = []
    for person in persons.values():
        oldest, *others = sorted(person, key=records.age)
        root = before[records.ids[oldest]]
        for other in others:
            entry = before[records.ids[other]]
            known = max(root.known_us, entry.known_us)
            rule = entry.rule if entry.rule != "single" else root.rule
            links.append(Link(oldest, other, entry.probability, rule, known))
    return sorted(links, key=lambda link: (link.left, link.right))


def _placed(
    records: _Records, clusters: Clusters, groups: Sequence[Sequence[int]], held: Sequence[Link]
) -> dict[str, Place]:
    of_set: dict[int, list[Link]] = defaultdict(list)
    for link in held:
        of_set[clusters.of(link.left)].append(link)
    placed: dict[str, Place] = {}
    for group in groups:
        found = places(group[0], of_set[clusters.of(group[0])], records.first_known_us)
        placed |= {records.ids[record]: place for record, place in found.items()}
    return placed


def _reviews(
    records: _Records,
    clusters: Clusters,
    judged: pd.DataFrame,
    refused: Sequence[tuple[Link, str]],
    apart: Sequence[tuple[int, int]],
) -> list[Review]:
    """The pairs that a person must decide: grey, contradictory, or forbidden by a number."""
    asked = {_pair(link.left, link.right): (link.probability, why) for link, why in refused}
    doubtful = judged[judged["reason"] != ""]
    columns = ["uid_l", "uid_r", "probability", "reason"]
    for left, right, probability, reason in doubtful[columns].itertuples(index=False):
        asked[_pair(records.by_uid[left], records.by_uid[right])] = (probability, reason)
    told = {_pair(*pair) for pair in apart}
    reviews = [
        Review(records.ids[left], records.ids[right], probability, reason)
        for (left, right), (probability, reason) in asked.items()
        if clusters.of(left) != clusters.of(right) and (left, right) not in told
    ]
    return sorted(reviews, key=lambda r: (-r.probability, r.record_a, r.record_b))


def _pair(one: int, other: int) -> tuple[int, int]:
    """Two records in the order of their identifiers, which is that of their positions."""
    return min(one, other), max(one, other)

"""One customer out of many records: the Fellegi-Sunter model, and the door to Splink."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.warehouse import engine

SEED = 20_261
FEWEST_RECORDS = 1_000  # below it the parameters stay as the specification states them
FEWEST_PAIRS = 500  # that a pass of EM is worth taking
SAMPLED_RECORDS = 1_500  # each pair of them is one draw for the u probabilities: 1.1 million
EM_PAIRS = 200_000
_RECALL_OF_CERTAIN = 0.6  # share of true pairs that agree on name and day of birth, or on a number


@dataclass(frozen=True)
class Level:
    """One degree of agreement: its condition, and how often it holds for one person and for two.

    Args:
        m: share of pairs of one person's records; where training starts from.
        u: share of pairs of two persons' records.
        frequency: column by whose value's rarity the agreement counts more.
    """

    name: str
    condition: str
    m: float
    u: float
    frequency: str = ""


@dataclass(frozen=True)
class Comparison:
    """What two records say about one attribute, from full agreement to none."""

    name: str
    unknown: str
    levels: tuple[Level, ...]


def _dice(column: str) -> str:
    shared = f"2.0 * len(list_intersect({column}_l, {column}_r))"
    return f"{shared} / (len({column}_l) + len({column}_r))"


def _slips(column: str, most: int) -> str:
    """At most so many letters wrong, missing, added or swapped with their neighbour.

    Counting swaps is slow; a swap is two letters wrong, so the quick count goes first.
    """
    pair = f"({column}_l, {column}_r)"
    return (
        f"CASE WHEN levenshtein{pair} <= {2 * most} THEN damerau_levenshtein{pair} <= {most}"
        " ELSE false END"
    )


_BOTH_IN_HAN = "(len(hans_l) > 0 AND len(hans_r) > 0)"
_DAY_AND_MONTH_SWAPPED = (
    "(substr(birth_text_l, 1, 4) = substr(birth_text_r, 1, 4)"
    " AND substr(birth_text_l, 5, 2) = substr(birth_text_r, 7, 2)"
    " AND substr(birth_text_l, 7, 2) = substr(birth_text_r, 5, 2))"
)
COMPARISONS = (
    Comparison(
        "name",
        "spelt_l IS NULL OR spelt_r IS NULL",
        (
            Level(
                "same",
                "list_has_any(hans_l, hans_r) OR"
                f" (NOT {_BOTH_IN_HAN} AND list_has_any(spellings_l, spellings_r))",
                0.80,
                5e-5,
                frequency="spelt",
            ),
            Level(
                "close",
                "list_has_any(spellings_l, spellings_r) OR"
                f" (NOT {_BOTH_IN_HAN} AND {_slips('spelt', 1)})",
                0.10,
                5e-4,
            ),
            Level("partly", f"{_dice('syllables')} >= 0.5", 0.06, 5e-3),
            Level("different", "ELSE", 0.04, 0.99),
        ),
    ),
    Comparison(
        "birth",
        "birth_text_l IS NULL OR birth_text_r IS NULL",
        (
            Level("same", "list_has_any(births_l, births_r)", 0.92, 5e-5),
            Level(
                "close",
                f"{_slips('birth_text', 1)} OR {_DAY_AND_MONTH_SWAPPED}",
                0.05,
                1e-3,
            ),
            Level("alike", "levenshtein(birth_text_l, birth_text_r) <= 2", 0.01, 2e-2),
            Level("different", "ELSE", 0.02, 0.98),
        ),
    ),
    Comparison(
        "number",
        "number_l IS NULL OR number_r IS NULL",
        (
            Level("same", "list_has_any(numbers_l, numbers_r)", 0.90, 1e-6),
            Level("close", _slips("number", 1), 0.06, 1e-5),
            Level("alike", "levenshtein(number_l, number_r) <= 2", 0.01, 1e-4),
            Level("different", "ELSE", 0.03, 0.9998),
        ),
    ),
    Comparison(
        "phone",
        "phone_l IS NULL OR phone_r IS NULL",
        (
            Level("same", "list_has_any(phones_l, phones_r)", 0.65, 2e-5),
            Level("close", _slips("phone", 1), 0.05, 1e-4),
            Level("different", "ELSE", 0.30, 0.999),
        ),
    ),
    Comparison(
        "email",
        "email_l IS NULL OR email_r IS NULL",
        (
            Level("same", "list_has_any(emails_l, emails_r)", 0.70, 1e-5),
            Level("close", "levenshtein(email_l, email_r) <= 2", 0.05, 1e-4),
            Level("different", "ELSE", 0.25, 0.999),
        ),
    ),
    Comparison(
        "residence",
        "address_l IS NULL OR address_r IS NULL OR address_in_han_l <> address_in_han_r",
        (
            Level("same", "list_has_any(addresses_l, addresses_r)", 0.60, 5e-5),
            Level("close", f"{_dice('address_parts')} >= 0.7", 0.15, 2e-4),
            Level("partly", f"{_dice('address_parts')} >= 0.5", 0.05, 2e-3),
            Level("same postcode", "postcode_l = postcode_r", 0.05, 5e-3),
            Level("different", "ELSE", 0.15, 0.99),
        ),
    ),
    Comparison(
        "sex",
        "sex_l IS NULL OR sex_r IS NULL",
        (Level("same", "sex_l = sex_r", 0.99, 0.5), Level("different", "ELSE", 0.01, 0.5)),
    ),
)
# Each pass of EM looks at pairs that agree on one attribute and learns about all others.
_PASSES = {
    "birth": "l.birth_text = r.birth_text",
    "name": "l.spelt = r.spelt",
    "number": "l.number = r.number",
}


# Below LIKELY two records are two persons; from CERTAIN on one; between them a person decides.
LIKELY, CERTAIN = 0.5, 0.95
_FULL, _CLOSE, _AGAINST = 0, 1, 2  # level numbers from which the attributes speak


@dataclass(frozen=True)
class Model:
    """Parameters of the comparisons as Splink writes them, and whether they were learnt here."""

    settings: dict[str, Any]
    trained: bool


def fit(connection: duckdb.DuckDBPyConnection, records: int) -> Model:
    """The model for the records in table ``states``.

    Args:
        records: how many there are; few teach nothing, and the stated parameters hold.
    """
    stated = _specification(_prior(connection, records))
    if records < FEWEST_RECORDS:
        return Model(stated, trained=False)
    return Model(_train(connection, stated), trained=True)


def judge(connection: duckdb.DuckDBPyConnection, model: Model) -> pd.DataFrame:
    """What becomes of the pairs of states in table ``pairs``.

    Returns:
        uid_l, uid_r, probability, rule (identity_number or model where they are linked, else
        empty) and reason (why a person has to decide, else empty); pairs of which neither holds
        are left out.
    """
    _predict(connection, model)
    found: pd.DataFrame = connection.sql(_LIKELY_PAIRS).df()
    connection.execute("DROP TABLE scored")
    name, birth = found["name"].to_numpy(), found["birth"].to_numpy()
    certain = (found["probability"] >= CERTAIN).to_numpy()
    same, other = found["same_proof"].to_numpy(bool), found["other_proof"].to_numpy(bool)
    contradicted = same & (name >= _AGAINST) & ~_agrees(birth) & ((birth > 0) | (name > _AGAINST))
    anchored = (name == _FULL) | _agrees(birth) | (found["number"] == _FULL).to_numpy()
    linked = certain & anchored & ~other & ~contradicted
    found["rule"] = np.select([same & ~contradicted, linked], ["identity_number", "model"], "")
    found["reason"] = np.select(
        [found["rule"] != "", contradicted, other, certain],
        [
            "",
            "one valid identity number, but neither name nor day of birth agree",
            "different valid identity numbers",
            "the name is not the same, and neither day of birth nor number agree",
        ],
        "probable, but not certain",
    )
    return found.drop(columns=["name", "birth", "number", "same_proof", "other_proof"])


def _agrees(level: NDArray[Any]) -> NDArray[np.bool_]:
    return np.isin(level, (_FULL, _CLOSE))


def _predict(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Table ``scored``: uid_l, uid_r and probability of the pairs that are likely or share a number."""
    from splink import DuckDBAPI, Linker

    with _quiet():
        api = DuckDBAPI(connection=connection)
        linker = Linker(api.register("states"), model.settings, log_level=None)
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE blocked AS SELECT '0' AS match_key,"
            " uid_l AS join_key_l, uid_r AS join_key_r FROM pairs"
        )
        linker.table_management.register_blocked_pairs_for_predict(api.register("blocked"))
        scored = linker.inference.predict(warning_mode="never")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE scored AS SELECT p.uid_l, p.uid_r,"
            f" round(match_probability, 9) AS probability FROM {scored.physical_name} p"
            " JOIN states l ON l.uid = p.uid_l JOIN states r ON r.uid = p.uid_r"
            f" WHERE match_probability >= {LIKELY} OR l.proven_number = r.proven_number"
        )
        linker.table_management.delete_tables_created_by_splink_from_db()  # type: ignore[no-untyped-call]


def _levels(name: str) -> str:
    """SQL for the level number of a comparison, 0 for full agreement, -1 where unknown."""
    [comparison] = [c for c in COMPARISONS if c.name == name]
    cases = " ".join(
        f"WHEN {level.condition} THEN {number}"
        for number, level in enumerate(comparison.levels[:-1])
    )
    last = len(comparison.levels) - 1
    return f"CASE WHEN {comparison.unknown} THEN -1 {cases} ELSE {last} END AS {name}"


_COMPARED = (
    "spelt", "spellings", "hans", "syllables", "birth_text", "births", "number", "numbers",
    "proven_type", "proven_number",
)  # fmt: skip
_LIKELY_PAIRS = f"""
    WITH sides AS (
        SELECT uid_l, uid_r, probability,
            {", ".join(f"l.{c} AS {c}_l, r.{c} AS {c}_r" for c in _COMPARED)}
        FROM scored JOIN states l ON l.uid = uid_l JOIN states r ON r.uid = uid_r
    )
    SELECT uid_l, uid_r, probability, {", ".join(map(_levels, ("name", "birth", "number")))},
        coalesce(proven_type_l = proven_type_r AND proven_number_l = proven_number_r, false)
            AS same_proof,
        coalesce(proven_type_l = proven_type_r AND proven_number_l <> proven_number_r, false)
            AS other_proof
    FROM sides ORDER BY uid_l, uid_r
"""


def _specification(prior: float) -> dict[str, Any]:
    """The model as Splink reads it, with the parameters from which training starts."""
    return {
        "link_type": "dedupe_only",
        "sql_dialect": "duckdb",
        "unique_id_column_name": "uid",
        "probability_two_random_records_match": prior,
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "max_iterations": 50,
        "blocking_rules_to_generate_predictions": [],
        "comparisons": [_comparison(c) for c in COMPARISONS],
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    unknown = {"sql_condition": comparison.unknown, "is_null_level": True}
    return {
        "output_column_name": comparison.name,
        "comparison_levels": [unknown, *map(_level, comparison.levels)],
    }


def _level(level: Level) -> dict[str, Any]:
    stated = {
        "sql_condition": level.condition,
        "label_for_charts": level.name,
        "m_probability": level.m,
        "u_probability": level.u,
    }
    if not level.frequency:
        return stated
    return stated | {
        "tf_adjustment_column": level.frequency,
        "tf_minimum_u_value": 1e-6,
        "disable_tf_exact_match_detection": True,
    }


def _prior(connection: duckdb.DuckDBPyConnection, records: int) -> float:
    """Probability that two records drawn at random are one person, from those that surely are."""
    [(certain,)] = connection.sql(_CERTAIN).fetchall()
    share = float(certain / _RECALL_OF_CERTAIN / max(records * (records - 1) / 2, 1))
    return float(f"{min(max(share, 1 / max(records, 1) ** 2, 1e-9), 1e-3):.6g}")


_CERTAIN = """
    SELECT coalesce(sum(n * (n - 1) // 2), 0)::BIGINT FROM (
        SELECT count(*) AS n FROM states WHERE latest AND spelt IS NOT NULL
            AND birth_text IS NOT NULL GROUP BY spelt, birth_text)
"""


def _train(connection: duckdb.DuckDBPyConnection, model: dict[str, Any]) -> dict[str, Any]:
    """The model with u from pairs at random and m by expectation maximisation.

    Works on one thread: sums of fractions depend on their order, and with it the last bits.
    """
    from splink import DuckDBAPI, Linker

    latest = connection.sql("SELECT * EXCLUDE (latest) FROM states WHERE latest").to_arrow_table()
    with _quiet(), engine() as alone:
        alone.execute("SET threads = 1")
        alone.register("arriving", latest)
        alone.execute("CREATE TABLE records AS FROM arriving ORDER BY uid")
        alone.execute(
            f"CREATE TABLE sampled AS FROM records WHERE uid IN (SELECT min(uid) FROM records"
            f" GROUP BY coalesce(number, spelt || birth_text, record_id))"
            f" ORDER BY hash(record_id || '{SEED}'), uid LIMIT {SAMPLED_RECORDS}"
        )
        api = DuckDBAPI(connection=alone)
        drawn = Linker(api.register("sampled"), model, log_level=None)
        drawn.training.estimate_u_using_random_sampling(
            max_pairs=SAMPLED_RECORDS**2, seed=SEED, min_count_per_level=None, num_chunks=1
        )
        model = _settled(drawn.misc.save_model_to_json(None), model)
        rules = [rule for rule in _PASSES.values() if _block_size(alone, rule) >= FEWEST_PAIRS]
        return _maximised(api, model, rules)


def _maximised(api: Any, model: dict[str, Any], rules: list[str]) -> dict[str, Any]:
    """The model with m learnt from a pass of expectation maximisation over each block.

    Splink refuses a pass in which no pair supports some level, and leaves the model half changed:
    it is then taken again without that pass.
    """
    from splink import Linker

    linker = Linker(api.register("records"), model, log_level=None)
    for rule in rules:
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule,
                estimate_without_term_frequencies=True,
                max_pairs=EM_PAIRS,
                record_sample_proportion=1.0,
            )
        except ValueError:
            return _maximised(api, model, [other for other in rules if other != rule])
    return _settled(linker.misc.save_model_to_json(None), model)


def _block_size(connection: duckdb.DuckDBPyConnection, rule: str) -> int:
    column = rule.split(" = ")[0].removeprefix("l.")
    [(pairs,)] = connection.sql(
        f"SELECT coalesce(sum(n * (n - 1) // 2), 0)::BIGINT FROM (SELECT count(*) AS n FROM records"
        f" WHERE {column} IS NOT NULL GROUP BY {column})"
    ).fetchall()
    return int(pairs)


def _settled(trained: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Learnt parameters in six digits and within reason; the former ones where none were learnt."""
    settled: dict[str, Any] = json.loads(json.dumps(before))
    pairs = zip(settled["comparisons"], trained["comparisons"], strict=True)
    for ours, theirs in pairs:
        levels = zip(ours["comparison_levels"], theirs["comparison_levels"], strict=True)
        for stated, learnt in levels:
            for name, least in (("m_probability", 1e-4), ("u_probability", 1e-7)):
                value = learnt.get(name)
                if isinstance(value, int | float) and not np.isnan(value):
                    stated[name] = float(f"{min(max(value, least), 0.999999):.6g}")
    return settled


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Splink's running commentary."""
    log = logging.getLogger("splink")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)

"""Weigh the customers of a part: which reasons speak against each offer, and what each is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.tables import PRODUCT_FAMILIES
from features.calendar import day_number
from features.definition import Array
from serving.book.standing import texts
from serving.lists.draws import Draws, drawn, uniform
from serving.lists.offers import SUITED, Offer
from serving.lists.policies import Policy
from serving.lists.reasons import Bits, first, flags
from serving.lists.request import ListRequest, Rules
from training.grades import DEFAULTED, GRADES

Flags = npt.NDArray[np.bool_]
FLAGGED = (
    "no_consent",
    "opted_out",
    "open_complaint",
    "in_arrears",
    "deceased",
    "minor",
    "frozen",
    "staff",
    "no_contact_point",
    "contacted_recently",
    "cap_all",
    "cap_channel",
    "in_sealed_list",
)


@dataclass(frozen=True)
class Scores:
    """What the book says of a part's customers; arrays of shape (n,), NaN without an answer.

    Attributes:
        chance: family -> probability: the uplift where it is estimated, else of taking it up.
        incremental: families whose chance is an uplift.
        pd: probability of default within 12 months.
        grade: place in ``GRADES``, from 0; their number for grade D, -1 for none.
    """

    chance: Mapping[str, Array]
    incremental: frozenset[str]
    pd: Array
    grade: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Terms:
    """All that weighs a customer, beside facts and scores."""

    request: ListRequest
    offers: tuple[Offer, ...]
    policy: Policy
    rules: Rules
    key: bytes


def weigh(terms: Terms, facts: pa.Table, scores: Scores) -> pa.Table:
    """A row a customer with the best offer that may be made, or all reasons against.

    ``reasons`` holds bits of ``REASONS``; ``reasons.PRODUCT`` those against one offer. The reason
    that counts, ``first``, is the first one against the offer that came furthest. Where nothing
    speaks against an offer, ``offer`` is its place and the terms of its profit stand beside:
    expected_profit = p x (contribution - pd x lgd x ead) - cost.
    """
    draws = drawn(texts(facts["customer_id"]), terms.key)
    own = _own_reasons(terms, facts, scores, draws)
    count = len(terms.offers)
    profits, against = np.empty((count, len(own))), np.empty((count, len(own)), np.int32)
    losses = np.empty((count, len(own)))
    for place, offer in enumerate(terms.offers):
        p, pd = scores.chance[offer.family], _pd(terms.policy, offer, scores)
        losses[place] = pd * offer.lgd * offer.ead if offer.lending else 0.0
        profits[place] = p * (offer.contribution - losses[place]) - terms.request.cost
        against[place] = own | _offer_reasons(terms, offer, facts, scores, profits[place])
    open_to = against == 0
    best = np.where(open_to, profits, -np.inf).argmax(axis=0)
    chosen = open_to.any(axis=0)
    rows = np.arange(len(own))
    told = {
        "draw": pa.array(draws),
        "reasons": pa.array(np.where(chosen, 0, np.bitwise_or.reduce(against, axis=0))),
        "first": pa.array(np.where(chosen, -1, _furthest(against)).astype(np.int8)),
        "offer": pa.array(np.where(chosen, best, -1).astype(np.int8)),
        "p": _kept(np.stack([scores.chance[o.family] for o in terms.offers])[best, rows], chosen),
        "contribution": _kept(np.array([o.contribution for o in terms.offers])[best], chosen),
        "pd": _kept(
            np.stack([_pd(terms.policy, o, scores) for o in terms.offers])[best, rows], chosen
        ),
        "pd_known": pa.array(~np.isnan(scores.pd)),
        "lgd": _kept(np.array([o.lgd for o in terms.offers])[best], chosen),
        "ead": _kept(np.array([o.ead for o in terms.offers])[best], chosen),
        "expected_loss": _kept(losses[best, rows], chosen),
        "cost": _kept(np.full(len(own), terms.request.cost), chosen),
        "expected_profit": _kept(profits[best, rows], chosen),
    }
    columns: dict[str, Any] = {"customer_id": facts["customer_id"].combine_chunks(), **told}
    for place, offer in enumerate(terms.offers):
        columns[f"reasons.{offer.product}"] = pa.array(against[place])
    return pa.table(columns)


def _furthest(against: Bits) -> Bits:
    """The first reason against the offer that came furthest; reasons of shape (offers, n)."""
    return np.asarray(np.stack([first(bits) for bits in against]).max(axis=0), np.int32)


def _own_reasons(terms: Terms, facts: pa.Table, scores: Scores, draws: Draws) -> Bits:
    """Reasons that speak against any offer to the customer."""
    request = terms.request
    told = {code: _flags(facts, code) for code in FLAGGED}
    outside = np.zeros(len(draws), np.bool_)
    for column, wanted in (("segment", request.segments), ("region", request.regions)):
        if wanted:
            outside |= np.array([told not in wanted for told in texts(facts[column])], np.bool_)
    worst = GRADES.index(terms.policy.max_grade)
    risky = (scores.pd > terms.policy.max_pd) | (scores.grade > worst)
    held_out = uniform(draws) < terms.rules.hold_out
    return flags(not_selected=outside, outside_policy=risky, hold_out=held_out, **told)


def _offer_reasons(
    terms: Terms, offer: Offer, facts: pa.Table, scores: Scores, profit: Array
) -> Bits:
    """Reasons that speak against one offer."""
    bit = 1 << PRODUCT_FAMILIES.index(offer.family)
    holds = (_ints(facts, "held") & bit) > 0
    unsuitable = np.zeros(len(holds), np.bool_)
    if offer.family in SUITED:
        ends = day_number(terms.request.contact_until)
        unsuitable = _ints(facts, "valid_until") < ends
        unsuitable |= _ints(facts, "tolerance") < (offer.risk or 99)
    no_pd = offer.lending and not terms.policy.unscored
    least = max(terms.request.minimum_profit, 0.0)
    return flags(
        not_eligible=np.isnan(scores.chance[offer.family]) & ~holds,
        already_holds=holds,
        outside_policy=np.isnan(scores.pd) & (scores.grade < 0) & no_pd,
        unsuitable=unsuitable,
        cap_product=(_ints(facts, "full_families") & bit) > 0,
        cool_off=(_ints(facts, "refused") & bit) > 0,
        negative_value=np.less(
            profit, least, where=~np.isnan(profit), out=np.zeros(len(holds), bool)
        ),
    )


def _pd(policy: Policy, offer: Offer, scores: Scores) -> Array:
    """The PD that prices an offer; without one, credit is priced at the policy's limit."""
    if not offer.lending:
        return scores.pd
    return np.where(np.isnan(scores.pd), policy.max_pd, scores.pd)


def grades_of(told: Sequence[str | None]) -> npt.NDArray[np.int8]:
    """Grades as places on the scale."""
    place = {name: number for number, name in enumerate((*GRADES, DEFAULTED))}
    return np.array([place[name] if name else -1 for name in told], np.int8)


def _kept(values: Array, chosen: Flags) -> "pa.Array[Any]":
    return pa.array(np.where(chosen, values, np.nan))


def _flags(facts: pa.Table, name: str) -> Flags:
    return np.asarray(facts[name].combine_chunks().to_numpy(zero_copy_only=False), np.bool_)


def _ints(facts: pa.Table, name: str) -> npt.NDArray[np.int32]:
    return np.asarray(facts[name].to_numpy(), np.int32)

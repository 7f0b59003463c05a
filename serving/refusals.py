"""Reasons for refusing credit: specific, true, and each verified by scoring the customer anew.

What a refusal must say differs from law to law. The templates here only word what was found; they
claim nothing about any law, and a bank has its own counsel check them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data.database import Database
from data.errors import NotRefusable
from features.definition import Array
from features.reason_groups import GROUP_OF, GROUPS, version
from serving.baselines import Baseline, Kind, just_within, of_all
from serving.publication import manifest_now, published
from serving.reasons import Language, Reason, Told, impact_of_a_unit, reason_of
from serving.recording import PURPOSE, record
from serving.scoring import Model, Scorer, recorded

CREDIT_RISK = "credit_risk"
MOST = 4
# A person's age and where they live are never given as a reason, whatever the model made of them.
NEVER = frozenset({"age", "district"})
Jurisdiction = Literal["general", "us"]

_OPENING: Mapping[Jurisdiction, Mapping[Language, str]] = {
    "general": {
        "en": "We cannot offer the credit applied for. What counted most, compared with {baseline}:",
        "zh-TW": "本次申請未能核准。與{baseline}相比，主要原因如下：",
        "zh-CN": "本次申请未能批准。与{baseline}相比，主要原因如下：",
    },
    "us": {
        "en": (
            "Your application for credit was not approved. The principal reasons for this decision,"
            " compared with {baseline}, are:"
        ),
        "zh-TW": "您的信貸申請未獲核准。與{baseline}相比，本決定的主要理由如下：",
        "zh-CN": "您的信贷申请未获批准。与{baseline}相比，本决定的主要理由如下：",
    },
}
_BASELINE: Mapping[Kind, Mapping[Language, str]] = {
    "all": {
        "en": "the typical borrower",
        "zh-TW": "一般借款人",
        "zh-CN": "一般借款人",
    },
    "cut_off": {
        "en": "borrowers who were only just accepted",
        "zh-TW": "剛好符合標準的借款人",
        "zh-CN": "刚好符合标准的借款人",
    },
}
_REVIEW: Mapping[Language, str] = {
    "en": "No reason could be verified; a person must review this application.",
    "zh-TW": "無法確認具體原因，須由專人審查。",
    "zh-CN": "无法确认具体原因，须由专人审查。",
}


@dataclass(frozen=True)
class Refusal:
    """Why credit is refused.

    Attributes:
        value: chance of default of the customer, ``cut_off`` what it had to be below.
        baseline: with whom the customer is compared.
        reasons: one to four, strongest first; none where a person must review.
        rescored: for each reason the chance of default with its group at the baseline: lower.
        passed_over: groups that pushed towards refusal but failed the rescoring.
    """

    value: float
    cut_off: float
    baseline: Baseline
    reasons: tuple[Reason, ...]
    rescored: tuple[float, ...]
    passed_over: tuple[str, ...]
    notice: str

    @property
    def manual_review(self) -> bool:
        """Whether no reason could be verified."""
        return not self.reasons


def refuse(
    model: Model,
    row: Array,
    cut_off: float,
    *,
    language: Language = "en",
    jurisdiction: Jurisdiction = "general",
    baseline: Baseline | None = None,
) -> Refusal:
    """The reasons for refusing one profile (features,) at a cut-off on the chance of default.

    Candidates are the groups whose contribution raises the risk. Each is verified by rescoring the
    profile with all features of the group at the baseline: a reason is given only if that lowers
    the score. The baseline is of all whom the model learnt from, unless another is given.

    Raises:
        NotRefusable: the model does not answer credit risk, or the score is below the cut-off.
    """
    card = model.release.card
    if card.question != "credit_risk":
        raise NotRefusable(f"{card.name} refuses nobody; reasons of refusal are credit risk's.")
    margins, contributions = model.explain(row[np.newaxis, :])
    margin = float(margins[0])
    value = model.value(margin)
    if not value >= cut_off:
        raise NotRefusable(
            f"the chance of default is {value:.2%}, below the cut-off of {cut_off:.2%}:"
            " there is nothing to refuse."
        )
    base = baseline or of_all(model)
    pushes = dict(zip(card.features, contributions[0].tolist(), strict=True))
    candidates = _towards_refusal(pushes)
    rescored = _rescored(model, row, candidates, base)
    told = Told(card.question, impact_of_a_unit(margin, model.explainer.base_value), language)
    found: list[Reason] = []
    chances: list[float] = []
    failed: list[str] = []
    for group, anew in zip(candidates, rescored, strict=True):
        if anew >= margin:
            failed.append(group)
        elif len(found) < MOST:
            members = {name: pushes[name] for name in _members(group, pushes)}
            values = {name: float(row[card.features.index(name)]) for name in members}
            found.append(reason_of(members, values, base.typical, told))
            chances.append(model.value(anew))
    return Refusal(
        value, cut_off, base, tuple(found), tuple(chances), tuple(failed),
        notice(found, language, jurisdiction, base.kind),
    )  # fmt: skip


def _members(group: str, pushes: Mapping[str, float]) -> list[str]:
    return [name for name in pushes if name in GROUP_OF and GROUP_OF[name].name == group]


def _towards_refusal(pushes: Mapping[str, float]) -> list[str]:
    """Groups that may be named and that raise the risk, the strongest first, ties by name."""
    sums = {
        group.name: math.fsum(pushes[name] for name in _members(group.name, pushes))
        for group in GROUPS
        if group.name not in NEVER
    }
    raising = [(-push, group) for group, push in sums.items() if push > 0]
    return [group for _, group in sorted(raising)]


def _rescored(model: Model, row: Array, groups: list[str], baseline: Baseline) -> list[float]:
    """For each group the margin of the profile with the group at the baseline."""
    if not groups:
        return []
    card = model.release.card
    changed = np.repeat(row[np.newaxis, :], len(groups), axis=0)
    for place, group in enumerate(groups):
        for name in _members(group, dict.fromkeys(card.features, 0.0)):
            usual = baseline.typical.get(name)
            changed[place, card.features.index(name)] = np.nan if usual is None else usual
    margins, _ = model.explain(changed)
    return [float(margin) for margin in margins]


def notice(
    found: list[Reason], language: Language, jurisdiction: Jurisdiction, compared: Kind = "all"
) -> str:
    """The text of a refusal, or that a person must review."""
    if not found:
        return _REVIEW[language]
    opening = _OPENING[jurisdiction][language].format(baseline=_BASELINE[compared][language])
    return "\n".join([opening, *(f"{n}. {r.text}" for n, r in enumerate(found, start=1))])


def refusal(
    scorer: Scorer,
    database: Database,
    customer_id: str,
    cut_off: float,
    *,
    language: Language = "en",
    jurisdiction: Jurisdiction = "general",
    compared: Kind = "all",
    actor: str,
    purpose: str = PURPOSE,
) -> tuple[Refusal, int]:
    """The reasons for refusing a known customer, and the number of their audit record.

    Raises:
        UnknownCustomer, NotReady: see ``published`` and ``Scorer.model``.
        NotRefusable: the score is below the cut-off, or nobody is just within it.
    """
    profile, snapshot = published(database, customer_id, manifest_now())
    model = scorer.model(CREDIT_RISK, profile)
    row = profile.row(model.release.card.features)
    baseline = just_within(database, model, cut_off) if compared == "cut_off" else of_all(model)
    found = refuse(
        model, row, cut_off, language=language, jurisdiction=jurisdiction, baseline=baseline
    )
    number = record(
        database,
        "refusal",
        {CREDIT_RISK: model},
        {
            "snapshot": snapshot,
            "cut_off": cut_off,
            "baseline": compared,
            "language": language,
            "jurisdiction": jurisdiction,
            "reasons": version(),
        },
        {
            "customer_id": customer_id,
            **recorded(model.release.card.features, row),
            "typical": dict(baseline.typical),
            **as_values(found),
        },
        actor=actor,
        purpose=purpose,
        person=customer_id,
    )
    return found, number


def as_values(found: Refusal) -> dict[str, Any]:
    """What a refusal says, as plain values."""
    return {
        "value": found.value,
        "reasons": [reason.model_dump(mode="json") for reason in found.reasons],
        "rescored": list(found.rescored),
        "passed_over": list(found.passed_over),
        "notice": found.notice,
    }

"""What they have agreed to, and what investment risk suits them."""

from features.definition import Facts, Measure, feature
from features.sources import CONSENTS, SUITABILITY


@feature(
    CONSENTS, "flag", "better", "Agrees to marketing | 同意行銷使用個資 | 同意营销使用个人信息"
)
def marketing_consent(given: Facts) -> Measure:
    """Whether the consent to marketing stands."""
    return given.latest().where(given.purpose == "marketing").granted.max()


@feature(CONSENTS, "flag", "better", "Agrees to profiling | 同意個資分析利用 | 同意用户画像分析")
def profiling_consent(given: Facts) -> Measure:
    """Whether the consent to profiling stands."""
    return given.latest().where(given.purpose == "profiling").granted.max()


@feature(CONSENTS, "count", "better", "Consents that stand | 有效同意項目數 | 有效授权项数")
def consents_standing(given: Facts) -> Measure:
    """How many consents stand."""
    return given.latest().granted.sum()


@feature(
    CONSENTS,
    "count",
    "worse",
    "Consents withdrawn | 近一年撤回同意次數 | 近1年撤回授权次数",
    days=365,
)
def consents_withdrawn_365d(given: Facts) -> Measure:
    """Consents not given or withdrawn in the last year."""
    return given.where(given.granted == 0).count()


@feature(
    SUITABILITY,
    "tier",
    "neither",
    "Risk the customer bears | 投資風險承受度 | 投资风险承受能力等级",
)
def risk_tolerance(assessed: Facts) -> Measure:
    """Risk tolerance as last assessed: 1 cautious to 5 bold."""
    return assessed.latest().tolerance.max()


@feature(
    SUITABILITY,
    "days",
    "neither",
    "Time since the risk assessment | 距最近一次風險屬性評估的時間 | 距最近一次风险测评的时间",
)
def days_since_assessment(assessed: Facts) -> Measure:
    """Days since the risk tolerance was last assessed."""
    return assessed.age.min()


@feature(
    SUITABILITY,
    "days",
    "better",
    "Time the risk assessment still counts | 風險屬性評估剩餘效期 | 风险测评剩余有效期",
)
def assessment_days_left(assessed: Facts) -> Measure:
    """Days until the last assessment runs out; negative once it has."""
    return assessed.latest().last_day.max() - assessed.as_of


@feature(SUITABILITY, "count", "better", "Risk assessments made | 風險屬性評估次數 | 风险测评次数")
def assessments(assessed: Facts) -> Measure:
    """Assessments of risk tolerance ever made."""
    return assessed.count()

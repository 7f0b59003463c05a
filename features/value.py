"""What they have been worth to the bank so far."""

import numpy as np

from features.definition import Array, Facts, Measure, derived, feature, quotient, windowed
from features.facts import slope, spread, total
from features.sources import CONTRIBUTIONS

DEPOSITS = ("current", "savings", "term_deposit")
LENDING = ("personal_loan", "mortgage")
INVESTMENTS = ("wealth_management", "fund", "insurance")


@windowed(
    CONTRIBUTIONS,
    (120, 365, None),
    "money",
    "better",
    "Contribution {when} | {when}貢獻度 | {when}综合贡献",
)
def contribution(earned: Facts) -> Measure:
    """Contribution booked {when}."""
    return earned.contribution.sum()


@derived(
    (contribution[120], contribution[365]),
    "ratio",
    "better",
    "Contribution lately | 近期貢獻度對全年比 | 近期综合贡献与全年之比",
)
def contribution_trend(quarter: Array, year: Array) -> Array:
    """Contribution of the last 120 days over a third of the year's."""
    return quotient(3.0 * quarter, year)


def _earned(month: Facts) -> Measure:
    return month.contribution.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Monthly drift of contribution | 貢獻度月增減趨勢 | 综合贡献月度趋势",
    days=365,
)
def contribution_slope_12m(earned: Facts) -> Measure:
    """Change of contribution from one 30 days to the next, over twelve of them."""
    return earned.monthly(12, _earned, slope)


@feature(
    CONTRIBUTIONS,
    "ratio",
    "worse",
    "Ups and downs of contribution | 貢獻度波動程度 | 综合贡献波动程度",
    days=365,
)
def contribution_spread_12m(earned: Facts) -> Measure:
    """Standard deviation over mean of contribution in the last twelve 30 days."""
    return earned.monthly(12, _earned, spread)


@feature(
    CONTRIBUTIONS,
    "months",
    "worse",
    "Months that cost the bank money | 貢獻度為負的月數 | 综合贡献为负的月数",
    days=365,
)
def losing_months_12m(earned: Facts) -> Measure:
    """How many of the last twelve 30 days had a negative contribution."""
    return earned.monthly(
        12, _earned, lambda *months: total(*((m < 0).astype(np.float64) for m in months))
    )


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Earned on deposits in the last year | 近一年存款貢獻度 | 近1年存款贡献",
    days=365,
)
def deposit_contribution_365d(earned: Facts) -> Measure:
    """Contribution of deposits in the last year."""
    return earned.where(earned.family.isin(*DEPOSITS)).contribution.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Earned on cards in the last year | 近一年信用卡貢獻度 | 近1年信用卡贡献",
    days=365,
)
def card_contribution_365d(earned: Facts) -> Measure:
    """Contribution of credit cards in the last year."""
    return earned.where(earned.family == "credit_card").contribution.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Earned on loans in the last year | 近一年放款貢獻度 | 近1年贷款贡献",
    days=365,
)
def loan_contribution_365d(earned: Facts) -> Measure:
    """Contribution of loans and mortgages in the last year."""
    return earned.where(earned.family.isin(*LENDING)).contribution.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Earned on investments in the last year | 近一年財富管理貢獻度 | 近1年财富管理贡献",
    days=365,
)
def investment_contribution_365d(earned: Facts) -> Measure:
    """Contribution of wealth products, funds and policies in the last year."""
    return earned.where(earned.family.isin(*INVESTMENTS)).contribution.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Margin earned in the last year | 近一年利差及管理收益 | 近1年利差收入",
    days=365,
)
def margin_365d(earned: Facts) -> Measure:
    """Transfer-price margin earned in the last year."""
    return earned.margin_earned.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "better",
    "Fees earned in the last year | 近一年手續費收入 | 近1年手续费收入",
    days=365,
)
def fees_earned_365d(earned: Facts) -> Measure:
    """Fees and penalty interest earned in the last year."""
    return earned.fees.sum()


@feature(
    CONTRIBUTIONS,
    "money",
    "worse",
    "Cost to serve in the last year | 近一年服務成本 | 近1年服务成本",
    days=365,
)
def cost_to_serve_365d(earned: Facts) -> Measure:
    """Cost to serve the customer's accounts in the last year."""
    return earned.cost_to_serve.sum()


@derived(
    (fees_earned_365d, margin_365d),
    "share",
    "neither",
    "Fees against margin | 手續費對利差收益比 | 手续费与利差收入之比",
)
def fee_share_365d(fees: Array, margin: Array) -> Array:
    """Fees over fees and margin, last year."""
    return quotient(fees, fees + margin)


@derived(
    (cost_to_serve_365d, margin_365d, fees_earned_365d),
    "ratio",
    "worse",
    "Cost against income | 成本收益比 | 成本收入比",
)
def cost_income_365d(cost: Array, margin: Array, fees: Array) -> Array:
    """Cost to serve over margin and fees, last year."""
    return quotient(cost, margin + fees)


@feature(
    CONTRIBUTIONS,
    "money",
    "worse",
    "Losses written off | 轉銷呆帳金額 | 核销损失金额",
    purposes=("service", "value"),
)
def losses(earned: Facts) -> Measure:
    """Net losses ever written off."""
    return earned.loss.sum()

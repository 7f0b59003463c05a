"""What they do with their money, and whether they still do it."""

import numpy as np

from features.definition import Array, Facts, Feature, Measure, derived, feature, quotient, windowed
from features.facts import slope, spread, total
from features.sources import BOOKINGS, NOT_MARKETING

INCOME = ("salary", "pension")
DIGITAL = ("online", "mobile")


@feature(
    BOOKINGS,
    "days",
    "worse",
    "Time since the last own payment | 距最近一次自主交易的時間 | 距最近一次主动交易的时间",
    days=365,
)
def days_since_own_booking(booked: Facts) -> Measure:
    """Days since the customer last moved money, within a year."""
    return booked.where(~booked.automatic).age.min()


@windowed(
    BOOKINGS,
    (30, 90, 180, 365),
    "count",
    "better",
    "Payments {when} | {when}自主交易筆數 | {when}主动交易笔数",
)
def own_bookings(booked: Facts) -> Measure:
    """Bookings the customer made {when}."""
    return booked.where(~booked.automatic).count()


@derived(
    (own_bookings[30], own_bookings[90]),
    "ratio",
    "better",
    "Pace of payments lately | 近期交易頻率變化 | 近期交易频率变化",
)
def booking_trend_90d(month: Array, quarter: Array) -> Array:
    """Own bookings of the last month over a third of the quarter's."""
    return quotient(3.0 * month, quarter)


@derived(
    (own_bookings[90], own_bookings[180]),
    "ratio",
    "better",
    "Pace of payments this half year | 半年內交易頻率變化 | 半年内交易频率变化",
)
def booking_trend_180d(quarter: Array, half: Array) -> Array:
    """Own bookings of the last quarter over half of the half year's."""
    return quotient(2.0 * quarter, half)


@derived(
    (own_bookings[90], own_bookings[365]),
    "ratio",
    "better",
    "Pace of payments this year | 一年內交易頻率變化 | 1年内交易频率变化",
)
def booking_trend_365d(quarter: Array, year: Array) -> Array:
    """Own bookings of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@windowed(
    BOOKINGS,
    (30, 90),
    "count",
    "better",
    "Days with a payment {when} | {when}有自主交易天數 | {when}有主动交易天数",
)
def active_days(booked: Facts) -> Measure:
    """Different days with a booking the customer made {when}."""
    return booked.where(~booked.automatic).event_day.distinct()


@feature(
    BOOKINGS,
    "ratio",
    "worse",
    "Irregularity of payments | 交易頻率不規律程度 | 交易频率不规律程度",
    days=365,
)
def booking_spread_12m(booked: Facts) -> Measure:
    """Standard deviation over mean of own bookings in the last twelve 30 days."""
    return booked.where(~booked.automatic).monthly(12, Facts.count, spread)


@windowed(
    BOOKINGS,
    (30, 90, 180, 365),
    "money",
    "better",
    "Money coming in {when} | {when}存入金額 | {when}资金流入",
)
def money_in(booked: Facts) -> Measure:
    """Money that came in {when}."""
    return booked.where(booked.amount > 0).amount.sum()


@windowed(
    BOOKINGS,
    (30, 90, 180, 365),
    "money",
    "neither",
    "Money going out {when} | {when}支出金額 | {when}资金流出",
)
def spend(booked: Facts) -> Measure:
    """Money paid out {when}."""
    return -booked.where(booked.amount < 0).amount.sum()


@derived(
    (spend[90], spend[365]),
    "ratio",
    "neither",
    "Spending lately against the year | 近期支出對全年比 | 近期支出与全年之比",
)
def spend_trend(quarter: Array, year: Array) -> Array:
    """Spending of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@derived(
    (money_in[30], money_in[90]),
    "ratio",
    "better",
    "Inflow of the month against the quarter | 本月存入對近三個月比 | 本月流入与近3个月之比",
)
def money_in_trend_90d(month: Array, quarter: Array) -> Array:
    """Money in during the last 30 days over a third of the quarter's."""
    return quotient(3.0 * month, quarter)


@derived(
    (money_in[90], money_in[365]),
    "ratio",
    "better",
    "Income lately against the year | 近期存入對全年比 | 近期流入与全年之比",
)
def money_in_trend(quarter: Array, year: Array) -> Array:
    """Money in during the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@derived(
    (money_in[90], spend[90]),
    "money",
    "better",
    "Money in less money out, last quarter | 近三個月淨存入 | 近3个月净流入",
)
def net_flow_90d(came: Array, went: Array) -> Array:
    """Money in less money paid out in the last 90 days."""
    return came - went


@derived(
    (spend[365], money_in[365]),
    "ratio",
    "worse",
    "Spending against money coming in | 支出對存入比率 | 支出与流入之比",
)
def outflow_ratio_365d(went: Array, came: Array) -> Array:
    """Money paid out over money that came in, last year."""
    return quotient(went, came)


def _spent(month: Facts) -> Measure:
    return -month.where(month.amount < 0).amount.sum()


@feature(
    BOOKINGS,
    "money",
    "neither",
    "Monthly drift of spending | 月支出增減趨勢 | 月支出增减趋势",
    days=365,
)
def spend_slope_12m(booked: Facts) -> Measure:
    """Change of spending from one 30 days to the next, over twelve of them."""
    return booked.monthly(12, _spent, slope)


@feature(
    BOOKINGS,
    "ratio",
    "neither",
    "Ups and downs of spending | 支出波動程度 | 支出波动程度",
    days=365,
)
def spend_spread_12m(booked: Facts) -> Measure:
    """Standard deviation over mean of spending in the last twelve 30 days."""
    return booked.monthly(12, _spent, spread)


@windowed(
    BOOKINGS,
    (90, 365),
    "money",
    "better",
    "Salary or pension {when} | {when}薪資或退休金入帳金額 | {when}工资或养老金入账金额",
)
def income(booked: Facts) -> Measure:
    """Salary and pension received {when}."""
    return booked.where(booked.category.isin(*INCOME)).amount.sum()


@windowed(
    BOOKINGS,
    (365,),
    "count",
    "better",
    "Salaries or pensions {when} | {when}薪資或退休金入帳次數 | {when}工资或养老金入账次数",
)
def income_payments(booked: Facts) -> Measure:
    """Salary and pension payments received {when}."""
    return booked.where(booked.category.isin(*INCOME)).count()


@feature(
    BOOKINGS,
    "days",
    "worse",
    "Time since the last salary or pension | 距最近一次薪資或退休金入帳的時間 | 距最近一次工资或养老金入账的时间",
    days=365,
)
def days_since_income(booked: Facts) -> Measure:
    """Days since the last salary or pension, within a year."""
    return booked.where(booked.category.isin(*INCOME)).age.min()


def _paid(month: Facts) -> Measure:
    return month.where(month.category.isin(*INCOME)).amount.sum()


@feature(
    BOOKINGS,
    "ratio",
    "worse",
    "Irregularity of salary or pension | 薪資或退休金入帳不穩定程度 | 工资或养老金入账不稳定程度",
    days=365,
)
def income_spread_12m(booked: Facts) -> Measure:
    """Standard deviation over mean of salary and pension in the last twelve 30 days."""
    return booked.monthly(12, _paid, spread)


@feature(
    BOOKINGS,
    "money",
    "better",
    "Monthly drift of salary or pension | 薪資或退休金增減趨勢 | 工资或养老金增减趋势",
    days=365,
)
def income_slope_12m(booked: Facts) -> Measure:
    """Change of salary and pension from one 30 days to the next, over twelve of them."""
    return booked.monthly(12, _paid, slope)


@feature(
    BOOKINGS,
    "months",
    "better",
    "Months with a salary or pension | 有薪資或退休金入帳月數 | 有工资或养老金入账月数",
    days=365,
)
def income_months_12m(booked: Facts) -> Measure:
    """How many of the last twelve 30 days saw a salary or pension."""
    return booked.monthly(
        12, _paid, lambda *months: total(*((m > 0).astype(np.float64) for m in months))
    )


@derived(
    (income[90], income[365]),
    "ratio",
    "better",
    "Salary lately against the year | 近期薪資對全年比 | 近期工资与全年之比",
)
def income_trend(quarter: Array, year: Array) -> Array:
    """Salary and pension of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@derived(
    (income[365], money_in[365]),
    "share",
    "better",
    "Share of inflow that is salary | 薪資占存入比率 | 工资占流入比例",
)
def income_share_365d(paid: Array, came: Array) -> Array:
    """Share of the year's inflow that was salary or pension."""
    return quotient(paid, came)


@windowed(
    BOOKINGS,
    (90,),
    "share",
    "neither",
    "Share of bookings that run by themselves {when} | {when}自動扣繳交易占比 | {when}自动代扣交易占比",
)
def automatic_share(booked: Facts) -> Measure:
    """Share of the bookings {when} that were automatic."""
    return booked.where(booked.automatic).count() / booked.count()


@windowed(
    BOOKINGS,
    (90,),
    "share",
    "neither",
    "Share of payments made online {when} | {when}網路及行動交易占比 | {when}线上交易占比",
)
def digital_share(booked: Facts) -> Measure:
    """Share of the customer's bookings made online or by app {when}."""
    own = booked.where(~booked.automatic)
    return own.where(own.channel.isin(*DIGITAL)).count() / own.count()


@feature(
    BOOKINGS,
    "count",
    "better",
    "Card payments in the last quarter | 近三個月刷卡筆數 | 近3个月刷卡笔数",
    days=90,
)
def card_payments_90d(booked: Facts) -> Measure:
    """Payments by card in the last 90 days."""
    return booked.where(booked.channel == "card").count()


@windowed(
    BOOKINGS,
    (90,),
    "money",
    "neither",
    "Cash taken out {when} | {when}提現金額 | {when}取现金额",
)
def cash_out(booked: Facts) -> Measure:
    """Cash taken out {when}."""
    return -booked.where(booked.category == "cash_out").amount.sum()


@derived(
    (cash_out[90], spend[90]),
    "share",
    "neither",
    "Share of spending in cash | 現金占支出比率 | 现金支出占比",
)
def cash_share_90d(cash: Array, spent: Array) -> Array:
    """Share of the last 90 days' spending taken out in cash."""
    return quotient(cash, spent)


@windowed(
    BOOKINGS,
    (90, 365),
    "money",
    "worse",
    "Money transferred away {when} | {when}轉出金額 | {when}转出金额",
)
def transfers_out(booked: Facts) -> Measure:
    """Money transferred to other accounts {when}."""
    return -booked.where(booked.category == "transfer_out").amount.sum()


@derived(
    (transfers_out[90], transfers_out[365]),
    "ratio",
    "worse",
    "Transfers away lately against the year | 近期轉出對全年比 | 近期转出与全年之比",
)
def transfers_out_trend(quarter: Array, year: Array) -> Array:
    """Transfers out of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@windowed(
    BOOKINGS,
    (90,),
    "money",
    "better",
    "Money transferred in {when} | {when}轉入金額 | {when}转入金额",
)
def transfers_in(booked: Facts) -> Measure:
    """Money transferred in from other accounts {when}."""
    return booked.where(booked.category == "transfer_in").amount.sum()


@windowed(
    BOOKINGS,
    (365,),
    "money",
    "neither",
    "Fees paid {when} | {when}手續費支出 | {when}手续费支出",
)
def fees(booked: Facts) -> Measure:
    """Fees paid {when}."""
    return -booked.where(booked.category == "fee").amount.sum()


@windowed(
    BOOKINGS,
    (365,),
    "count",
    "worse",
    "Penalty interest charged {when} | {when}違約金計收次數 | {when}罚息次数",
    purposes=NOT_MARKETING,
)
def penalties(booked: Facts) -> Measure:
    """Times penalty interest was charged {when}."""
    return booked.where(booked.category == "penalty_interest").count()


@windowed(
    BOOKINGS,
    (90,),
    "count",
    "better",
    "Kinds of spending {when} | {when}收支類別數 | {when}收支类别数",
)
def categories(booked: Facts) -> Measure:
    """Different booking categories {when}."""
    return booked.category.distinct()


@windowed(
    BOOKINGS,
    (90,),
    "count",
    "better",
    "People and shops dealt with {when} | {when}交易對象數 | {when}交易对手数",
)
def counterparties(booked: Facts) -> Measure:
    """Different counterparties {when}."""
    return booked.counterparty.distinct()


@windowed(
    BOOKINGS,
    (365,),
    "money",
    "better",
    "Largest single amount received {when} | {when}單筆最大存入 | {when}单笔最大流入",
)
def largest_inflow(booked: Facts) -> Measure:
    """Largest single amount received {when}."""
    return booked.where(booked.amount > 0).amount.max()


@windowed(
    BOOKINGS,
    (90,),
    "money",
    "worse",
    "Largest single amount paid out {when} | {when}單筆最大支出 | {when}单笔最大流出",
)
def largest_outflow(booked: Facts) -> Measure:
    """Largest single amount paid out {when}."""
    return -booked.where(booked.amount < 0).amount.min()


@derived(
    (largest_outflow[90], money_in[90]),
    "ratio",
    "worse",
    "Largest payment out against inflow | 單筆最大支出對存入比 | 单笔最大流出与流入之比",
)
def outflow_jump_90d(largest: Array, came: Array) -> Array:
    """Largest single amount paid out over money that came in, last 90 days."""
    return quotient(largest, came)


def _spent_on(category: str, en: str, zh_tw: str, zh_cn: str) -> Feature:
    """Money spent on one category in the last quarter."""

    def spent(booked: Facts) -> Measure:
        return -booked.where(booked.category == category).amount.sum()

    spent.__name__ = f"{category}_90d"
    spent.__doc__ = f"Spent on {en.lower()} in the last 90 days."
    said = f"{en} in the last quarter | 近三個月{zh_tw} | 近3个月{zh_cn}"
    return feature(BOOKINGS, "money", "neither", said, days=90)(spent)


groceries_90d = _spent_on("groceries", "Groceries", "生鮮超市消費", "超市生鲜消费")
dining_90d = _spent_on("dining", "Dining", "餐飲消費", "餐饮消费")
travel_90d = _spent_on("travel", "Travel", "旅遊交通消費", "出行旅游消费")
shopping_90d = _spent_on("shopping", "Shopping", "購物消費", "购物消费")
utilities_90d = _spent_on("utilities", "Utilities", "水電瓦斯電信費", "水电燃气通讯费")
household_90d = _spent_on("household", "Household payments", "居家支出", "家庭支出")
insurance_90d = _spent_on("insurance", "Insurance premiums", "保險費支出", "保费支出")
education_90d = _spent_on("education", "Education", "教育支出", "教育支出")
investment_90d = _spent_on("investment", "Investments bought", "投資扣款", "投资支出")
loan_payment_90d = _spent_on("loan_payment", "Loan instalments", "貸款本息扣款", "贷款还款支出")


@derived(
    (loan_payment_90d, income[90]),
    "ratio",
    "worse",
    "Instalments paid against salary | 貸款扣款對薪資比 | 贷款还款与工资之比",
)
def instalments_to_income_90d(paid: Array, earned: Array) -> Array:
    """Loan instalments paid over salary and pension, last 90 days."""
    return quotient(paid, earned)

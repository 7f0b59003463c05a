"""What they have with the bank, and where it is going."""

import numpy as np

from features.definition import Array, Facts, Measure, derived, feature, quotient, windowed
from features.facts import deviation, slope, spread, together, trend
from features.sources import BALANCES, BOOKINGS

DEPOSITS = ("current", "savings", "term_deposit")
INVESTMENTS = ("wealth_management", "fund", "insurance")
LIQUID = ("current", "savings")
LENDING = ("personal_loan", "mortgage", "credit_card")
# Where banks of the region begin to serve differently: 0.1, 1, 3, 10 and 30 million TWD.
TIERS = (10_000_000, 100_000_000, 300_000_000, 1_000_000_000, 3_000_000_000)


@feature(BALANCES, "money", "better", "Assets with the bank | 往來資產總額 | 在行金融资产")
def assets(position: Facts) -> Measure:
    """Deposits and investments now."""
    return position.latest().where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(
    BALANCES,
    "money",
    "better",
    "Assets with the bank a month ago | 一個月前往來資產 | 1个月前在行金融资产",
)
def assets_30d_ago(position: Facts) -> Measure:
    """Deposits and investments 30 days ago."""
    held = position.latest(before=30)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(
    BALANCES,
    "money",
    "better",
    "Assets with the bank a quarter ago | 三個月前往來資產 | 3个月前在行金融资产",
)
def assets_90d_ago(position: Facts) -> Measure:
    """Deposits and investments 90 days ago."""
    held = position.latest(before=90)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(
    BALANCES,
    "money",
    "better",
    "Assets with the bank half a year ago | 六個月前往來資產 | 6个月前在行金融资产",
)
def assets_180d_ago(position: Facts) -> Measure:
    """Deposits and investments 180 days ago."""
    held = position.latest(before=180)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@feature(
    BALANCES,
    "money",
    "better",
    "Assets with the bank a year ago | 一年前往來資產 | 1年前在行金融资产",
)
def assets_365d_ago(position: Facts) -> Measure:
    """Deposits and investments a year ago."""
    held = position.latest(before=365)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


@derived(
    (assets, assets_30d_ago),
    "ratio",
    "better",
    "Change of assets over a month | 往來資產月增減比 | 在行资产月度变化",
)
def assets_trend_30d(now: Array, then: Array) -> Array:
    """Assets now over assets 30 days ago."""
    return quotient(now, np.maximum(then, 0.0))


@derived(
    (assets, assets_90d_ago),
    "ratio",
    "better",
    "Change of assets over a quarter | 往來資產季增減比 | 在行资产季度变化",
)
def assets_trend_90d(now: Array, then: Array) -> Array:
    """Assets now over assets 90 days ago."""
    return quotient(now, np.maximum(then, 0.0))


@derived(
    (assets, assets_180d_ago),
    "ratio",
    "better",
    "Change of assets over half a year | 往來資產半年增減比 | 在行资产半年度变化",
)
def assets_trend_180d(now: Array, then: Array) -> Array:
    """Assets now over assets 180 days ago."""
    return quotient(now, np.maximum(then, 0.0))


@derived(
    (assets, assets_365d_ago),
    "ratio",
    "better",
    "Change of assets over a year | 往來資產年增減比 | 在行资产年度变化",
)
def assets_trend_365d(now: Array, then: Array) -> Array:
    """Assets now over assets a year ago."""
    return quotient(now, np.maximum(then, 0.0))


@feature(
    BALANCES,
    "money",
    "better",
    "Average assets of the last month | 近一個月日均往來資產 | 近1个月日均金融资产",
)
def assets_average_30d(position: Facts) -> Measure:
    """Daily average of deposits and investments over the last 30 days."""
    held = position.where(position.family.isin(*DEPOSITS, *INVESTMENTS))
    return held.worth.daily_average(30)


@feature(
    BALANCES,
    "money",
    "better",
    "Average assets of the last year | 近一年日均往來資產 | 近1年日均金融资产",
)
def assets_average_365d(position: Facts) -> Measure:
    """Daily average of deposits and investments over the last year."""
    held = position.where(position.family.isin(*DEPOSITS, *INVESTMENTS))
    return held.worth.daily_average(365)


@derived((assets_average_30d,), "tier", "better", "Wealth tier | 理財客戶等級 | 财富客户层级")
def assets_tier(average: Array) -> Array:
    """Tier of the daily average of assets: 0 to 5, from 0.1 to 30 million."""
    return np.searchsorted(np.array(TIERS, np.float64), average, side="right").astype(np.float64)


@derived(
    (assets, assets_average_365d),
    "ratio",
    "better",
    "Assets against the year's average | 目前資產對近一年日均比 | 当前资产与近1年日均之比",
)
def assets_against_average(now: Array, average: Array) -> Array:
    """Assets now over their daily average of the last year."""
    return quotient(now, np.maximum(average, 0.0))


@feature(
    BALANCES,
    "money",
    "better",
    "Assets at the last month-end | 上月底往來資產 | 上月末在行金融资产",
)
def assets_month_end(position: Facts) -> Measure:
    """Deposits and investments at the end of the last complete month."""
    held = position.latest(month_end=1)
    return held.where(position.family.isin(*DEPOSITS, *INVESTMENTS)).worth.sum()


def _at_month_ends(position: Facts, months: int) -> tuple[Measure, ...]:
    """Deposits and investments at the last month-ends, oldest first."""
    kept = position.family.isin(*DEPOSITS, *INVESTMENTS)
    back = reversed(range(1, months + 1))
    return tuple(position.latest(month_end=n).where(kept).worth.sum() for n in back)


@feature(
    BALANCES,
    "money",
    "better",
    "Monthly growth of assets | 往來資產月均增減額 | 在行资产月均增减额",
)
def assets_slope_6m(position: Facts) -> Measure:
    """Change of assets a month, least squares over the last six month-ends."""
    return together(_at_month_ends(position, 6), slope)


@feature(
    BALANCES, "ratio", "worse", "Ups and downs of assets | 往來資產波動程度 | 在行资产波动程度"
)
def assets_spread_6m(position: Facts) -> Measure:
    """Standard deviation over mean of assets at the last six month-ends."""
    return together(_at_month_ends(position, 6), spread)


@feature(
    BALANCES,
    "money",
    "better",
    "Highest month-end assets of half a year | 近六個月月底資產高點 | 近6个月月末资产峰值",
)
def assets_peak_6m(position: Facts) -> Measure:
    """Highest deposits and investments at one of the last six month-ends."""
    return together(_at_month_ends(position, 6), lambda *ends: np.maximum.reduce(ends))


@derived(
    (assets, assets_peak_6m),
    "share",
    "better",
    "Assets left of their peak | 目前資產占高點比率 | 当前资产占峰值比例",
)
def assets_left_of_peak(now: Array, peak: Array) -> Array:
    """Assets now over the highest of the last six month-ends: the run-down."""
    return quotient(now, np.maximum(peak, 0.0))


@feature(BALANCES, "money", "better", "Balance of current accounts | 活期存款餘額 | 活期存款余额")
def current_balance(position: Facts) -> Measure:
    """Money on current accounts now."""
    return position.latest().where(position.family == "current").worth.sum()


@feature(BALANCES, "money", "better", "Savings held | 儲蓄存款餘額 | 储蓄存款余额")
def savings_balance(position: Facts) -> Measure:
    """Money on savings accounts now."""
    return position.latest().where(position.family == "savings").worth.sum()


@feature(BALANCES, "money", "better", "Investments held | 投資及保險商品餘額 | 理财基金保险余额")
def investments(position: Facts) -> Measure:
    """Wealth products, funds and policies now."""
    return position.latest().where(position.family.isin(*INVESTMENTS)).worth.sum()


@derived(
    (investments, assets),
    "share",
    "better",
    "Share of assets invested | 投資占往來資產比率 | 投资类资产占比",
)
def investment_share(invested: Array, total: Array) -> Array:
    """Share of assets in wealth products, funds and policies."""
    return quotient(invested, total)


@feature(BALANCES, "money", "neither", "Debt to the bank | 貸款及信用卡欠款 | 贷款及信用卡欠款")
def debt(position: Facts) -> Measure:
    """Owed to the bank on loans and cards now."""
    return -position.latest().where(position.family.isin(*LENDING)).worth.sum()


@derived((debt, assets), "ratio", "worse", "Debt against assets | 負債對資產比率 | 负债与资产之比")
def debt_to_assets(owed: Array, held: Array) -> Array:
    """Owed on loans and cards over deposits and investments."""
    return quotient(owed, np.maximum(held, 0.0))


@feature(
    BALANCES,
    "money",
    "better",
    "Average current balance of the last quarter | 近三個月活存日均餘額 | 近3个月活期日均余额",
)
def current_average_90d(position: Facts) -> Measure:
    """Daily average on current accounts over the last 90 days."""
    return position.where(position.family == "current").worth.daily_average(90)


@windowed(
    BALANCES,
    (30, 90, 365),
    "money",
    "better",
    "Lowest balance {when} | {when}活存最低餘額 | {when}活期最低余额",
)
def lowest_balance(position: Facts) -> Measure:
    """Lowest end-of-day balance of a current account {when}."""
    return position.where(position.family == "current").worth.min()


@windowed(
    BALANCES,
    (90,),
    "money",
    "better",
    "Highest balance {when} | {when}活存最高餘額 | {when}活期最高余额",
)
def highest_balance(position: Facts) -> Measure:
    """Highest end-of-day balance of a current account {when}."""
    return position.where(position.family == "current").worth.max()


@windowed(
    BALANCES,
    (90, 365),
    "count",
    "worse",
    "Days that ended overdrawn {when} | {when}存款透支天數 | {when}账户透支天数",
)
def days_overdrawn(position: Facts) -> Measure:
    """End-of-day balances below zero on current accounts {when}."""
    return position.where((position.family == "current") & (position.worth < 0)).count()


@windowed(
    BALANCES,
    (90,),
    "money",
    "neither",
    "Ups and downs of the balance {when} | {when}活存餘額波動 | {when}活期余额波动",
)
def balance_deviation(position: Facts) -> Measure:
    """Standard deviation of current balances {when}."""
    kept = position.where(position.family == "current").thousands
    powers = (kept.count(), kept.sum(), (kept * kept).sum())
    return together(powers, lambda n, first, second: 1000.0 * deviation(n, first, second))


@windowed(
    BALANCES,
    (90,),
    "money",
    "better",
    "Daily drift of the balance {when} | {when}活存餘額每日增減 | {when}活期余额日均增减",
)
def balance_slope(position: Facts) -> Measure:
    """Change of current balances a day {when}, by least squares."""
    kept = position.where(position.family == "current")
    day, worth = kept.event_day - 10957, kept.thousands  # from 2000 on, to keep products small
    powers = (day.count(), day.sum(), worth.sum(), (day * day).sum(), (day * worth).sum())
    return together(powers, lambda *sums: 1000.0 * trend(*sums))


@feature(
    BOOKINGS,
    "money",
    "better",
    "Average balance after bookings | 近三個月交易後平均餘額 | 近3个月交易后平均余额",
    days=90,
)
def balance_after_bookings_90d(booked: Facts) -> Measure:
    """Mean balance after a booking in the last 90 days."""
    told = booked.where(booked.balance_after.known())
    return told.balance_after.sum() / told.count()

"""How they meet the bank."""

from features.definition import Array, Facts, Measure, derived, feature, quotient, windowed
from features.sources import NOT_CREDIT, TOUCHES


@windowed(
    TOUCHES,
    (30, 90, 365),
    "count",
    "better",
    "Logins {when} | {when}登入次數 | {when}登录次数",
)
def logins(touched: Facts) -> Measure:
    """Logins {when}."""
    return touched.where(touched.kind == "login").count()


@derived(
    (logins[30], logins[90]),
    "ratio",
    "better",
    "Pace of logins lately | 近期登入頻率變化 | 近期登录频率变化",
)
def login_trend(month: Array, quarter: Array) -> Array:
    """Logins of the last month over a third of the quarter's."""
    return quotient(3.0 * month, quarter)


@derived(
    (logins[90], logins[365]),
    "ratio",
    "better",
    "Pace of logins this year | 一年內登入頻率變化 | 1年内登录频率变化",
)
def login_trend_365d(quarter: Array, year: Array) -> Array:
    """Logins of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@feature(
    TOUCHES,
    "days",
    "worse",
    "Time since the last login | 距最近一次登入的時間 | 距最近一次登录的时间",
    days=365,
)
def days_since_login(touched: Facts) -> Measure:
    """Days since the last login, within a year."""
    return touched.where(touched.kind == "login").age.min()


@windowed(
    TOUCHES,
    (90,),
    "count",
    "better",
    "Days with a login {when} | {when}有登入天數 | {when}有登录天数",
)
def login_days(touched: Facts) -> Measure:
    """Different days with a login {when}."""
    return touched.where(touched.kind == "login").event_day.distinct()


@windowed(
    TOUCHES,
    (90, 180, 365),
    "count",
    "neither",
    "Calls to the bank {when} | {when}致電客服次數 | {when}致电客服次数",
)
def calls(touched: Facts) -> Measure:
    """Calls {when}."""
    return touched.where(touched.kind == "call").count()


@derived(
    (calls[90], calls[365]),
    "ratio",
    "neither",
    "Pace of calls this year | 一年內致電頻率變化 | 1年内致电频率变化",
)
def call_trend(quarter: Array, year: Array) -> Array:
    """Calls of the last quarter over a quarter of the year's."""
    return quotient(4.0 * quarter, year)


@windowed(
    TOUCHES,
    (180, 365, None),
    "count",
    "worse",
    "Complaints {when} | {when}客訴次數 | {when}投诉次数",
    purposes=NOT_CREDIT,
)
def complaints(touched: Facts) -> Measure:
    """Complaints {when}."""
    return touched.where(touched.kind == "complaint").count()


@feature(
    TOUCHES,
    "days",
    "better",
    "Time since the last complaint | 距最近一次客訴的時間 | 距最近一次投诉的时间",
    purposes=NOT_CREDIT,
)
def days_since_complaint(touched: Facts) -> Measure:
    """Days since the last complaint."""
    return touched.where(touched.kind == "complaint").age.min()


@windowed(
    TOUCHES,
    (180,),
    "count",
    "neither",
    "Branch visits {when} | {when}臨櫃次數 | {when}到访网点次数",
)
def visits(touched: Facts) -> Measure:
    """Branch visits {when}."""
    return touched.where(touched.kind == "branch_visit").count()


@windowed(
    TOUCHES,
    (90,),
    "share",
    "neither",
    "Share of contacts that are digital {when} | {when}數位通路往來占比 | {when}线上渠道往来占比",
)
def digital_touches(touched: Facts) -> Measure:
    """Share of logins, calls and visits {when} that were logins."""
    met = touched.where(touched.kind.isin("login", "call", "branch_visit"))
    return met.where(met.kind == "login").count() / met.count()


@feature(
    TOUCHES,
    "days",
    "worse",
    "Time since the bank was last contacted | 距最近一次主動聯繫銀行的時間 | 距最近一次主动联系银行的时间",
)
def days_since_touch(touched: Facts) -> Measure:
    """Days since the last login, call or visit."""
    return touched.where(touched.kind.isin("login", "call", "branch_visit")).age.min()


@feature(
    TOUCHES,
    "count",
    "better",
    "Offers looked into lately | 近六個月點閱優惠次數 | 近6个月点击营销活动次数",
    days=180,
    purposes=NOT_CREDIT,
)
def offer_clicks_180d(touched: Facts) -> Measure:
    """Offers clicked or accepted in the last 180 days."""
    return touched.where(touched.kind.isin("offer_clicked", "offer_accepted")).count()

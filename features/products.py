"""What they hold, have held, and since when."""

from features.definition import Array, Facts, Measure, derived, feature, windowed
from features.sources import CLOSINGS, OPENINGS

LENDING = ("personal_loan", "mortgage")
INVESTMENTS = ("wealth_management", "fund", "insurance")


@feature(OPENINGS, "days", "better", "Time with the bank | 往來時間 | 开户时长")
def tenure_days(opened: Facts) -> Measure:
    """Days since the first account was opened."""
    return opened.age.max()


@feature(
    OPENINGS,
    "days",
    "neither",
    "Time since the last product was opened | 距最近一次申辦產品的時間 | 距最近一次开办产品的时间",
)
def days_since_opening(opened: Facts) -> Measure:
    """Days since the latest account was opened."""
    return opened.age.min()


@windowed(
    OPENINGS,
    (365, None),
    "count",
    "better",
    "Products opened {when} | {when}申辦產品數 | {when}开办产品数",
)
def products_opened(opened: Facts) -> Measure:
    """Accounts, cards, loans and policies opened {when}."""
    return opened.count()


@feature(
    OPENINGS,
    "count",
    "better",
    "Kinds of product ever held | 曾持有的產品種類數 | 曾持有的产品种类数",
)
def families_opened(opened: Facts) -> Measure:
    """Different product families ever held."""
    return opened.family.distinct()


@windowed(
    CLOSINGS,
    (365, None),
    "count",
    "worse",
    "Products closed {when} | {when}結清產品數 | {when}销户产品数",
)
def products_closed(closed: Facts) -> Measure:
    """Accounts, cards, loans and policies closed {when}."""
    return closed.count()


@windowed(
    CLOSINGS,
    (180,),
    "count",
    "worse",
    "Products the customer closed {when} | {when}主動結清產品數 | {when}主动销户产品数",
)
def closed_by_customer(closed: Facts) -> Measure:
    """Accounts the customer had closed {when}."""
    return closed.where(closed.reason == "customer").count()


@feature(
    CLOSINGS,
    "days",
    "better",
    "Time since a product was last closed | 距最近一次結清產品的時間 | 距最近一次销户的时间",
)
def days_since_closing(closed: Facts) -> Measure:
    """Days since an account was last closed."""
    return closed.age.min()


@feature(
    CLOSINGS,
    "count",
    "neither",
    "Deposits and loans that ran to term lately | 近六個月到期產品數 | 近6个月到期产品数",
    days=180,
)
def matured_180d(closed: Facts) -> Measure:
    """Accounts that matured or were repaid in the last 180 days."""
    return closed.where(closed.reason.isin("matured", "repaid")).count()


@derived(
    (products_opened[None], products_closed[None]),
    "count",
    "better",
    "Products held | 目前持有產品數 | 当前持有产品数",
)
def products_held(opened: Array, closed: Array) -> Array:
    """Accounts, cards, loans and policies held now."""
    return opened - closed


@feature(
    OPENINGS, "count", "better", "Term deposits ever opened | 曾開立定存筆數 | 曾开立定期存款笔数"
)
def deposits_opened(opened: Facts) -> Measure:
    """Term deposits ever opened."""
    return opened.where(opened.family == "term_deposit").count()


@feature(
    OPENINGS, "count", "neither", "Credit cards ever opened | 曾申辦信用卡張數 | 曾办理信用卡张数"
)
def cards_opened(opened: Facts) -> Measure:
    """Credit cards ever opened."""
    return opened.where(opened.family == "credit_card").count()


@feature(OPENINGS, "count", "neither", "Loans ever opened | 曾申貸筆數 | 曾办理贷款笔数")
def loans_opened(opened: Facts) -> Measure:
    """Personal loans and mortgages ever opened."""
    return opened.where(opened.family.isin(*LENDING)).count()


@feature(
    OPENINGS,
    "count",
    "better",
    "Investments and policies ever bought | 曾申購投資及保險商品數 | 曾购买理财基金保险产品数",
)
def investments_opened(opened: Facts) -> Measure:
    """Wealth products, funds and policies ever opened."""
    return opened.where(opened.family.isin(*INVESTMENTS)).count()


@feature(
    CLOSINGS,
    "count",
    "neither",
    "Term deposits closed | 已解約或到期定存筆數 | 已支取或到期定期存款笔数",
)
def deposits_closed(closed: Facts) -> Measure:
    """Term deposits ever closed."""
    return closed.where(closed.family == "term_deposit").count()


@feature(CLOSINGS, "count", "worse", "Credit cards closed | 已停用信用卡張數 | 已销信用卡张数")
def cards_closed(closed: Facts) -> Measure:
    """Credit cards ever closed."""
    return closed.where(closed.family == "credit_card").count()


@feature(CLOSINGS, "count", "neither", "Loans closed | 已結清貸款筆數 | 已结清贷款笔数")
def loans_closed(closed: Facts) -> Measure:
    """Personal loans and mortgages ever closed."""
    return closed.where(closed.family.isin(*LENDING)).count()


@feature(
    CLOSINGS,
    "count",
    "worse",
    "Investments and policies ended | 已贖回投資及保險商品數 | 已赎回理财基金保险产品数",
)
def investments_closed(closed: Facts) -> Measure:
    """Wealth products, funds and policies ever closed."""
    return closed.where(closed.family.isin(*INVESTMENTS)).count()


@derived(
    (deposits_opened, deposits_closed),
    "count",
    "better",
    "Term deposits held | 目前定存筆數 | 当前定期存款笔数",
)
def deposits_held(opened: Array, closed: Array) -> Array:
    """Term deposits held now."""
    return opened - closed


@derived(
    (cards_opened, cards_closed),
    "count",
    "better",
    "Credit cards held | 目前持有信用卡張數 | 当前持有信用卡张数",
)
def cards_held(opened: Array, closed: Array) -> Array:
    """Credit cards held now."""
    return opened - closed


@derived(
    (loans_opened, loans_closed), "count", "neither", "Loans held | 目前貸款筆數 | 当前贷款笔数"
)
def loans_held(opened: Array, closed: Array) -> Array:
    """Personal loans and mortgages held now."""
    return opened - closed


@derived(
    (investments_opened, investments_closed),
    "count",
    "better",
    "Investments and policies held | 目前持有投資及保險商品數 | 当前持有理财基金保险产品数",
)
def investments_held(opened: Array, closed: Array) -> Array:
    """Wealth products, funds and policies held now."""
    return opened - closed

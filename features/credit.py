"""What they owe, how they pay it back, and what they apply for."""

from features.activity import income, money_in
from features.definition import Array, Facts, Measure, derived, feature, quotient, windowed
from features.sources import (
    APPLICATIONS,
    COLLATERAL,
    LOANS,
    NOT_MARKETING,
    REPAYMENTS,
    STATEMENTS,
)


@feature(LOANS, "count", "neither", "Loans granted before | 曾核貸筆數 | 历史放款笔数")
def loans_granted(granted: Facts) -> Measure:
    """Loans ever granted."""
    return granted.count()


@feature(
    LOANS,
    "money",
    "neither",
    "Loans granted in the last year | 近一年核貸金額 | 近1年放款金额",
    days=365,
)
def loan_amount_365d(granted: Facts) -> Measure:
    """Amount of loans granted in the last year."""
    return granted.amount.sum()


@feature(
    LOANS,
    "days",
    "better",
    "Time since the last loan was granted | 距最近一次核貸的時間 | 距最近一次放款的时间",
)
def days_since_loan(granted: Facts) -> Measure:
    """Days since a loan was last granted."""
    return granted.age.min()


@feature(REPAYMENTS, "money", "neither", "Loans outstanding | 貸款餘額 | 贷款余额")
def loans_outstanding(repaid: Facts) -> Measure:
    """Principal still owed on loans, as last stated."""
    return repaid.latest().outstanding.sum()


@feature(
    REPAYMENTS,
    "days",
    "worse",
    "Loan days past due | 貸款逾期天數 | 贷款逾期天数",
    purposes=NOT_MARKETING,
)
def loan_days_past_due(repaid: Facts) -> Measure:
    """Days past due on the worst loan, as last stated."""
    return repaid.latest().days_past_due.max()


@windowed(
    REPAYMENTS,
    (90, 365, None),
    "days",
    "worse",
    "Deepest loan arrears {when} | {when}貸款最長逾期天數 | {when}贷款最长逾期天数",
    purposes=NOT_MARKETING,
)
def loan_worst_arrears(repaid: Facts) -> Measure:
    """Most days past due on a loan {when}."""
    return repaid.days_past_due.max()


@windowed(
    REPAYMENTS,
    (365, None),
    "count",
    "worse",
    "Months with loan arrears {when} | {when}貸款逾期期數 | {when}贷款逾期期数",
    purposes=NOT_MARKETING,
)
def loan_arrears_months(repaid: Facts) -> Measure:
    """Loan statements with arrears {when}."""
    return repaid.where(repaid.days_past_due > 0).count()


@feature(
    REPAYMENTS,
    "days",
    "better",
    "Time since the last loan arrears | 距最近一次貸款逾期的時間 | 距最近一次贷款逾期的时间",
    purposes=NOT_MARKETING,
)
def days_since_loan_arrears(repaid: Facts) -> Measure:
    """Days since a loan statement last showed arrears."""
    return repaid.where(repaid.days_past_due > 0).age.min()


@windowed(
    REPAYMENTS,
    (90, 365),
    "money",
    "neither",
    "Instalments due {when} | {when}應繳本息 | {when}应还本息",
)
def instalments(repaid: Facts) -> Measure:
    """Loan instalments due {when}."""
    return repaid.due.sum()


@windowed(
    REPAYMENTS,
    (90,),
    "ratio",
    "better",
    "Share of instalments paid {when} | {when}貸款按期繳款比率 | {when}贷款按期还款比例",
    purposes=NOT_MARKETING,
)
def instalments_paid(repaid: Facts) -> Measure:
    """Paid over due on loans {when}."""
    return repaid.paid.sum() / repaid.due.sum()


@derived(
    (instalments[90], income[90]),
    "ratio",
    "worse",
    "Debt service against income | 收支比（月付金對薪資） | 偿债收入比（月供与工资）",
)
def debt_service(due: Array, earned: Array) -> Array:
    """Instalments due over salary and pension received, last 90 days."""
    return quotient(due, earned)


@derived(
    (instalments[365], income[365]),
    "ratio",
    "worse",
    "Debt service against the year's income | 全年應繳本息對薪資比 | 全年应还本息与工资之比",
)
def debt_service_365d(due: Array, earned: Array) -> Array:
    """Instalments due over salary and pension received, last year."""
    return quotient(due, earned)


@feature(COLLATERAL, "money", "better", "Value of collateral | 擔保品鑑價 | 抵押物估值")
def collateral_value(valued: Facts) -> Measure:
    """Value of what secures the loans, as last appraised."""
    return valued.latest().value.sum()


@derived(
    (loans_outstanding, collateral_value),
    "ratio",
    "worse",
    "Loans against collateral | 貸款成數 | 贷款抵押率",
)
def loan_to_value(owed: Array, secured: Array) -> Array:
    """Loans outstanding over the value of collateral."""
    return quotient(owed, secured)


@feature(STATEMENTS, "money", "better", "Card limit | 信用卡額度 | 信用卡授信额度")
def card_limit(stated: Facts) -> Measure:
    """Card limits in force, as last stated."""
    return stated.latest().credit_limit.sum()


@feature(STATEMENTS, "money", "neither", "Owed on cards | 信用卡應繳總額 | 信用卡欠款余额")
def card_balance(stated: Facts) -> Measure:
    """Owed on cards, as last stated."""
    return stated.latest().balance.sum()


@feature(
    STATEMENTS,
    "money",
    "neither",
    "Owed on cards a quarter ago | 三個月前信用卡應繳總額 | 3个月前信用卡欠款余额",
)
def card_balance_90d_ago(stated: Facts) -> Measure:
    """Owed on cards, as stated 90 days ago."""
    return stated.latest(before=90).balance.sum()


@derived(
    (card_balance, card_limit),
    "share",
    "worse",
    "Use of the card limit | 信用卡額度使用率 | 信用卡额度使用率",
)
def limit_use(owed: Array, limit: Array) -> Array:
    """Share of the card limits in use."""
    return quotient(owed, limit)


@derived(
    (card_balance, card_balance_90d_ago),
    "ratio",
    "worse",
    "Change of card debt over a quarter | 信用卡欠款季增減比 | 信用卡欠款季度变化",
)
def card_balance_trend_90d(now: Array, then: Array) -> Array:
    """Owed on cards now over 90 days ago."""
    return quotient(now, then)


@windowed(
    STATEMENTS,
    (180,),
    "share",
    "worse",
    "Usual use of the card limit {when} | {when}平均額度使用率 | {when}平均额度使用率",
)
def limit_use_average(stated: Facts) -> Measure:
    """Stated card balances over stated limits {when}."""
    return stated.balance.sum() / stated.credit_limit.sum()


@feature(
    STATEMENTS,
    "days",
    "worse",
    "Card days past due | 信用卡逾期天數 | 信用卡逾期天数",
    purposes=NOT_MARKETING,
)
def card_days_past_due(stated: Facts) -> Measure:
    """Days past due on the worst card, as last stated."""
    return stated.latest().days_past_due.max()


@windowed(
    STATEMENTS,
    (90, 365, None),
    "days",
    "worse",
    "Deepest card arrears {when} | {when}信用卡最長逾期天數 | {when}信用卡最长逾期天数",
    purposes=NOT_MARKETING,
)
def card_worst_arrears(stated: Facts) -> Measure:
    """Most days past due on a card {when}."""
    return stated.days_past_due.max()


@windowed(
    STATEMENTS,
    (365, None),
    "count",
    "worse",
    "Card statements in arrears {when} | {when}信用卡逾期期數 | {when}信用卡逾期期数",
    purposes=NOT_MARKETING,
)
def card_arrears_months(stated: Facts) -> Measure:
    """Card statements with arrears {when}."""
    return stated.where(stated.days_past_due > 0).count()


@feature(
    STATEMENTS,
    "count",
    "worse",
    "Card statements a month or more overdue | 近一年信用卡逾期一期以上次數 | 近1年信用卡逾期30天以上期数",
    days=365,
    purposes=NOT_MARKETING,
)
def card_arrears_30_365d(stated: Facts) -> Measure:
    """Card statements of the last year that were 30 or more days past due."""
    return stated.where(stated.days_past_due >= 30).count()


@windowed(
    STATEMENTS,
    (180,),
    "ratio",
    "better",
    "How much of the card bill is paid {when} | {when}信用卡帳單繳款比率 | {when}信用卡账单还款比例",
    purposes=NOT_MARKETING,
)
def card_paid_share(stated: Facts) -> Measure:
    """Paid over stated card balances {when}."""
    return stated.paid.sum() / stated.balance.sum()


@windowed(
    STATEMENTS,
    (180, 365),
    "count",
    "worse",
    "Card payments at or below the minimum {when} | {when}信用卡僅繳最低應繳次數 | {when}信用卡仅还最低还款额次数",
    purposes=NOT_MARKETING,
)
def minimum_payments(stated: Facts) -> Measure:
    """Card statements {when} paid with no more than the minimum due."""
    return stated.where((stated.balance > 0) & (stated.paid <= stated.minimum_due)).count()


@feature(
    STATEMENTS,
    "count",
    "worse",
    "Card statements over the limit | 近一年信用卡超額期數 | 近1年信用卡超限期数",
    days=365,
    purposes=NOT_MARKETING,
)
def over_limit_365d(stated: Facts) -> Measure:
    """Card statements of the last year with more owed than the limit."""
    return stated.where(stated.balance > stated.credit_limit).count()


@derived(
    (loans_outstanding, money_in[365]),
    "ratio",
    "worse",
    "Debt against yearly inflow | 貸款餘額對年存入比 | 贷款余额与年流入之比",
)
def debt_to_inflow(owed: Array, inflow: Array) -> Array:
    """Loans outstanding over money received in the last year."""
    return quotient(owed, inflow)


@derived(
    (card_balance, income[90]),
    "ratio",
    "worse",
    "Card debt against salary | 信用卡欠款對薪資比 | 信用卡欠款与工资之比",
)
def card_debt_to_income(owed: Array, earned: Array) -> Array:
    """Owed on cards over the last 90 days' salary and pension."""
    return quotient(owed, earned)


@windowed(
    APPLICATIONS,
    (90, 180, 365),
    "count",
    "neither",
    "Applications {when} | {when}申辦次數 | {when}申请次数",
)
def applications(applied: Facts) -> Measure:
    """Applications submitted {when}."""
    return applied.where(applied.stage == "submitted").count()


@windowed(
    APPLICATIONS,
    (180,),
    "count",
    "worse",
    "Applications for credit {when} | {when}申請授信次數 | {when}申请授信次数",
)
def credit_applications(applied: Facts) -> Measure:
    """Applications for loans and cards submitted {when}."""
    asked = applied.where(applied.family.isin("personal_loan", "mortgage", "credit_card"))
    return asked.where(asked.stage == "submitted").count()


@windowed(
    APPLICATIONS,
    (365,),
    "count",
    "worse",
    "Refused applications {when} | {when}申辦遭婉拒次數 | {when}申请被拒次数",
    purposes=NOT_MARKETING,
)
def refusals(applied: Facts) -> Measure:
    """Applications the bank refused {when}."""
    return applied.where(applied.stage == "refused").count()


@feature(
    APPLICATIONS,
    "count",
    "neither",
    "Applications taken back | 近一年撤件次數 | 近1年撤回申请次数",
    days=365,
)
def withdrawals_365d(applied: Facts) -> Measure:
    """Applications the customer withdrew in the last year."""
    return applied.where(applied.stage == "withdrawn").count()


@feature(
    APPLICATIONS,
    "days",
    "neither",
    "Time since the last application | 距最近一次申辦的時間 | 距最近一次申请的时间",
)
def days_since_application(applied: Facts) -> Measure:
    """Days since an application was last submitted."""
    return applied.where(applied.stage == "submitted").age.min()

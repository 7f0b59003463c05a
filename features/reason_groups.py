"""Which features are one reason: a person hears of the arrears once, not three times."""

import hashlib
from dataclasses import dataclass

from features.catalogue import CATALOGUE
from features.definition import Reasons


@dataclass(frozen=True)
class ReasonGroup:
    """Features that say the same to a person."""

    name: str
    reasons: Reasons
    features: tuple[str, ...]


def _group(name: str, en: str, zh_tw: str, zh_cn: str, features: str) -> ReasonGroup:
    return ReasonGroup(name, Reasons(en, zh_tw, zh_cn), tuple(features.split()))


GROUPS: tuple[ReasonGroup, ...] = (
    _group(
        "age", "Age", "年齡", "年龄",
        "days_since_birth age_years",
    ),
    _group(
        "district", "Where the customer lives", "居住地區", "居住地区",
        "district_salary district_unemployment district_inhabitants district_entrepreneurs"
        " district_crimes district_crime_rate",
    ),
    _group(
        "relationship", "Length of the relationship", "往來期間", "往来期限",
        "tenure_days days_since_opening products_opened_365d products_opened families_opened",
    ),
    _group(
        "products_closed", "Products closed", "已結清產品", "已销户产品",
        "products_closed_365d products_closed closed_by_customer_180d days_since_closing"
        " matured_180d deposits_closed cards_closed loans_closed investments_closed",
    ),
    _group(
        "products_held", "Products held", "持有產品", "持有产品",
        "products_held deposits_opened cards_opened loans_opened investments_opened deposits_held"
        " cards_held loans_held investments_held",
    ),
    _group(
        "assets", "Assets with the bank", "往來資產", "在行资产",
        "assets assets_30d_ago assets_90d_ago assets_180d_ago assets_365d_ago assets_average_30d"
        " assets_average_365d assets_tier assets_month_end assets_peak_6m current_balance"
        " savings_balance investments investment_share current_average_90d highest_balance_90d",
    ),
    _group(
        "assets_movement", "How assets have moved", "資產變動", "资产变动",
        "assets_trend_30d assets_trend_90d assets_trend_180d assets_trend_365d"
        " assets_against_average assets_slope_6m assets_spread_6m assets_left_of_peak"
        " balance_deviation_90d balance_slope_90d balance_after_bookings_90d",
    ),
    _group(
        "overdrafts", "Low or overdrawn balances", "餘額偏低或透支", "余额偏低或透支",
        "lowest_balance_30d lowest_balance_90d lowest_balance_365d days_overdrawn_90d"
        " days_overdrawn_365d",
    ),
    _group(
        "debt", "Debts with the bank", "本行負債", "本行负债",
        "debt debt_to_assets loans_outstanding debt_to_inflow collateral_value loan_to_value"
        " loans_granted loan_amount_365d days_since_loan",
    ),
    _group(
        "own_activity", "Own use of the account", "帳戶使用情形", "账户使用情况",
        "days_since_own_booking own_bookings_30d own_bookings_90d own_bookings_180d"
        " own_bookings_365d booking_trend_90d booking_trend_180d booking_trend_365d"
        " active_days_30d active_days_90d booking_spread_12m categories_90d counterparties_90d"
        " automatic_share_90d",
    ),
    _group(
        "income", "Salary or pension received here", "薪資入帳", "工资入账",
        "income_90d income_365d income_payments_365d days_since_income income_spread_12m"
        " income_slope_12m income_months_12m income_trend income_share_365d",
    ),
    _group(
        "money_in", "Money coming in", "資金流入", "资金流入",
        "money_in_30d money_in_90d money_in_180d money_in_365d money_in_trend_90d money_in_trend"
        " transfers_in_90d largest_inflow_365d net_flow_90d",
    ),
    _group(
        "spending", "Spending", "消費支出", "消费支出",
        "spend_30d spend_90d spend_180d spend_365d spend_trend spend_slope_12m spend_spread_12m"
        " card_payments_90d groceries_90d dining_90d travel_90d shopping_90d utilities_90d"
        " household_90d insurance_90d education_90d investment_90d",
    ),
    _group(
        "money_out", "Money moved elsewhere", "資金轉出", "资金转出",
        "outflow_ratio_365d cash_out_90d cash_share_90d transfers_out_90d transfers_out_365d"
        " transfers_out_trend largest_outflow_90d outflow_jump_90d",
    ),
    _group(
        "digital", "Use of digital channels", "數位通路使用", "数字渠道使用",
        "digital_share_90d logins_30d logins_90d logins_365d login_trend login_trend_365d"
        " days_since_login login_days_90d digital_touches_90d offer_clicks_180d",
    ),
    _group(
        "calls", "Calls and visits", "來電與臨櫃", "来电与网点办理",
        "calls_90d calls_180d calls_365d call_trend visits_180d days_since_touch",
    ),
    _group(
        "complaints", "Complaints", "客訴紀錄", "投诉记录",
        "complaints_180d complaints_365d complaints days_since_complaint",
    ),
    _group(
        "contacts", "Contacts from the bank", "行銷接觸", "营销触达",
        "contacts_30d contacts_90d contacts_365d days_since_contact offers_accepted_365d"
        " offers_accepted offers_refused_365d contacts_undelivered_365d response_rate_365d",
    ),
    _group(
        "consents", "Consents", "同意事項", "授权同意",
        "marketing_consent profiling_consent consents_standing consents_withdrawn_365d",
    ),
    _group(
        "suitability", "Risk assessment for investments", "投資風險屬性", "投资风险测评",
        "risk_tolerance days_since_assessment assessment_days_left assessments",
    ),
    _group(
        "arrears", "Arrears", "逾期紀錄", "逾期记录",
        "loan_days_past_due loan_worst_arrears_90d loan_worst_arrears_365d loan_worst_arrears"
        " loan_arrears_months_365d loan_arrears_months days_since_loan_arrears card_days_past_due"
        " card_worst_arrears_90d card_worst_arrears_365d card_worst_arrears"
        " card_arrears_months_365d card_arrears_months card_arrears_30_365d",
    ),
    _group(
        "debt_service", "Instalments against income", "還款負擔", "还款负担",
        "loan_payment_90d instalments_to_income_90d instalments_90d instalments_365d"
        " instalments_paid_90d debt_service debt_service_365d card_debt_to_income",
    ),
    _group(
        "card_use", "Use of the card limit", "信用卡額度使用", "信用卡额度使用",
        "card_limit card_balance card_balance_90d_ago limit_use card_balance_trend_90d"
        " limit_use_average_180d over_limit_365d",
    ),
    _group(
        "card_payment", "How the card is paid", "信用卡繳款情形", "信用卡还款情况",
        "card_paid_share_180d minimum_payments_180d minimum_payments_365d",
    ),
    _group(
        "applications", "Applications for products", "產品申請紀錄", "产品申请记录",
        "applications_90d applications_180d applications_365d credit_applications_180d"
        " refusals_365d withdrawals_365d days_since_application",
    ),
    _group(
        "fees", "Fees and penalties", "手續費與違約金", "手续费与违约金",
        "fees_365d penalties_365d fees_earned_365d fee_share_365d",
    ),
    _group(
        "contribution", "Contribution so far", "過往貢獻度", "历史贡献度",
        "contribution_120d contribution_365d contribution contribution_trend"
        " contribution_slope_12m contribution_spread_12m losing_months_12m"
        " deposit_contribution_365d card_contribution_365d loan_contribution_365d"
        " investment_contribution_365d margin_365d cost_to_serve_365d cost_income_365d losses",
    ),
)  # fmt: skip
# A protected attribute stands in no model, so it is no reason either.
GROUP_OF: dict[str, ReasonGroup] = {name: group for group in GROUPS for name in group.features}


def version() -> str:
    """A digest of every group, its members, and every word of its and their reasons."""
    told = [
        (g.name, g.reasons, [(name, CATALOGUE[name].reasons) for name in g.features])
        for g in GROUPS
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

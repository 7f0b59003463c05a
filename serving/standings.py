"""Why a question does not fit a customer, in words."""

from collections.abc import Mapping

from features.definition import Reasons
from serving.reasons import Language, said

NOT_SCORABLE: Mapping[str, Reasons] = {
    "dormant": Reasons(
        "hardly any money with the bank in the last half year",
        "近半年幾乎沒有往來資金",
        "近半年几乎没有资金往来",
    ),
    "few_assets": Reasons(
        "too little held for a run-off to mean anything",
        "資產過少，流出與否不具意義",
        "资产过少，流出与否没有意义",
    ),
    "holds_it_already": Reasons("holds the product already", "已持有此商品", "已持有该产品"),
    "in_default": Reasons("in default already", "已處於違約狀態", "已处于违约状态"),
    "no_bookings": Reasons("no bookings yet", "尚無交易紀錄", "尚无交易记录"),
    "no_exposure": Reasons(
        "owes nothing and may draw nothing", "無授信餘額或額度", "无授信余额或额度"
    ),
    "no_open_account": Reasons("no open account", "無未結清帳戶", "无未销户账户"),
}


def why_not(reason: str, language: Language) -> str:
    """Why there is no score, in words; what has no words of its own (no model) is told as it is."""
    return said(NOT_SCORABLE[reason], language) if reason in NOT_SCORABLE else reason

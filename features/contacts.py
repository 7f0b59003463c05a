"""How often the bank has approached them, and how they answered."""

from features.definition import Array, Facts, Measure, derived, feature, quotient, windowed
from features.sources import CONTACTS


@windowed(
    CONTACTS,
    (30, 90, 365),
    "count",
    "neither",
    "Campaign contacts {when} | {when}行銷接觸次數 | {when}营销触达次数",
)
def contacts(contacted: Facts) -> Measure:
    """Campaign contacts delivered {when}."""
    return contacted.where(contacted.outcome == "delivered").count()


@feature(
    CONTACTS,
    "days",
    "neither",
    "Time since the last campaign contact | 距最近一次行銷接觸的時間 | 距最近一次营销触达的时间",
)
def days_since_contact(contacted: Facts) -> Measure:
    """Days since a campaign contact was last delivered."""
    return contacted.where(contacted.outcome == "delivered").age.min()


@windowed(
    CONTACTS,
    (365, None),
    "count",
    "better",
    "Offers accepted {when} | {when}接受行銷優惠次數 | {when}营销响应次数",
)
def offers_accepted(contacted: Facts) -> Measure:
    """Campaign offers accepted {when}."""
    return contacted.where(contacted.outcome == "accepted").count()


@windowed(
    CONTACTS,
    (365,),
    "count",
    "worse",
    "Offers refused {when} | {when}拒絕行銷次數 | {when}拒绝营销次数",
)
def offers_refused(contacted: Facts) -> Measure:
    """Campaign offers refused {when}."""
    return contacted.where(contacted.outcome == "refused").count()


@feature(
    CONTACTS,
    "count",
    "worse",
    "Contacts that did not arrive | 近一年未送達行銷次數 | 近1年未送达营销次数",
    days=365,
)
def contacts_undelivered_365d(contacted: Facts) -> Measure:
    """Campaign contacts of the last year that could not be delivered."""
    return contacted.where(contacted.outcome == "undelivered").count()


@derived(
    (offers_accepted[365], contacts[365]),
    "share",
    "better",
    "Share of offers accepted | 行銷回應率 | 营销响应率",
)
def response_rate_365d(accepted: Array, delivered: Array) -> Array:
    """Offers accepted over contacts delivered, last year."""
    return quotient(accepted, delivered)

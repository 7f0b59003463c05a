"""Who they are and where they live."""

import numpy as np

from features.definition import Array, Facts, Measure, derived, feature, quotient
from features.sources import DISTRICTS, PERSONS


@feature(
    PERSONS,
    "days",
    "neither",
    "Days lived | 出生至今天數 | 出生至今天数",
    data_class="sensitive",
)
def days_since_birth(person: Facts) -> Measure:
    """Days lived."""
    return person.as_of - person.latest().birth_day.max()


@derived((days_since_birth,), "years", "neither", "Age | 年齡 | 年龄")
def age_years(days: Array) -> Array:
    """Completed years of age."""
    return np.floor(days / 365.2425)


@feature(
    PERSONS,
    "flag",
    "neither",
    "Registered as female | 登記性別為女性 | 登记性别为女性",
    data_class="protected",
    purposes=("fairness",),
)
def is_female(person: Facts) -> Measure:
    """Registered as female."""
    return person.latest().female.max()


@feature(
    DISTRICTS,
    "money",
    "better",
    "Average salary where the customer lives | 居住地區平均月薪 | 居住地区平均月工资",
)
def district_salary(place: Facts) -> Measure:
    """Average monthly salary in the district, as last published."""
    return place.latest().average_salary.max()


@feature(
    DISTRICTS,
    "rate",
    "worse",
    "Unemployment where the customer lives | 居住地區失業率 | 居住地区失业率",
)
def district_unemployment(place: Facts) -> Measure:
    """Unemployment in the district, as last published."""
    return place.latest().unemployment.max()


@feature(
    DISTRICTS,
    "count",
    "neither",
    "Inhabitants of the customer's district | 居住地區人口數 | 居住地区人口数",
)
def district_inhabitants(place: Facts) -> Measure:
    """Inhabitants of the district, as last published."""
    return place.latest().inhabitants.max()


@feature(
    DISTRICTS,
    "count",
    "neither",
    "Entrepreneurs where the customer lives | 居住地區創業人數比 | 居住地区创业者比例",
)
def district_entrepreneurs(place: Facts) -> Measure:
    """Entrepreneurs per 1,000 inhabitants of the district, as last published."""
    return place.latest().entrepreneurs.max()


@feature(
    DISTRICTS,
    "count",
    "worse",
    "Crimes where the customer lives | 居住地區刑案件數 | 居住地区刑事案件数",
)
def district_crimes(place: Facts) -> Measure:
    """Crimes committed in the district in the year last published."""
    return place.latest().crimes.max()


@derived(
    (district_crimes, district_inhabitants),
    "share",
    "worse",
    "Crime rate where the customer lives | 居住地區刑案發生率 | 居住地区刑事发案率",
)
def district_crime_rate(crimes: Array, inhabitants: Array) -> Array:
    """Crimes a year for each inhabitant of the district."""
    return quotient(crimes, inhabitants)

"""Who they are and where they live."""

import numpy as np

from features.definition import Array, Facts, Measure, derived, feature
from features.sources import DISTRICTS, PERSONS


@feature(PERSONS, unit="days", data_class="sensitive")
def days_since_birth(person: Facts) -> Measure:
    """Days lived."""
    return (person.latest().as_of_day - person.latest().birth_day).max()


@derived(days_since_birth, unit="years", data_class="sensitive", reason="Age")
def age_years(days: Array) -> Array:
    """Completed years of age."""
    return np.floor(days / 365.2425)


@feature(PERSONS, unit="flag", data_class="protected")
def is_female(person: Facts) -> Measure:
    """Registered as female."""
    return person.latest().female.max()


@feature(DISTRICTS, unit="money", reason="Average salary where the customer lives")
def district_salary(place: Facts) -> Measure:
    """Average monthly salary in the district, as last published."""
    return place.latest().average_salary.max()


@feature(DISTRICTS, unit="rate", reason="Unemployment where the customer lives")
def district_unemployment(place: Facts) -> Measure:
    """Unemployment in the district, as last published."""
    return place.latest().unemployment.max()

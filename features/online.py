"""One customer's profile as of a day, from the same features over that customer's facts alone."""

from collections.abc import Iterable
from datetime import date

import pandas as pd

from data.errors import UnknownCustomer
from data.warehouse import Warehouse
from features.engines import PolarsEngine
from features.profile import Profiles, build
from features.spine import refuse_outside


def profile_of(
    warehouse: Warehouse, customer_id: str, as_of: date, features: Iterable[str] | None = None
) -> Profiles:
    """The profile of one customer, bit for bit the row that a build of the whole book has.

    Raises:
        UnknownCustomer: the bank did not know the customer before that day.
        FeatureError: an unknown feature, or a day outside the data.
    """
    refuse_outside(warehouse, [as_of])
    engine = PolarsEngine(warehouse, customer_id)
    if not engine.known_before(as_of):
        raise UnknownCustomer(f"no customer '{customer_id}' was known before {as_of}.")
    spine = pd.DataFrame({"customer_id": [customer_id], "as_of": [as_of]})
    return build(engine, spine, features)

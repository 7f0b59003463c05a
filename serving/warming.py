"""Do once what a first answer does, so that the first caller waits no longer than others."""

import logging

from data.database import Database
from data.errors import ZhikeError
from serving.naming import resolved
from serving.publication import anyone, manifest_now, published
from serving.recording import circumstances
from serving.scoring import Scorer

_log = logging.getLogger(__name__)


def warm(scorer: Scorer, database: Database) -> None:
    """Look somebody up and work out all answers about them, without giving or recording any.

    Where that cannot be done nothing is lost: the first caller is told why, or waits.
    """
    try:
        customer = anyone(database)
        if customer is None:
            return
        circumstances()
        profile, _ = published(database, resolved(customer).customer_id, manifest_now())
        scorer.answer(profile).model_dump_json()
    except ZhikeError as error:
        _log.warning("the first answer may be slow: %s", error)

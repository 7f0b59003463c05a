"""A known customer is answered with every question, and the answer is recorded."""

import pytest
import sqlalchemy as sa

from data.audit import first_broken
from data.database import Database
from data.schema import AUDIT, PROFILES
from serving.answering import answer
from serving.scoring import Scorer


@pytest.fixture
def customer(served: Database) -> str:
    with served.reading() as connection:
        return str(connection.execute(sa.select(PROFILES.c.customer_id).limit(1)).scalar())


def test_every_question_is_answered_and_recorded(served: Database, customer: str) -> None:
    given, sequence = answer(Scorer.load(), served, customer, actor="test")
    assert set(given.scores) == {
        "churn",
        "churn.run_off",
        "lifetime_value",
        "lifetime_value.five_years",
        "propensity",
        "credit_risk",
        "credit_risk.acquisition",
    }
    with served.reading() as connection:
        kind = connection.execute(sa.select(AUDIT.c.kind).where(AUDIT.c.sequence == sequence))
        assert kind.scalar() == "answer"
    assert first_broken(served) is None

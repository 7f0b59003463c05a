"""What warms a worker up answers nobody and records nothing."""

from data import audit
from data.database import Database
from serving.publication import anyone
from serving.scoring import Profile, Scorer
from serving.warming import warm


class Counting(Scorer):
    """A scorer that knows how often it was asked."""

    asked = 0

    def answer(self, profile: Profile, *args: object, **more: object):  # type: ignore[no-untyped-def]
        self.asked += 1
        return super().answer(profile)


def test_everything_is_worked_out_once_and_nothing_recorded(
    served: Database, scorer: Scorer
) -> None:
    counting = Counting(scorer.models, scorer.untrained)
    before = len(audit.records(served, ("answer",)))
    warm(counting, served)
    assert counting.asked == 1
    assert len(audit.records(served, ("answer",))) == before


def test_an_empty_bank_has_nobody_to_warm_up_with(store: Database) -> None:
    counting = Counting({}, {})
    warm(counting, store)
    assert anyone(store) is None
    assert counting.asked == 0

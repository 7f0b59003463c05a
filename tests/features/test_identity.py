"""Which records become one customer, which never do, and since when that was known."""

from datetime import date
from typing import Any

import pytest

from data.audit import first_broken
from data.schema import AUDIT
from features.identity.reviews import decide, queue
from features.identity.run import identify
from tests.features.systems import EMBOSSED, HSIAO_MING, Systems

SISTER: dict[str, Any] = {
    "name": "王小華",
    "birth_date": date(1984, 11, 2),
    "sex": "female",
    "phone": "0912-345-678",  # the family's
}


def reasons(systems: Systems) -> list[str]:
    return [review.reason for review in queue(systems.database)]


def kinds(systems: Systems) -> list[str]:
    with systems.database.reading() as connection:
        return list(connection.execute(AUDIT.select().order_by(AUDIT.c.sequence)).scalars(2))


def test_one_person_in_two_systems_and_two_scripts_is_one_customer(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    found = systems.identify()
    assert systems.persons() == {"C1": "K1", "K1": "K1"}
    assert found.rules == {"identity_number": 1, "single": 1}
    assert found.customers == 1


def test_without_a_number_name_birth_and_telephone_suffice(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    bare = EMBOSSED | {"identity_number": None, "identity_type": None}
    systems.record("C1", "cards", on="2021-01-01", **bare)
    assert systems.identify().rules == {"model": 1, "single": 1}


def test_a_valid_number_joins_whom_a_marriage_renamed_and_moved(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record(
        "E1",
        "ebanking",
        on="2021-01-01",
        name="林美麗",
        birth_date=HSIAO_MING["birth_date"],
        identity_type="resident",
        identity_number="A123456789",
        phone="0987654321",
    )
    systems.identify()
    assert systems.together("K1", "E1")


def test_a_valid_number_does_not_join_whose_name_and_birth_contradict(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    stranger = {"name": "陳怡君", "birth_date": date(1955, 12, 30)}
    systems.record("E1", "ebanking", on="2021-01-01", **HSIAO_MING | stranger)
    systems.identify()
    assert not systems.together("K1", "E1")
    assert reasons(systems) == [
        "one valid identity number, but neither name nor day of birth agree"
    ]


def test_two_valid_numbers_are_never_one_person_however_alike_the_rest(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("E1", "ebanking", **HSIAO_MING | {"identity_number": "A100000001"})
    systems.identify()
    assert not systems.together("K1", "E1")
    assert reasons(systems) == ["different valid identity numbers"]


def test_two_valid_numbers_are_not_joined_through_a_third_record(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("E1", "ebanking", **HSIAO_MING | {"identity_number": "A100000001"})
    numberless = HSIAO_MING | {"identity_number": None, "identity_type": None}
    systems.record("T1", "call_centre", on="2021-01-01", **numberless)
    systems.identify()
    assert not systems.together("K1", "E1")
    assert reasons(systems) == ["different valid identity numbers"] * 2


def test_an_invalid_number_forbids_nothing(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("E1", "ebanking", **HSIAO_MING | {"identity_number": "A123456780"})
    systems.identify()
    assert systems.together("K1", "E1")


def test_numbers_of_two_types_may_be_one_persons(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    permit = {"identity_type": "residence_permit", "identity_number": "A800000014"}
    systems.record("E1", "ebanking", **HSIAO_MING | permit)
    systems.identify()
    assert systems.together("K1", "E1")


@pytest.mark.parametrize("also", [{}, {"address": HSIAO_MING["address"], "postcode": "106"}])
def test_a_shared_telephone_joins_no_family(systems: Systems, also: dict[str, str]) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", **SISTER | also)
    systems.record("T1", "call_centre", phone="+886 912 345 678", **also)
    systems.identify()
    assert set(systems.persons().values()) == {"K1", "C1", "T1"}


def test_a_grey_pair_waits_for_a_person_whose_decision_binds_later_runs(systems: Systems) -> None:
    systems.record("K1", "core", name="王小明", phone="0912345678", email="ming@example.tw")
    systems.record("E1", "ebanking", name="王小民", phone="0912345678", email="ming@example.tw")
    first = systems.identify()
    assert (first.customers, first.reviews) == (2, 1)
    decide(systems.warehouse, systems.database, "E1", "K1", "same", "Lin")
    second = systems.identify()
    assert (second.customers, second.merged, second.reviews) == (1, 1, 0)
    assert systems.identify().changed == 0
    assert kinds(systems) == ["identity_review", "identity_merge"]
    assert first_broken(systems.database) is None


def test_a_decision_that_a_corrected_number_forbids_is_not_followed_in_silence(
    systems: Systems,
) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("E1", "ebanking", name="王小民", phone="0912345678")
    decide(systems.hand.load(), systems.database, "K1", "E1", "same", "Lin")
    assert systems.identify().overruled == 0
    number = {"identity_type": "resident", "identity_number": "A100000001"}
    systems.record("E1", "ebanking", on="2022-01-01", name="王小民", phone="0912345678", **number)
    found = systems.identify()
    assert (found.overruled, found.split) == (1, 1)


def test_a_telephone_that_hundreds_share_is_not_compared_by(systems: Systems) -> None:
    for number in range(300):
        birth = date(1940 + number % 60, 1 + number % 12, 1 + number % 28)
        systems.record(f"K{number}", "core", name=f"Person {number}", birth_date=birth, phone="02-2345-6789")  # fmt: skip
    systems.record("E1", "ebanking", name="Person 1", phone="02-2345-6789")
    assert systems.identify().pairs < 2_000


def test_told_apart_by_a_reviewer_stays_apart(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    decide(systems.hand.load(), systems.database, "K1", "C1", "different", "Lin")
    found = systems.identify()
    assert (found.customers, found.reviews) == (2, 0)


def test_a_decision_splits_who_was_one_and_keeps_the_history(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()
    decide(systems.warehouse, systems.database, "K1", "C1", "different", "Lin")
    found = systems.identify()
    assert (found.split, found.changed) == (1, 1)
    assert systems.persons() == {"C1": "C1", "K1": "K1"}
    history = systems.rows("SELECT run, record_id, customer_id FROM crosswalk ORDER BY ALL")
    assert history == [(1, "C1", "K1"), (1, "K1", "K1"), (2, "C1", "C1")]
    assert kinds(systems)[-1] == "identity_split"


def test_a_corrected_number_splits_who_was_one(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()
    systems.record("C1", "cards", on="2022-01-01", **EMBOSSED | {"identity_number": "A100000001"})
    assert systems.identify().split == 1
    assert not systems.together("K1", "C1")


def test_customers_keep_their_identifier_when_an_older_record_turns_up(systems: Systems) -> None:
    systems.record("K2", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()
    systems.record("A0", "ebanking", on="2010-01-01", **HSIAO_MING)
    found = systems.identify()
    assert set(systems.persons().values()) == {"K2"}
    assert (found.changed, found.merged) == (1, 0)


def test_a_record_that_joins_two_customers_leaves_the_older_ones_identifier(
    systems: Systems,
) -> None:
    numberless = {"name": "王小明", "phone": "0912345678", "birth_date": date(1980, 5, 17)}
    systems.record("K1", "core", on="2020-01-01", identity_type="resident", identity_number="A123456789", name="王小明")  # fmt: skip
    systems.record("T1", "call_centre", on="2021-01-01", **numberless)
    systems.identify()
    assert not systems.together("K1", "T1")
    systems.record("C1", "cards", on="2022-01-01", **EMBOSSED)
    found = systems.identify()
    assert set(systems.persons().values()) == {"K1"}
    assert found.merged == 1


def test_a_link_is_known_once_the_newer_record_is(systems: Systems) -> None:
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-03-05", known="2021-03-09", **EMBOSSED)
    systems.identify()
    assert systems.known("K1") == "2020-01-01"
    assert systems.known("C1") == "2021-03-09"


def test_a_link_by_a_correction_is_not_known_before_the_correction(systems: Systems) -> None:
    mistaken = {"identity_number": None, "birth_date": date(1955, 1, 1), "phone": "0987654321"}
    elsewhere = {"address": None, "postcode": None, "email": None, "latin_name": "HUANG MEI"}
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED | mistaken | elsewhere)
    systems.record("C1", "cards", on="2022-06-01", **EMBOSSED)
    systems.identify()
    assert systems.together("K1", "C1")
    assert systems.known("C1") == "2022-06-01"


def test_a_later_change_of_address_does_not_postpone_a_link(systems: Systems) -> None:
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.record(
        "C1", "cards", on="2023-01-01", **EMBOSSED | {"address": "高雄市三民區九如路1號"}
    )
    systems.identify()
    assert systems.known("C1") == "2021-01-01"


def test_an_earlier_telephone_still_links(systems: Systems) -> None:
    named = {"name": "王小明", "birth_date": date(1980, 5, 17)}
    systems.record("K1", "core", on="2020-01-01", phone="0912345678", **named)
    systems.record("K1", "core", on="2021-01-01", phone="0955555123", **named)
    systems.record("E1", "ebanking", on="2022-01-01", phone="0912345678", **named)
    systems.identify()
    assert systems.together("K1", "E1")


def test_a_source_of_one_system_passes_unchanged(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("K2", "core", **HSIAO_MING)
    found = systems.identify()
    assert "one system" in found.passed
    assert systems.warehouse.manifest.tables == ("customers", "products")


def test_records_without_a_system_pass_unchanged(systems: Systems) -> None:
    systems.hand.customer("C1", "A1")
    assert systems.identify().passed


def test_a_second_run_over_the_same_records_changes_nothing(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    first = systems.identify()
    second = identify(systems.warehouse, systems.database)
    assert (second.run, second.changed) == (1, 0)
    assert (second.manifest, second.rules) == (first.manifest, first.rules)
    assert kinds(systems) == ["identity_merge"]

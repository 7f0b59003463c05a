"""The golden record takes each attribute from where it is best known, and never from later."""

from datetime import date

from data.settings import CHECKOUT
from data.tables import CUSTOMERS
from features.identity.golden import SURVIVORS
from tests.features.systems import EMBOSSED, HSIAO_MING, Systems


def test_every_attribute_has_a_rule_and_the_rule_a_reason() -> None:
    identifiers = {"customer_id", "event_at", "known_at", "system"}
    ruled = [column for survivor in SURVIVORS for column in survivor.columns]
    assert sorted(ruled) == sorted({c.name for c in CUSTOMERS.columns} - identifiers)
    assert all(survivor.why.endswith(".") for survivor in SURVIVORS)


def test_the_page_tells_every_rule() -> None:
    page = (CHECKOUT / "docs" / "identification.md").read_text("utf-8")
    for survivor in SURVIVORS:
        columns = ", ".join(f"`{column}`" for column in survivor.columns)
        assert f"| {columns} | {survivor.why} |" in page


def test_a_golden_record_has_the_columns_of_a_customer(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()
    connection = systems.warehouse.connect(resolved=False)
    described = {
        table: connection.sql(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
        for table in ("customers", "golden_records")
    }
    assert described["golden_records"] == described["customers"]


def test_names_come_in_both_scripts_and_contacts_from_the_newest(systems: Systems) -> None:
    moved = {"address": "高雄市三民區九如路1號", "postcode": "807", "phone": "0987-654-321"}
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED | moved)
    systems.identify()
    assert systems.golden("K1", "name, latin_name, phone, postcode") == [
        ("2020-01-01", "王小明", None, "0912-345-678", "106"),
        ("2021-01-01", "王小明", "WANG HSIAO-MING", "0987-654-321", "807"),
    ]


def test_a_number_that_proves_itself_comes_before_a_newer_one_that_does_not(
    systems: Systems,
) -> None:
    systems.record("C1", "cards", on="2020-01-01", **EMBOSSED)
    mistyped = {"identity_number": "A123456798", "birth_date": date(1980, 5, 18)}
    systems.record("K1", "core", on="2021-01-01", **HSIAO_MING | mistyped)
    systems.identify()
    assert systems.golden("C1", "identity_number, birth_date")[-1][1:] == (
        "A123456789",
        date(1980, 5, 17),
    )


def test_nothing_is_told_before_it_was_known(systems: Systems) -> None:
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING | {"occupation": "clerk"})
    systems.record(
        "K1", "core", on="2020-02-01", known="2020-05-01", **HSIAO_MING | {"occupation": "teacher"}
    )
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()
    assert systems.golden("K1", "occupation")[:2] == [
        ("2020-01-01", "clerk"),
        ("2020-05-01", "teacher"),
    ]


def test_a_record_tells_nothing_before_it_was_known_whose_it_is(systems: Systems) -> None:
    bare = {"identity_number": None, "birth_date": None, "phone": "0987654321", "email": "old@x.tw"}
    nameless = {"latin_name": "HUANG MEI", "address": None, "postcode": None}
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING | {"email": None})
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED | bare | nameless)
    systems.record("C1", "cards", on="2022-06-01", **EMBOSSED | {"email": None})
    systems.identify()
    assert systems.golden("K1", "email") == [("2020-01-01", None), ("2022-06-01", "old@x.tw")]


def test_the_first_row_happened_when_the_oldest_version_did(systems: Systems) -> None:
    systems.record("K1", "core", on="2020-01-01", known="2020-01-07", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", known="2021-01-03", **EMBOSSED)
    systems.identify()
    days = systems.rows(
        "SELECT strftime(event_at, '%m-%d'), known_day - event_day FROM customers ORDER BY known_at"
    )
    assert days == [("01-01", 6), ("01-03", 0)]


def test_a_change_that_changes_nothing_best_known_gives_no_row(systems: Systems) -> None:
    systems.record("K1", "core", on="2020-01-01", **HSIAO_MING)
    systems.record("K1", "core", on="2020-03-01", **HSIAO_MING)
    systems.record("E1", "ebanking", on="2021-01-01", **HSIAO_MING)
    systems.identify()
    assert len(systems.golden("K1", "name")) == 1

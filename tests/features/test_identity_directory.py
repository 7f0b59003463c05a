"""Who is meant by an identifier, a source key or a telephone, as identification has it now."""

from typing import Any

import pytest

from data.errors import NotOffered, SplitCustomer, UnknownCustomer
from features.identity.directory import Directory, Found, directory
from features.identity.reviews import decide
from features.identity.telephones import phone_number, telephone_digest
from tests.features.systems import EMBOSSED, HSIAO_MING, Systems

KEY = "of the bank, and nobody else's!"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIKE_TELEPHONE_KEY", KEY)


def now(systems: Systems) -> Directory:
    return directory(systems.warehouse, systems.warehouse.manifest.digest)


def joined(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("C1", "cards", on="2021-01-01", **EMBOSSED)
    systems.identify()


def test_a_source_key_names_the_person_whose_record_it_is(systems: Systems) -> None:
    joined(systems)
    assert now(systems).at_source("cards", "C1") == Found("K1")
    assert now(systems).at_source("core", "K1") == Found("K1")
    for system, record in (("core", "C1"), ("cards", "C"), ("cards", "C11"), ("", "")):
        with pytest.raises(UnknownCustomer):
            now(systems).at_source(system, record)


def test_where_one_system_keeps_all_records_each_is_a_customer(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.identify()
    assert now(systems).at_source("core", "K1") == Found("K1")
    assert now(systems).named("K1") == Found("K1")


def test_a_merged_identifier_means_the_surviving_customer(systems: Systems) -> None:
    numberless: dict[str, Any] = {"name": "王小明", "phone": "0912345678"}
    numberless["birth_date"] = HSIAO_MING["birth_date"]
    numbered = {k: HSIAO_MING[k] for k in ("identity_type", "identity_number", "name")}
    systems.record("K1", "core", **numbered)
    systems.record("T1", "call_centre", on="2021-01-01", **numberless)
    systems.identify()
    assert now(systems).named("T1") == Found("T1")
    systems.record("C1", "cards", on="2022-01-01", **EMBOSSED)
    assert systems.identify().merged == 1
    assert now(systems).named("T1") == Found("K1", superseded=True)
    assert now(systems).named("K1") == Found("K1")
    assert now(systems).at_source("call_centre", "T1") == Found("K1")


def test_a_split_identifier_is_nobodys_until_a_source_key_says_whose(systems: Systems) -> None:
    joined(systems)
    decide(systems.warehouse, systems.database, "K1", "C1", "different", "Lin")
    assert systems.identify().split == 1
    with pytest.raises(SplitCustomer) as split:
        now(systems).named("K1")
    assert split.value.candidates == [
        {"customer_id": "C1", "sources": [{"source_system": "cards", "source_key": "C1"}]},
        {"customer_id": "K1", "sources": [{"source_system": "core", "source_key": "K1"}]},
    ]
    assert now(systems).at_source("core", "K1") == Found("K1")
    assert now(systems).named("C1") == Found("C1")


def test_a_telephone_names_all_who_have_it_now_however_it_is_written(systems: Systems) -> None:
    systems.record("K1", "core", **HSIAO_MING)
    systems.record("K2", "core", phone="+886 912 345678", name="陳大文")
    systems.record("K3", "cards", phone="0987-000-111", name="林美玲")
    systems.record("K3", "cards", on="2021-01-01", phone="0987-000-222", name="林美玲")
    systems.record("K4", "cards", phone="none", name="吳志明")
    systems.identify()

    def called(number: str) -> list[str]:
        return now(systems).called(telephone_digest(KEY, str(phone_number(number))))

    assert called("(09) 12345678") == ["K1", "K2"]
    assert called("0987000222") == ["K3"]
    assert called("0987000111") == called("0900000000") == []


def test_without_a_key_of_the_bank_telephones_are_not_looked_up(
    systems: Systems, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(systems)
    monkeypatch.setenv("ZHIKE_TELEPHONE_KEY", "")
    with pytest.raises(NotOffered, match="ZHIKE_TELEPHONE_KEY"):
        now(systems).called("0" * 64)


def test_the_directory_is_kept_until_another_state_is_visible(systems: Systems) -> None:
    joined(systems)
    first = now(systems)
    assert now(systems) is first
    systems.record("K9", "core", name="陳大文")
    systems.identify()
    assert now(systems) is not first
    assert now(systems).at_source("core", "K9") == Found("K9")

"""A draft: everybody of the book in one place, every reason told, the greatest profit first."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.audit import records
from data.database import Database
from data.errors import ListError
from data.warehouse import Warehouse, file_digest
from experiments._made_book import OFFERED, drawn_answers, load_drawn, write_book
from serving.lists import Arms, draft, policies, seal
from serving.lists.counts import Counts, for_marketing
from serving.lists.notices import Notice, take
from serving.lists.placing import power
from serving.lists.reasons import REASONS, codes
from serving.lists.records import MadeList
from serving.lists.request import USUAL, read_request
from serving.lists.templates import Column
from tests.requirements import CHECKOUT
from tests.serving.listed_bank import LATELY, ListedBank, asked

EVERYBODY = replace(USUAL, hold_out=0.0)
Defect = Callable[[ListedBank, str], object]


@pytest.fixture
def clean(store: Database, home: Path) -> ListedBank:
    """A bank in which everybody may be contacted."""
    return ListedBank(store, home)


@pytest.fixture
def drawn(store: Database) -> list[str]:
    """A drawn bank of 3,000 customers in six parts, with policy and book."""
    names = [f"C{number:05}" for number in range(3_000)]
    load_drawn(Warehouse(), names, 5)
    write_book(store, names, drawn_answers(3_000, 5), 500)
    policies.publish(store, "standard", max_pd=0.05, unscored=True, actor="risk officer")
    return names


def places(made: MadeList) -> pd.DataFrame:
    return pq.read_table(made.folder.path / "places").to_pandas().set_index("customer_id")


def noticed(bank: ListedBank, name: str, kind: str) -> None:
    bank.hand.load()
    given = Notice(name, kind, holds=True, at=datetime(2026, 6, 1, tzinfo=UTC))
    take(bank.database, bank.hand.warehouse, [given], actor="clerk")


def contacts(bank: ListedBank, name: str, channel: str, *families: str) -> None:
    for place, family in enumerate(families):
        bank.contact(name, f"2026-05-1{place}", family, channel, "delivered")


def late(bank: ListedBank, name: str) -> None:
    bank.account(name, "credit_card", f"CARD-{name}")
    bank.hand.add("statements", on=LATELY, account_id=f"CARD-{name}", days_past_due=20)


def moved(bank: ListedBank, name: str) -> None:
    bank.hand.add("customers", on=LATELY, customer_id=name, phone="0912345678", district_id="D2")


DEFECTS: dict[str, tuple[str, Defect]] = {
    "moved to a region that is not asked for": ("not_selected", moved),
    "has no score": ("not_eligible", lambda b, n: b.chance.update({n: float("nan")})),
    "has a fund": ("already_holds", lambda b, n: b.account(n, "fund", f"F-{n}")),
    "withdrew": ("no_consent", lambda b, n: b.consent(n, "marketing", granted=False)),
    "opted out": ("opted_out", lambda b, n: b.consent(n, "profiling", granted=False)),
    "has a high PD": ("outside_policy", lambda b, n: b.pd.update({n: 0.3})),
    "is in default": (
        "outside_policy",
        lambda b, n: (b.pd.update({n: float("nan")}), b.grade.update({n: "D"})),
    ),
    "is cautious": ("unsuitable", lambda b, n: b.suited(n, "C2", date(2027, 7, 1), on=LATELY)),
    "was assessed long ago": (
        "unsuitable",
        lambda b, n: b.suited(n, "C5", date(2026, 7, 31), on=LATELY),
    ),
    "complained": (
        "open_complaint",
        lambda b, n: b.hand.add("interactions", on=LATELY, customer_id=n, kind="complaint"),
    ),
    "is late with a card": ("in_arrears", late),
    "has died": (
        "deceased",
        lambda b, n: b.hand.add("closings", on=LATELY, account_id=f"A-{n}", reason="deceased"),
    ),
    "is a child": (
        "minor",
        lambda b, n: b.hand.add(
            "customers", on=LATELY, customer_id=n, birth_date=date(2008, 7, 2), district_id="D1"
        ),
    ),
    "is frozen": ("frozen", lambda b, n: noticed(b, n, "frozen")),
    "works here": ("staff", lambda b, n: noticed(b, n, "staff")),
    "has half a number": (
        "no_contact_point",
        lambda b, n: b.hand.add("customers", on=LATELY, customer_id=n, phone="0912"),
    ),
    "was called last week": (
        "contacted_recently",
        lambda b, n: b.contact(n, LATELY, "insurance", "mobile", "delivered"),
    ),
    "heard of us four times": (
        "cap_all",
        lambda b, n: contacts(b, n, "mobile", "insurance", "mortgage", "savings", "current"),
    ),
    "was called three times": (
        "cap_channel",
        lambda b, n: contacts(b, n, "call_centre", "insurance", "mortgage", "savings"),
    ),
    "heard of funds twice": ("cap_product", lambda b, n: contacts(b, n, "mobile", "fund", "fund")),
    "refused a fund in March": (
        "cool_off",
        lambda b, n: b.contact(n, "2026-03-01", "fund", "mobile", "refused"),
    ),
    "brings too little": ("negative_value", lambda b, n: b.chance.update({n: 0.001})),
}


def test_whoever_has_one_defect_is_left_out_for_that_reason_alone(clean: ListedBank) -> None:
    ill = dict(zip(clean.names, DEFECTS.items(), strict=False))
    for name, (_, (_, defect)) in ill.items():
        defect(clean, name)
    warehouse = clean.ready()
    made = draft(clean.database, warehouse, asked(regions=("north",)), actor="mia", rules=EVERYBODY)
    found = places(made)
    told = {what: codes(found.reasons[name]) for name, (what, _) in ill.items()}
    assert told == {what: [reason] for what, (reason, _) in DEFECTS.items()}
    assert [found.reason[name] for name in ill] == [reason for reason, _ in DEFECTS.values()]
    assert set(found.place[list(ill)]) == {"suppressed"}
    assert made.counts.listed + made.counts.control == clean.count - len(DEFECTS)


def test_the_table_of_defects_has_every_reason_that_a_fact_can_give() -> None:
    elsewhere = {"in_sealed_list", "hold_out", "out_of_quota"}
    assert {reason for reason, _ in DEFECTS.values()} == {r.code for r in REASONS} - elsewhere


def test_everybody_of_a_book_is_in_one_place_and_parts_do_not_matter(
    store: Database, drawn: list[str]
) -> None:
    request = asked(products=OFFERED, size=300, arms=Arms(champion=0.5, challenger=0.3, random=0.2))
    made = draft(store, Warehouse(), request, actor="mia")
    found = places(made)
    assert sorted(found.index) == drawn
    assert made.counts.listed == 300
    assert Counter(found.place) == {
        place: getattr(made.counts, place) for place in ("listed", "control", "suppressed")
    }
    out = found[found.place == "suppressed"]
    told = {code: count for code, count in made.counts.first.items() if count}
    assert Counter(out.reason) == told
    assert (out.reasons > 0).all()
    assert {"hold_out", "out_of_quota", "negative_value"} <= told.keys()
    write_book(store, drawn, drawn_answers(3_000, 5), 3_000)  # the same book in one part
    whole = draft(store, Warehouse(), request, actor="mia")
    assert whole.list_id != made.list_id
    assert places(whole).equals(found)


def test_every_term_of_the_profit_stands_in_the_row_and_the_champion_takes_the_greatest(
    store: Database, drawn: list[str]
) -> None:
    request = asked(products=OFFERED, size=200, control=0.0)
    found = places(draft(store, Warehouse(), request, actor="mia"))
    able = found[found["product"].notna()]
    loss = (able.pd * able.lgd * able.ead).where(able.ead > 0, 0.0)
    assert np.allclose(able.p * (able.contribution - loss) - able.cost, able.expected_profit)
    assert {"credit_card", "mortgage", "fund"} <= set(able["product"])
    chosen = able.place == "listed"
    assert able.expected_profit[chosen].min() >= able.expected_profit[~chosen].max()
    assert not able.incremental.any()


def test_control_and_arms_are_drawn_within_deciles_of_expected_profit(
    store: Database, drawn: list[str]
) -> None:
    arms = Arms(champion=0.4, challenger=0.3, random=0.3)
    request = asked(products=OFFERED, size=400, control=0.2, arms=arms)
    found = places(draft(store, Warehouse(), request, actor="mia"))
    chosen = found[found.place != "suppressed"]
    assert chosen.groupby("arm", observed=True).size().to_dict() == {
        "champion": 200, "challenger": 150, "random": 150,
    }  # fmt: skip
    kept = chosen.groupby(["arm", "decile"], observed=True).place.agg(
        lambda told: (told == "control").sum() - 0.2 * len(told)
    )
    assert kept.abs().max() <= 1
    assert set(found.decile[found.arm == "random"]) == set(range(1, 11))


def test_the_hold_out_is_the_same_in_every_list(store: Database, drawn: list[str]) -> None:
    held = [
        set(found.index[[bool("hold_out" in codes(bits)) for bits in found.reasons]])
        for found in (
            places(draft(store, Warehouse(), asked(products=(family,)), actor="mia"))
            for family in ("fund", "mortgage")
        )
    ]
    assert held[0] == held[1]
    assert 30 <= len(held[0]) <= 90  # 2 % of 3,000


def test_who_is_listed_in_a_sealed_list_is_not_listed_again(clean: ListedBank) -> None:
    warehouse = clean.ready()
    first = draft(clean.database, warehouse, asked(size=20), actor="mia", rules=EVERYBODY)
    rival = draft(clean.database, warehouse, asked(size=21), actor="mia", rules=EVERYBODY)
    seal(clean.database, warehouse, first.list_id, actor="mia")
    later = draft(clean.database, warehouse, asked(size=22), actor="mia", rules=EVERYBODY)
    assert later.counts.first["in_sealed_list"] == first.counts.listed + first.counts.control
    sealed = seal(clean.database, warehouse, rival.list_id, actor="mia")
    assert sealed.counts.first["in_sealed_list"] > 0
    assert sealed.counts.reconciled


def test_a_list_asked_for_twice_is_one_list(clean: ListedBank) -> None:
    warehouse = clean.ready()

    def once(_: int) -> str:
        return draft(clean.database, warehouse, asked(), actor="mia").list_id

    with ThreadPoolExecutor(2) as pool:  # f61: two workers at one job
        made = set(pool.map(once, range(2)))
    assert len(made) == 1
    assert len(records(clean.database, ("list_drafted",))) == 1


KILLED = """
import os, signal, sys
from data.database import Database
from data.warehouse import Warehouse
from serving.lists import draft
from serving.lists.request import read_request

def die(event, told):
    if event == "os.rename" and str(told[1]).endswith(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
draft(Database(), Warehouse(), read_request(sys.argv[2]), actor="mia")
"""


@pytest.mark.parametrize(
    "point",
    [
        "weighed/part-00002.parquet",
        pytest.param("list.json", marks=pytest.mark.slow),
    ],
)
def test_f60_a_draft_that_is_killed_ends_with_the_same_bytes(clean: ListedBank, point: str) -> None:
    warehouse = clean.ready()
    whole = draft(clean.database, warehouse, asked(), actor="mia")
    wanted = {p.name: file_digest(p) for p in sorted(whole.folder.path.rglob("*.*"))}
    whole.folder.path.rename(clean.folder / "whole")
    forget(clean.database)
    ran = subprocess.run(
        [sys.executable, "-P", "-c", KILLED, point, asked().model_dump_json()],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "ZHIKE_DATABASE_URL": clean.database.address,
        },
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert records(clean.database, ("list_drafted",))[1:] == []
    again = draft(clean.database, warehouse, asked(), actor="mia")
    assert (again.list_id, again.digest) == (whole.list_id, whole.digest)
    kept = [p for p in sorted(again.folder.path.rglob("*.*")) if not p.name.startswith(".")]
    assert {p.name: file_digest(p) for p in kept} == wanted


def forget(database: Database) -> None:
    """Take a draft's row away, as if its run had died before it."""
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM lists")


def test_without_consents_nobody_is_listed_and_what_nothing_tells_is_named(
    clean: ListedBank,
) -> None:
    del clean.hand.rows["consents"]
    made = draft(clean.database, clean.ready(), asked(), actor="mia")
    assert (made.counts.listed, made.counts.control) == (0, 0)
    assert made.counts.first["no_consent"] == clean.count
    assert {"frozen", "staff", "open_complaint", "in_arrears"} <= {*made.unchecked}


def test_credit_without_a_pd_is_offered_only_where_the_policy_says_so(clean: ListedBank) -> None:
    clean.pd.update(dict.fromkeys(clean.names[:10], float("nan")))
    clean.grade.update(dict.fromkeys(clean.names[:10], None))
    clean.chance.update(dict.fromkeys(clean.names, 0.5))
    warehouse = clean.ready()
    strict = draft(
        clean.database, warehouse, asked(products=("personal_loan",)), actor="mia", rules=EVERYBODY
    )
    assert strict.counts.first["outside_policy"] == 10
    policies.publish(clean.database, "standard", max_pd=0.04, unscored=True, actor="risk officer")
    wide = draft(
        clean.database, warehouse, asked(products=("personal_loan",)), actor="mia", rules=EVERYBODY
    )
    assert (strict.policy_version, wide.policy_version) == (1, 2)
    assert wide.counts.first["outside_policy"] == 0
    rows = places(wide)
    assert (rows.pd[clean.names[:10]] == 0.04).all()  # priced at the policy's limit
    assert not rows.pd_known[clean.names[:10]].any()
    assert set(rows.ead) == {10_000.0}


def test_a_small_control_group_says_that_it_shows_nothing() -> None:
    request = asked(least_effect=0.01)
    weak, strong = power(request, 900, 100, 0.03), power(request, 90_000, 10_000, 0.03)
    assert not weak.enough
    # 2.802 standard errors of the difference of two shares of 3 %.
    assert weak.detectable == pytest.approx(
        2.8016 * (0.03 * 0.97 * (1 / 900 + 1 / 100)) ** 0.5, 1e-4
    )
    assert strong.enough
    assert power(request, 1_000, 0, 0.03).detectable is None


def told_to_marketing(lot: int, **counts: int) -> dict[str, int | None]:
    shown = Counts(book=1_000, lot=lot * 3**30 % 2**64)
    shown.first.update(counts)
    return for_marketing(shown, "standard/1")


def test_f77_marketing_sees_tens_of_customers_and_never_fewer() -> None:
    for lot in range(50):
        told = told_to_marketing(lot, outside_policy=9, no_consent=120, cool_off=57)
        assert told["outside_policy"] is None
        assert told["deceased"] is None  # nobody looks like few
        assert told["no_consent"] == 120
        assert told["cool_off"] in (50, 60)
    assert {told_to_marketing(lot, cool_off=15)["cool_off"] for lot in range(50)} == {None, 10, 20}


def test_f77_a_narrow_selection_is_told_nothing() -> None:
    assert set(told_to_marketing(1, not_selected=901, outside_policy=50).values()) == {None}


def test_f77_one_customer_more_moves_counts_whatever_that_customer_is() -> None:
    before = [told_to_marketing(lot, outside_policy=54)["outside_policy"] for lot in range(400)]
    inside = [told_to_marketing(lot + 7**9, outside_policy=55) for lot in range(400)]
    outside = [told_to_marketing(lot + 7**9, outside_policy=54) for lot in range(400)]
    moved = [
        sum(old != new["outside_policy"] for old, new in zip(before, after, strict=True))
        for after in (inside, outside)
    ]
    assert all(150 < count < 250 for count in moved)


def test_f77_no_column_that_can_be_exported_tells_of_credit_risk() -> None:
    told = set(get_args(Column))
    assert not told & {"pd", "grade", "lgd", "ead", "expected_loss", "expected_profit", "reasons"}


@pytest.mark.parametrize(
    "other, says",
    [
        ({"size": None}, "needs a size or a budget"),
        ({"arms": {"champion": 0.5}}, "must add up to 1"),
        ({"pd": 0.1}, "pd: Extra inputs"),
        ({"products": ["fund", "fund"]}, "named twice"),
        ({"channel": "fax"}, "channel: "),
        ({"contact_until": "2026-01-01"}, "before the day"),
    ],
)
def test_a_request_that_cannot_be_met_is_told_why(other: dict[str, Any], says: str) -> None:
    text = json.dumps({**asked().model_dump(mode="json"), **other})
    with pytest.raises(ListError, match=says):
        read_request(text)


def test_a_product_or_policy_that_there_is_not_is_named(clean: ListedBank) -> None:
    warehouse = clean.ready()
    with pytest.raises(ListError, match="no risk policy 'lax'; published are: standard"):
        draft(clean.database, warehouse, asked(policy="lax"), actor="mia")
    with pytest.raises(ListError, match="no such product: yacht"):
        draft(clean.database, warehouse, asked(products=("yacht",)), actor="mia")
    with pytest.raises(ListError, match="no account of mortgage has earned"):
        draft(clean.database, warehouse, asked(products=("mortgage",)), actor="mia")


def test_segments_are_tiers_of_lifetime_value(clean: ListedBank) -> None:
    made = draft(
        clean.database, clean.ready(), asked(segments=("key",)), actor="mia", rules=EVERYBODY
    )
    found = places(made)
    assert sorted(found.index[found.reason != "not_selected"]) == clean.names[-3:]  # 5 % of 60

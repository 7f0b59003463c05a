"""The Berka bank: what its files say, when it could be known, and what cannot be dated."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.errors import ContractBroken, SourceError
from data.loading import Loaded, load
from data.sources import open_source
from data.warehouse import Warehouse
from tests.data.small_bank import account

KNOWN = "DATE '1970-01-01' + known_day"
FILES = {
    "district": """\
A1;A2;A3;A4;A5;A6;A7;A8;A9;A10;A11;A12;A13;A14;A15;A16
1;"Mesto";"Sever";100000;0;0;0;1;1;100.0;12541;0.29;0.43;167;856;991
2;"Ves";"Jih";20000;80;26;6;2;5;46.7;8507;?;1.85;132;?;26
""",
    "account": """\
"account_id";"district_id";"frequency";"date"
10;1;"POPLATEK MESICNE";930105
11;2;"POPLATEK TYDNE";930201
12;2;"POPLATEK TYDNE";931101
13;2;"POPLATEK TYDNE";940401
""",
    "client": """\
"client_id";"birth_number";"district_id"
1;"706213";1
2;"450204";2
3;"385214";2
4;"800101";2
""",
    "disp": """\
"disp_id";"client_id";"account_id";"type"
1;1;10;"OWNER"
2;2;11;"OWNER"
3;3;11;"DISPONENT"
4;2;12;"OWNER"
5;4;13;"OWNER"
""",
    "card": """\
"card_id";"disp_id";"type";"issued"
7;3;"gold";931107 00:00:00
""",
    "loan": """\
"loan_id";"account_id";"date";"amount";"duration";"payments";"status"
90;10;931010;96396;12;8033.00;"B"
91;12;940620;60000;24;2500.00;"A"
""",
    "trans": """\
"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"
100;10;930105;"PRIJEM";"VKLAD";900.00;900.00;;;
101;10;930131;"PRIJEM";;1.50;901.50;"UROK";;
102;10;930131;"VYDAJ";"VYBER";14.60;886.90;"SLUZBY";;
103;10;930212;"VYBER";"VYBER";100.00;786.90;" ";;
104;10;930301;"VYDAJ";"PREVOD NA UCET";200.10;586.80;"SIPO";"YZ";"87144583"
105;11;930201;"PRIJEM";"PREVOD Z UCTU";5000.00;5000.00;"DUCHOD";"ST";"1"
106;11;930301;"VYDAJ";"VYBER KARTOU";50.00;4950.00;;;
107;12;931101;"PRIJEM";"VKLAD";700.00;700.00;;;
108;12;940601;"VYDAJ";"VYBER";1.00;699.00;;;
""",
}


class SmallBerka:
    """The files above, some of them changed, and what became of them."""

    def __init__(self, folder: Path, **changed: str) -> None:
        self.folder = folder / "berka"
        self.folder.mkdir(parents=True)
        for name, text in (FILES | changed).items():
            (self.folder / f"{name}.asc").write_text(text.replace("\n", "\r\n"))
        self.warehouse = Warehouse(folder / "warehouse")

    def load(self) -> Loaded:
        return load(open_source("berka", self.folder), self.warehouse, reject_limit=1.0)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.warehouse.connect().execute(query).fetchall()


@pytest.fixture
def berka(tmp_path: Path) -> SmallBerka:
    small = SmallBerka(tmp_path)
    small.load()
    return small


def test_the_month_of_a_birth_number_tells_the_sex(berka: SmallBerka) -> None:
    assert berka.rows("SELECT customer_id, birth_date, sex FROM customers ORDER BY 1") == [
        ("B1", date(1970, 12, 13), "female"),  # 706213: month 12 + 50
        ("B2", date(1945, 2, 4), "male"),
        ("B3", date(1938, 2, 14), "female"),
        ("B4", date(1980, 1, 1), "male"),
    ]


def test_a_client_is_known_from_the_first_account_they_may_use(berka: SmallBerka) -> None:
    assert berka.rows(f"SELECT customer_id, {KNOWN} FROM customers ORDER BY 1") == [
        ("B1", date(1993, 1, 5)),
        ("B2", date(1993, 2, 1)),  # owner of two accounts
        ("B3", date(1993, 2, 1)),  # may use B2's account
        ("B4", date(1994, 4, 1)),
    ]


def test_accounts_cards_and_loans_are_accounts_of_their_holder(berka: SmallBerka) -> None:
    assert berka.rows("SELECT account_id, customer_id, product_id FROM accounts") == [
        ("A10", "B1", "CURRENT"),
        ("A11", "B2", "CURRENT"),
        ("A12", "B2", "CURRENT"),
        ("A13", "B4", "CURRENT"),
        ("C7", "B3", "CARD-GOLD"),  # the card is the disponent's
        ("L90", "B1", "LOAN"),
        ("L91", "B2", "LOAN"),
    ]


def test_bookings_are_signed_and_sorted_into_categories(berka: SmallBerka) -> None:
    query = "SELECT transaction_id, amount, category, channel, automatic FROM transactions"
    assert berka.rows(query) == [
        ("T100", 90000, "cash_in", "branch", False),
        ("T101", 150, "interest", "automatic", True),
        ("T102", -1460, "fee", "automatic", True),
        ("T103", -10000, "cash_out", "branch", False),  # VYBER is a type of its own
        ("T104", -20010, "household", "other", True),  # a standing collection
        ("T105", 500000, "pension", "other", False),
        ("T106", -5000, "cash_out", "card", False),
        ("T107", 70000, "cash_in", "branch", False),
        ("T108", -100, "cash_out", "branch", False),
    ]


def test_a_pension_that_is_paid_out_is_no_pension(tmp_path: Path) -> None:
    """F07: what the adapter makes of the files keeps the rules of the table too."""
    berka = SmallBerka(
        tmp_path, trans=FILES["trans"].replace('105;11;930201;"PRIJEM"', '105;11;930201;"VYDAJ"')
    )
    with pytest.raises(ContractBroken, match=r"1 transactions have an amount .*pension.*T105"):
        berka.load()
    assert not berka.warehouse.manifest.batches


def test_a_day_ends_on_the_balance_its_amounts_lead_to(tmp_path: Path) -> None:
    header = FILES["trans"].splitlines()[0]
    bookings = (  # in the file the day's bookings stand in the wrong order
        '1;10;930105;"PRIJEM";"VKLAD";900.00;900.00;;;',
        '2;10;930110;"VYDAJ";"VYBER";300.00;1100.00;;;',
        '3;10;930110;"PRIJEM";"VKLAD";500.00;1400.00;;;',
    )
    berka = SmallBerka(tmp_path, trans="\n".join([header, *bookings, ""]))
    berka.load()
    assert berka.rows("SELECT ledger_balance FROM balances") == [(90000,), (110000,)]


def test_the_state_of_a_loan_is_known_at_the_end_only(berka: SmallBerka) -> None:
    assert berka.rows(f"SELECT loan_id, status, {KNOWN} FROM loan_outcomes") == [
        ("L90", "unpaid", date(1998, 12, 31)),
        ("L91", "repaid", date(1998, 12, 31)),
    ]


def test_district_figures_are_known_a_year_after_their_year(berka: SmallBerka) -> None:
    query = f"SELECT {KNOWN}, unemployment, crimes, inhabitants, urban FROM districts"
    assert berka.rows(f"{query} WHERE district_id = '2' ORDER BY 1") == [
        (date(1996, 12, 31), None, None, None, None),  # "?" in A12 and A15
        (date(1997, 12, 31), 18500, 26, 20000, 467000),  # 1.85 %, 46.7 %
    ]


def test_histories_reach_to_the_cut_or_to_the_loan(berka: SmallBerka) -> None:
    assert berka.rows("SELECT * FROM coverage ORDER BY 1") == [
        ("A10", date(1993, 1, 5), date(1993, 3, 1)),  # the day on which most histories stop
        ("A11", date(1993, 2, 1), date(1993, 3, 1)),
        ("A12", date(1993, 11, 1), date(1994, 6, 20)),  # goes on beyond it, up to its loan
        ("A13", date(1994, 4, 1), date(1994, 3, 31)),  # no bookings: nothing is covered
    ]


def test_standing_orders_are_refused_as_a_source_of_features(berka: SmallBerka) -> None:
    (berka.folder / "order.asc").write_text('"order_id"\n1\n')
    source = open_source("berka", berka.folder)
    assert source.refused == {
        "order.asc": "a permanent order has no date, so it cannot feed a feature"
    }
    assert all(delivery.path.name != "order.asc" for delivery in source.deliveries)


def test_another_folder_is_not_the_berka_bank(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"is not the Berka bank.*district\.asc, account\.asc"):
        open_source("berka", tmp_path)


def test_a_birth_number_that_is_no_date_is_rejected(tmp_path: Path) -> None:
    numbers = (
        "700230",  # 30 February
        "701313",  # month 13
        "706313",  # a woman's month 13
        "70621",
        "7062131",
        "A06213",
    )
    rows = "".join(f'{n};"{number}";1\n' for n, number in enumerate(numbers, start=20))
    berka = SmallBerka(tmp_path, client=FILES["client"] + rows)
    assert account(berka.load(), "client.asc") == (10, 4, 6, 0)
    assert {column for _, _, column, _ in berka.warehouse.rejects(99)} == {"birth_number"}


def test_whatever_hangs_on_a_rejected_client_is_rejected_with_it(tmp_path: Path) -> None:
    berka = SmallBerka(tmp_path, client=FILES["client"].replace("706213", "999999"))
    loaded = berka.load()
    assert account(loaded, "disp.asc") == (5, 4, 1, 0)
    assert account(loaded, "account.asc") == (4, 3, 1, 0)  # no owner in disp.asc
    assert account(loaded, "loan.asc") == (2, 1, 1, 0)
    assert account(loaded, "trans.asc") == (9, 4, 5, 0)
    assert berka.rows(
        "SELECT count(*) FROM transactions ANTI JOIN accounts USING (account_id)"
    ) == [(0,)]


def test_a_client_without_any_account_cannot_be_dated(tmp_path: Path) -> None:
    berka = SmallBerka(tmp_path, client=FILES["client"] + '5;"700101";1\n')
    assert account(berka.load(), "client.asc") == (5, 4, 1, 0)
    assert berka.warehouse.rejects(1) == [
        ("client.asc", 6, "", "no disposition, so the client cannot be dated")
    ]


def test_loading_it_again_changes_nothing(berka: SmallBerka) -> None:
    before = berka.warehouse.manifest.digest
    again = berka.load()
    assert again.manifest == before
    assert account(again, "trans.asc") == (9, 0, 0, 9)
    assert berka.rows("SELECT count(*) FROM products") == [(5,)]


def test_a_fuller_extract_is_loaded_as_a_whole_or_not(berka: SmallBerka) -> None:
    path = berka.folder / "trans.asc"
    path.write_text(path.read_text() + '109;12;940602;"VYDAJ";"VYBER";1.00;698.00;;;\n')
    with pytest.raises(SourceError, match=r"trans\.asc changed since the last load.*--replace"):
        berka.load()


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, Warehouse]:
    warehouse = Warehouse(tmp_path_factory.mktemp("berka"))
    return load(open_source("berka", real_data / "berka"), warehouse), warehouse


@pytest.mark.data
def test_the_real_files_reconcile(real: tuple[Loaded, Warehouse]) -> None:
    loaded, _ = real
    counts = {"district": 77, "account": 4500, "client": 5369, "disp": 5369, "card": 892}
    counts |= {"loan": 682, "trans": 79_302}
    for name, rows in counts.items():
        assert account(loaded, f"{name}.asc") == (rows, rows, 0, 0)
    assert loaded.rows["customers"] == 5369
    assert loaded.rows["accounts"] == 4500 + 892 + 682


@pytest.mark.data
def test_392_real_loans_are_covered_to_the_day_before_their_grant(
    real: tuple[Loaded, Warehouse],
) -> None:
    _, warehouse = real
    with warehouse.connect() as connection:
        covered = connection.execute("""
            SELECT count(*), count(*) FILTER (o.status IN ('unpaid', 'in_debt'))
            FROM loans l JOIN loan_outcomes o USING (loan_id)
            JOIN accounts a ON a.account_id = l.account_id
            JOIN accounts held ON held.customer_id = a.customer_id AND held.product_id = 'CURRENT'
            JOIN coverage c ON c.account_id = held.account_id
            WHERE DATE '1970-01-01' + (l.event_day - 1) <= c.covered_until
        """).fetchall()
    assert covered == [(392, 35)]


@pytest.mark.data
def test_real_balances_are_those_the_amounts_lead_to(real: tuple[Loaded, Warehouse]) -> None:
    _, warehouse = real
    with warehouse.connect() as connection:
        off = connection.execute("""
            WITH running AS (
                SELECT account_id, event_day, sum(sum(amount)) OVER (
                    PARTITION BY account_id ORDER BY event_day) AS total
                FROM transactions GROUP BY account_id, event_day
            )
            SELECT count(*), count(*) FILTER (abs(total - ledger_balance) > 1000
                AND DATE '1970-01-01' + event_day <> DATE '1994-03-31')
            FROM balances JOIN running USING (account_id, event_day)
        """).fetchall()
    assert off == [(63_399, 0)]  # the extract was cut within 31 March 1994

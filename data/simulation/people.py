"""Who works at the bank, who its customers are, and where they live."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from data.simulation.book import Book, Desk, branch, customers, minutes_later, office_hours
from data.simulation.columns import (
    MICROSECONDS,
    Arrow,
    Ints,
    codes,
    counts,
    dates,
    money,
    ratio,
    stamps,
    tokens,
)
from data.simulation.files import write_reference
from data.simulation.months import DAY, Month

BRANCHES, STAFF = 40, 400
SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝洪郭邱曾廖賴徐周葉蘇莊呂江何蕭羅高"
SURNAMES_LATIN = [
    "Chen",
    "Lin",
    "Huang",
    "Chang",
    "Lee",
    "Wang",
    "Wu",
    "Liu",
    "Tsai",
    "Yang",
    "Hsu",
    "Cheng",
    "Hsieh",
    "Hung",
    "Kuo",
    "Chiu",
    "Tseng",
    "Liao",
    "Lai",
    "Hsu",
    "Chou",
    "Yeh",
    "Su",
    "Chuang",
    "Lu",
    "Chiang",
    "Ho",
    "Hsiao",
    "Lo",
    "Kao",
]
SYLLABLES = "家志俊宗文建明偉宏智雅淑美惠怡婷欣佳宜君玉秀麗芳雯柏翰彥廷承冠宇哲豪嘉"
SYLLABLES_LATIN = [
    "Chia",
    "Chih",
    "Chun",
    "Tsung",
    "Wen",
    "Chien",
    "Ming",
    "Wei",
    "Hung",
    "Chih",
    "Ya",
    "Shu",
    "Mei",
    "Hui",
    "Yi",
    "Ting",
    "Hsin",
    "Chia",
    "Yi",
    "Chun",
    "Yu",
    "Hsiu",
    "Li",
    "Fang",
    "Wen",
    "Po",
    "Han",
    "Yen",
    "Ting",
    "Cheng",
    "Kuan",
    "Yu",
    "Che",
    "Hao",
    "Chia",
]
OCCUPATIONS = (
    "student",
    "clerk",
    "engineer",
    "teacher",
    "civil servant",
    "nurse",
    "driver",
    "shop owner",
    "manager",
    "physician",
    "lawyer",
    "retired",
    "service worker",
    "technician",
)
DISTRICTS = (
    ("臺北市 大安區", "north"),
    ("臺北市 信義區", "north"),
    ("臺北市 士林區", "north"),
    ("新北市 板橋區", "north"),
    ("新北市 三重區", "north"),
    ("新北市 淡水區", "north"),
    ("基隆市 中正區", "north"),
    ("桃園市 桃園區", "north"),
    ("桃園市 中壢區", "north"),
    ("新竹市 東區", "north"),
    ("新竹縣 竹北市", "north"),
    ("苗栗縣 苗栗市", "central"),
    ("臺中市 西屯區", "central"),
    ("臺中市 北屯區", "central"),
    ("臺中市 豐原區", "central"),
    ("彰化縣 彰化市", "central"),
    ("南投縣 南投市", "central"),
    ("雲林縣 斗六市", "central"),
    ("嘉義市 東區", "south"),
    ("嘉義縣 民雄鄉", "south"),
    ("臺南市 東區", "south"),
    ("臺南市 永康區", "south"),
    ("高雄市 左營區", "south"),
    ("高雄市 三民區", "south"),
    ("高雄市 鳳山區", "south"),
    ("屏東縣 屏東市", "south"),
    ("宜蘭縣 宜蘭市", "east"),
    ("花蓮縣 花蓮市", "east"),
    ("臺東縣 臺東市", "east"),
    ("澎湖縣 馬公市", "islands"),
)


def write_districts(out: Path, months: list[Month], rng: Generator) -> None:
    """Statistics of the districts, published every January and once before the extract."""
    n = len(DISTRICTS)
    salary = np.linspace(58_000, 38_000, n) + rng.normal(0, 2_000, n)
    days = [months[0].first_day - 200] + [m.first_day for m in months if m.number == 1]
    base = rng.integers(60_000, 420_000, n)
    urban = np.clip(np.linspace(0.98, 0.45, n) + rng.normal(0, 0.05, n), 0.2, 1.0)
    event = np.repeat(np.array(days, np.int64) * DAY * MICROSECONDS, n)
    rows, years = len(event), len(days)
    pay = np.concatenate([salary * 1.02**year for year in range(years)])
    columns = {
        "district_id": tokens("D", np.tile(np.arange(n), years), 4),
        "event_at": stamps(event),
        "known_at": stamps(event + 45 * DAY * MICROSECONDS),
        "name": pa.array([DISTRICTS[i % n][0] for i in range(rows)]),
        "region": pa.array([DISTRICTS[i % n][1] for i in range(rows)]),
        "inhabitants": counts(np.tile(base, years)),
        "urban": ratio(np.tile(urban, years)),
        "average_salary": money(np.rint(pay).astype(np.int64) * 100),
        "unemployment": ratio(np.clip(rng.normal(0.036, 0.004, rows), 0.02, 0.06)),
        "entrepreneurs": counts(np.tile(rng.integers(60, 160, n), years)),
        "crimes": counts(rng.integers(400, 5_000, rows)),
    }
    write_reference(out, "districts", columns)


def write_staff(out: Path, months: list[Month], rng: Generator) -> None:
    """The people at the branches, all there before the extract begins."""
    number = np.arange(STAFF, dtype=np.int64)
    event = office_hours(months[0].first_day - rng.integers(100, 4_000, STAFF), rng)
    roles = ("manager", "adviser", "teller", "call_centre", "other")
    columns = {
        "staff_id": tokens("S", number, 4),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, rng)),
        "branch_id": tokens("B", number % BRANCHES, 4),
        "role": codes(np.array([0, 1, 1, 1, 2, 2, 2, 3, 3, 4])[number // BRANCHES], roles),
    }
    write_reference(out, "staff", columns)


def _names(count: int, rng: Generator) -> list[str]:
    """Names in Chinese, a sixth of them romanised."""
    family = rng.integers(0, len(SURNAMES), count)
    given = rng.integers(0, len(SYLLABLES), (count, 2))
    latin = rng.random(count) < 0.16
    return [
        f"{SURNAMES_LATIN[f]} {SYLLABLES_LATIN[g]}-{SYLLABLES_LATIN[h].lower()}"
        if script
        else SURNAMES[f] + SYLLABLES[g] + SYLLABLES[h]
        for f, (g, h), script in zip(family, given, latin, strict=True)
    ]


def _occupations(book: Book, rng: Generator) -> Ints:
    """Occupations follow age and income, with exceptions."""
    t = book.traits
    count = len(book)
    poor = rng.choice(np.array([1, 5, 6, 12, 13]), count)
    fair = rng.choice(np.array([1, 2, 3, 4, 5, 7, 13]), count)
    rich = rng.choice(np.array([2, 7, 8, 8, 9, 10]), count)
    rank = t.affluence + 0.7 * rng.standard_normal(count)
    job = np.select([rank < -0.5, rank < 1.0], [poor, fair], rich)
    job = np.where((book.age < 23) & (rng.random(count) < 0.7), 0, job)
    occupation: Ints = np.where(t.retired & (rng.random(count) < 0.85), 11, job)
    return occupation


def _homes(book: Book, rng: Generator) -> Ints:
    """Richer customers live nearer the front of the list."""
    place = rng.random(len(book)) - 0.1 * np.tanh(book.traits.affluence)
    home: Ints = np.clip(place * len(DISTRICTS), 0, len(DISTRICTS) - 1).astype(np.int64)
    return home


def write_customers(book: Book, months: list[Month], desk: Desk) -> None:
    """The customers when they came, and those who moved house since."""
    t = book.traits
    known = {
        "name": pa.array(_names(len(book), desk.rng)),
        "birth_date": dates(t.born),
        "sex": codes(desk.rng.integers(0, 2, len(book)), ("female", "male")),
        "occupation": codes(_occupations(book, desk.rng), OCCUPATIONS),
    }
    home = _homes(book, desk.rng)
    event = office_hours(t.joined, desk.rng) // DAY // MICROSECONDS * DAY * MICROSECONDS
    _put(book, np.arange(len(book)), event + 3_000 * MICROSECONDS, known, home, desk)
    span = months[-1].first_day + months[-1].days - np.maximum(t.joined, months[0].first_day)
    moves = np.flatnonzero(desk.rng.random(len(book)) < 0.03 * span / 365)
    start = np.maximum(t.joined, months[0].first_day)[moves] + 1
    day = start + (desk.rng.random(len(moves)) * (span[moves] - 1)).astype(np.int64)
    home = desk.rng.integers(0, len(DISTRICTS), len(book))
    _put(book, moves, office_hours(day, desk.rng), known, home, desk)


def _put(
    book: Book,
    who: Ints,
    event: Ints,
    known: dict[str, Arrow],
    home: Ints,
    desk: Desk,
) -> None:
    columns = {name: array.take(pa.array(who, pa.int64())) for name, array in known.items()}
    columns |= {
        "customer_id": customers(book.first + who),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, desk.rng)),
        "district_id": tokens("D", home[who], 4),
    }
    desk.folder.put("customers", columns)


def write_assignments(book: Book, months: list[Month], desk: Desk) -> None:
    """Everybody has a branch; the affluent have a manager, and some managers change."""
    t = book.traits
    who = np.arange(len(book), dtype=np.int64)
    _assign(book, who, office_hours(t.joined, desk.rng), 0, desk)
    years = len(months) / 12
    moved = np.flatnonzero((desk.rng.random(len(book)) < 0.04 * years) & (t.affluence > 0.3))
    last = months[-1].first_day
    start = np.minimum(np.maximum(t.joined[moved], months[0].first_day) + 1, last)
    day = start + (desk.rng.random(len(moved)) * (last - start)).astype(np.int64)
    _assign(book, moved, office_hours(day, desk.rng), 1, desk)


def _assign(book: Book, who: Ints, event: Ints, turn: int, desk: Desk) -> None:
    place = branch(book.first + who)
    manager = place + BRANCHES * ((book.first + who + turn) % 4)
    managed = book.traits.affluence[who] > 0.3
    columns = {
        "customer_id": customers(book.first + who),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, desk.rng)),
        "staff_id": tokens("S", manager, 4, managed),
        "branch_id": tokens("B", place, 4),
    }
    desk.folder.put("assignments", columns)


def write_macro(out: Path, months: list[Month], path: Ints) -> None:
    """The hidden level of the economy by month."""
    from data.simulation.chains import MACRO_LEVELS
    from data.simulation.files import Parquet

    file = Parquet(out / "truth" / "macro.parquet")
    days = np.array([m.first_day for m in months], np.int64)
    file.add(pa.table({"month": dates(days), "level": pa.array(MACRO_LEVELS[path])}))
    file.close()

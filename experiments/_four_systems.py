"""Persons as four systems know them: seeded records with the faults of real ones, and the truth."""

import string
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
from pypinyin import lazy_pinyin

from data.contracts import Kind
from data.tables import CUSTOMERS
from features.identity.numbers import taiwan_check_holds
from features.identity.writing import wade_giles

# Share of persons whom a system knows, and of those it knows twice.
SYSTEMS = {
    "core": (0.92, 0.025),
    "cards": (0.50, 0.01),
    "ebanking": (0.60, 0.01),
    "call_centre": (0.40, 0.10),
}
NO_NUMBER = {"core": 0.02, "cards": 0.10, "ebanking": 0.30, "call_centre": 0.60}
NO_BIRTH = {"core": 0.0, "cards": 0.02, "ebanking": 0.10, "call_centre": 0.30}
SURNAMES = "陳林黃張李王吳劉蔡楊許鄭謝洪郭邱曾廖賴徐周葉蘇莊呂江何蕭羅高"
GIVEN = "家志俊宗文建明偉宏智雅淑美惠怡婷欣佳宜君玉秀麗芳雯柏翰彥廷承冠宇哲豪嘉詩涵子萱品妍思妤"
HOMOPHONES = {"怡": "宜", "佳": "嘉", "文": "雯", "智": "志", "婷": "廷", "欣": "心", "子": "梓"}
ROADS = [
    "中山",
    "中正",
    "和平",
    "信義",
    "復興",
    "建國",
    "民生",
    "民權",
    "忠孝",
    "仁愛",
    "光復",
    "文化",
    "大同",
    "自強",
    "三民",
]
TOWNS = [
    ("臺北市大安區", "106"), ("臺北市信義區", "110"), ("新北市板橋區", "220"),
    ("新北市三重區", "241"), ("桃園市中壢區", "320"), ("臺中市西屯區", "407"),
    ("臺南市東區", "701"), ("高雄市三民區", "807"), ("新竹市東區", "300"), ("彰化縣員林市", "510"),
]  # fmt: skip
STARTED = datetime(2019, 1, 1, tzinfo=UTC)
ARROW: dict[Kind, pa.DataType] = {"date": pa.date32(), "timestamp": pa.timestamp("us", "UTC")}


@dataclass
class Person:
    name: str
    sex: str
    birth: date
    number: str
    mobile: str
    home_phone: str
    email: str
    address: str
    postcode: str


def four_systems(persons: int, seed: int = 1) -> tuple[pa.Table, dict[str, int]]:
    """The ``customers`` rows of a bank, and whose each record is."""
    draw = Random(seed)
    rows: list[dict[str, Any]] = []
    truth: dict[str, int] = {}
    for number, person in enumerate(_people(draw, persons)):
        for system, (known, twice) in SYSTEMS.items():
            copies = int(draw.random() < known) * (1 + int(draw.random() < twice))
            for _ in range(copies):
                record = f"{system[:2].upper()}{len(truth):08d}"
                truth[record] = number
                rows += _versions(draw, person, system, record)
    return customers_table(rows), truth


def customers_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as the warehouse keeps customers, without the two days."""
    fields = [pa.field(c.name, ARROW.get(c.kind, pa.string())) for c in CUSTOMERS.columns]
    schema = pa.schema(fields)
    return pa.Table.from_pylist([{n: r.get(n) for n in schema.names} for r in rows], schema=schema)


def _people(draw: Random, count: int) -> list[Person]:
    people: list[Person] = []
    while len(people) < count:
        surname = SURNAMES[min(int(draw.expovariate(0.12)), len(SURNAMES) - 1)]
        address, postcode = _address(draw)
        phone = f"0{draw.choice('2347')}{draw.randrange(10**7, 10**8)}"
        generation = draw.choice(GIVEN)
        for place in range(draw.choice((1, 1, 1, 2, 3, 4))):
            given = generation if place >= 2 else draw.choice(GIVEN)
            own = surname if place != 1 else draw.choice(SURNAMES)
            people.append(
                _person(draw, own + given + draw.choice(GIVEN), place, phone, address, postcode)
            )
    return people[:count]


def _person(draw: Random, name: str, place: int, phone: str, address: str, postcode: str) -> Person:
    sex = draw.choice(("female", "male"))
    year = draw.randrange(1945, 1985) if place < 2 else draw.randrange(1985, 2006)
    login = "".join(draw.choices(string.ascii_lowercase, k=5))
    return Person(
        name=name,
        sex=sex,
        birth=date(year, 1, 1) + timedelta(draw.randrange(365)),
        number=_number(draw, "2" if sex == "female" else "1"),
        mobile=f"09{draw.randrange(10**7, 10**8)}",
        home_phone=phone,
        email=f"{login}{draw.randrange(1000)}@example.tw",
        address=address,
        postcode=postcode,
    )


def _number(draw: Random, second: str) -> str:
    head = draw.choice("ABCDEFGHJKLMNPQRSTUVXY") + second + f"{draw.randrange(10**7):07d}"
    return next(head + digit for digit in string.digits if taiwan_check_holds(head + digit))


def _address(draw: Random) -> tuple[str, str]:
    town, postcode = draw.choice(TOWNS)
    road = f"{draw.choice(ROADS)}路{draw.choice('一二三四')}段"
    return f"{town}{road}{draw.randrange(1, 400)}號{draw.randrange(1, 15)}樓", postcode


def _versions(draw: Random, person: Person, system: str, record: str) -> list[dict[str, Any]]:
    began = STARTED + timedelta(days=draw.randrange(1500), minutes=draw.randrange(1440))
    row = _written(draw, person, system) | {"customer_id": record, "system": system}
    row |= {"event_at": began, "known_at": began + timedelta(days=draw.choice((0, 0, 0, 1, 5)))}
    if draw.random() > 0.2:
        return [row]
    address, postcode = _address(draw)
    moved = row["known_at"] + timedelta(days=draw.randrange(1, 700))
    old = row | {
        "address": address,
        "postcode": postcode,
        "phone": f"09{draw.randrange(10**8):08d}",
    }
    return [old, row | {"event_at": moved, "known_at": moved}]


def _written(draw: Random, person: Person, system: str) -> dict[str, Any]:
    latin = system == "cards" or (system == "call_centre" and draw.random() < 0.5)
    row: dict[str, Any] = {"sex": person.sex if draw.random() < 0.95 else None}
    if latin:
        row["latin_name"] = _latin(draw, person.name)
    else:
        row["name"] = _han(draw, person.name)
    if draw.random() >= NO_NUMBER[system]:
        row["identity_type"] = "resident"
        row["identity_number"] = _mistyped(draw, person.number, 0.02)
    if draw.random() >= NO_BIRTH[system]:
        row["birth_date"] = _birth(draw, person.birth)
    row["phone"] = _phone(draw, person)
    if system == "ebanking" or draw.random() < 0.4:
        row["email"] = _mistyped(draw, person.email, 0.02)
    if system != "ebanking" or draw.random() < 0.3:
        old = draw.random() < 0.15
        row["address"], row["postcode"] = (
            _address(draw) if old else (_respelt(draw, person.address), person.postcode)
        )
    return row


def _han(draw: Random, name: str) -> str:
    if draw.random() < 0.03:
        return "".join(HOMOPHONES.get(c, c) for c in name)
    return f"{name[1:]}{name[0]}" if draw.random() < 0.01 else name


def _latin(draw: Random, name: str) -> str:
    parts = [wade_giles(syllable).upper() for syllable in lazy_pinyin(name)]
    surname, given = _mistyped(draw, parts[0], 0.02), _mistyped(draw, "-".join(parts[1:]), 0.03)
    given = given.replace("-", draw.choice(("-", "-", " ", "")))
    return f"{given} {surname}" if draw.random() < 0.08 else f"{surname} {given}"


def _birth(draw: Random, day: date) -> date:
    chance = draw.random()
    if chance < 0.01 and day.day <= 12:
        return day.replace(month=day.day, day=min(day.month, 28))
    return day.replace(day=1 + draw.randrange(28)) if chance < 0.02 else day


def _phone(draw: Random, person: Person) -> str:
    chance = draw.random()
    if chance < 0.25:
        return person.home_phone
    if chance < 0.35:
        return f"09{draw.randrange(10**8):08d}"
    number = _mistyped(draw, person.mobile, 0.01)
    return draw.choice((number, f"+886 {number[1:4]}-{number[4:]}", f"{number[:4]}-{number[4:]}"))


def _respelt(draw: Random, address: str) -> str:
    if draw.random() < 0.3:
        address = address.replace("臺", "台").replace("樓", "F")
    return address.replace("號", "号") if draw.random() < 0.02 else address


def _mistyped(draw: Random, text: str, share: float) -> str:
    if draw.random() >= share or len(text) < 3:
        return text
    place = draw.randrange(1, len(text) - 1)
    other = draw.choice(string.digits if text[place].isdigit() else string.ascii_uppercase)
    swap = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return swap if draw.random() < 0.5 else text[:place] + other + text[place + 1 :]

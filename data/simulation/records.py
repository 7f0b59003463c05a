"""What each source system writes about a person: its own key, spelling, errors and duplicates.

A record is a function of the person, the system, whether it is their first record there, and the
day on which it is written; the slips made in it stay the same until somebody corrects them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.simulation.columns import (
    MICROSECONDS,
    Arrow,
    Flags,
    Floats,
    Ints,
    characters,
    codes,
    dates,
    stamps,
    tokens,
)
from data.simulation.files import Folder
from data.simulation.months import DAY, LAST_DAY, Month
from data.simulation.names import (
    DISTRICTS,
    OCCUPATIONS,
    ROADS,
    SURNAMES,
    SURNAMES_PINYIN,
    SURNAMES_WADE,
    SYLLABLES,
    SYLLABLES_PINYIN,
    SYLLABLES_WADE,
)
from data.simulation.persons import ZERO, Bytes, Homes, Persons
from data.sources.systems import SYSTEMS, extract
from data.tables import IDENTITY_TYPES

CORE, CARDS, EBANKING, CALL_CENTRE = range(len(SYSTEMS))
# Keys tell nothing of the person: the count is multiplied modulo a prime.
_PREFIXES, _PRIME = ("CIF", "H", "U", "K"), 99_999_989
_FACTORS = (48_271_123, 69_621_977, 16_807_351, 39_373_009)
TURNS = 2
SCRIPTS = ("han", "latin", "family")
NEVER = 1 << 40
# Twenty past eight in Taipei, before anything else happens on a day.
EARLY = 1_200


@dataclass(frozen=True)
class Habits:
    """How a system writes: shares of its records.

    ``again`` are persons recorded twice; ``missing``, ``wrong`` and such are of the field named;
    ``other_phone`` gives the household's landline, ``follows`` keeps up with moves and new
    numbers, ``scripts`` are the shares of Chinese, Latin and family-name-only names.
    """

    again: float
    missing_identity: float
    wrong_identity: float
    missing_birth: float
    wrong_birth: float
    wrong_name: float
    swapped: float
    pinyin: float
    missing_phone: float
    wrong_phone: float
    other_phone: float
    missing_email: float
    missing_address: float
    follows: float
    scripts: tuple[float, float, float]


HABITS = (
    Habits(
        again=0.025,
        missing_identity=0.004,
        wrong_identity=0.008,
        missing_birth=0.0,
        wrong_birth=0.006,
        wrong_name=0.006,
        swapped=0.0,
        pinyin=0.02,
        missing_phone=0.03,
        wrong_phone=0.008,
        other_phone=0.12,
        missing_email=0.7,
        missing_address=0.01,
        follows=0.6,
        scripts=(1.0, 0.0, 0.0),
    ),
    Habits(
        again=0.015,
        missing_identity=0.015,
        wrong_identity=0.015,
        missing_birth=0.01,
        wrong_birth=0.01,
        wrong_name=0.015,
        swapped=0.08,
        pinyin=0.04,
        missing_phone=0.02,
        wrong_phone=0.01,
        other_phone=0.06,
        missing_email=0.5,
        missing_address=0.02,
        follows=0.45,
        scripts=(0.0, 1.0, 0.0),
    ),
    Habits(
        again=0.015,
        missing_identity=0.1,
        wrong_identity=0.012,
        missing_birth=0.03,
        wrong_birth=0.012,
        wrong_name=0.012,
        swapped=0.03,
        pinyin=0.06,
        missing_phone=0.01,
        wrong_phone=0.006,
        other_phone=0.0,
        missing_email=0.04,
        missing_address=1.0,
        follows=0.8,
        scripts=(0.88, 0.12, 0.0),
    ),
    Habits(
        again=0.1,
        missing_identity=0.5,
        wrong_identity=0.02,
        missing_birth=0.25,
        wrong_birth=0.02,
        wrong_name=0.03,
        swapped=0.05,
        pinyin=0.05,
        missing_phone=0.0,
        wrong_phone=0.01,
        other_phone=0.15,
        missing_email=1.0,
        missing_address=0.7,
        follows=0.3,
        scripts=(0.82, 0.12, 0.06),
    ),
)


def record_ids(system: int, person: Ints, turn: Ints) -> Arrow:
    """The keys under which a system knows persons, by their numbers over the whole bank."""
    count = person * TURNS + turn + 1
    return tokens(_PREFIXES[system], count * _FACTORS[system] % _PRIME, 8)


def luck(person: Ints, salt: Ints) -> Floats:
    """A number from 0 to 1 for each person, always the same under the same salt (SplitMix64)."""
    z = person.astype(np.uint64) * np.uint64(1_000_003)
    z = z + salt.astype(np.uint64) * np.uint64(2**40 + 15)
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn: Floats = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn


@dataclass
class Registry:
    """Which systems know which persons of a chunk, since when, and under which keys.

    ``since`` is the day of each record, by person, system and turn: far in the future where there
    is none yet.
    """

    persons: Persons
    first: int
    seed: int
    folder: Folder
    since: Ints = field(init=False)
    waiting: list[list[tuple[Ints, Ints, Ints]]] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.persons), len(SYSTEMS), TURNS)
        self.since = np.full(shape, NEVER, np.int64)
        self.waiting = [[] for _ in SYSTEMS]

    def ids(self, system: int, who: Ints, moments: Ints) -> Arrow:
        """The keys of whom facts at ``moments`` (microseconds) are about.

        Whom the system does not know yet is recorded some weeks before.
        """
        days = moments // (DAY * MICROSECONDS)
        self.enter(system, who, days)
        # Who is known twice is met under either key.
        again = (self.since[who, system, 1] < days) & ((days + who) % 2 == 0)
        return record_ids(system, self.first + who, again.astype(np.int64))

    def enter(self, system: int, who: Ints, days: Ints) -> None:
        """Record those whom the system does not know, and some of them a second time later.

        A record is older than any fact of the month of the days, and no older than the customer.
        """
        new = self.since[who, system, 0] == NEVER
        if not new.any():
            return
        order = np.lexsort((days[new], who[new]))
        unknown, at = np.unique(who[new][order], return_index=True)
        none = np.zeros(len(unknown), np.int64)
        before = 31 + (20 * self._luck(system, unknown, none, 0)).astype(np.int64)
        first = np.maximum(days[new][order][at] - before, self.persons.joined[unknown])
        self._record(system, unknown, 0, first)
        twice = self._luck(system, unknown, none, 1) < HABITS[system].again
        later = 20 + (700 * self._luck(system, unknown, none, 2)).astype(np.int64)
        self._record(system, unknown[twice], 1, (first + later)[twice])

    def keep_up(self, month: Month) -> None:
        """Take in the changes that customers report: a new address, a new number."""
        p = self.persons
        for change, salt in ((p.moves, 3), (p.renumbers, 4)):
            here = (change >= month.first_day) & (change < month.first_day + month.days)
            for system in range(len(SYSTEMS)):
                who = np.flatnonzero(here & (self.since[:, system, 0] < change))
                first = np.zeros(len(who), np.int64)
                told = self._luck(system, who, first, salt) < HABITS[system].follows
                moments = (change[who] * DAY + 7_200 + 60 * system + salt) * MICROSECONDS
                self.waiting[system].append((who[told], first[told], moments[told]))

    def write(self) -> None:
        """Write down what was taken in since the last time."""
        for system, parts in enumerate(self.waiting):
            if any(len(who) for who, _, _ in parts):
                self._put(system, *(np.concatenate(column) for column in zip(*parts, strict=True)))
            parts.clear()

    def _luck(self, system: int, who: Ints, turn: Ints, salt: int) -> Floats:
        kind = (system * TURNS + turn) * 64 + salt
        return luck(self.first + who, self.seed * 1_024 + kind)

    def _record(self, system: int, who: Ints, turn: int, days: Ints) -> None:
        # A record that is made when the extract is over does not count as known.
        there = days < LAST_DAY
        who, days = who[there], days[there]
        self.since[who, system, turn] = days
        turns = np.full(len(who), turn, np.int64)
        self.waiting[system].append((who, turns, (days * DAY + EARLY) * MICROSECONDS))
        person = self.first + who
        truth = {"record_id": record_ids(system, person, turns), "person_id": person_ids(person)}
        self.folder.put_truth("records", truth)

    def _put(self, system: int, who: Ints, turn: Ints, moments: Ints) -> None:
        seen = _Seen(self, system, who, turn, moments // (DAY * MICROSECONDS))
        columns = seen.columns() | {
            "customer_id": record_ids(system, self.first + who, turn),
            "event_at": stamps(moments),
            "known_at": stamps(moments + 60 * MICROSECONDS),
        }
        wanted = extract(SYSTEMS[system], "customers").columns
        known = {name: column for name, column in columns.items() if name in wanted}
        self.folder.put("customers", known, SYSTEMS[system])


def person_ids(numbers: Ints) -> Arrow:
    """Persons by their numbers over the whole bank."""
    return tokens("N", numbers, 8)


@dataclass(frozen=True)
class _Seen:
    """Persons as a system writes them down on some days."""

    registry: Registry
    system: int
    who: Ints
    turn: Ints
    days: Ints

    @property
    def habits(self) -> Habits:
        return HABITS[self.system]

    def luck(self, salt: int) -> Floats:
        return self.registry._luck(self.system, self.who, self.turn, salt)

    def columns(self) -> dict[str, Arrow]:
        """The record's columns but key and clocks."""
        p, who, habits = self.registry.persons, self.who, self.habits
        born = p.born[who] + np.where(self.luck(5) < habits.wrong_birth, self._shift(), 0)
        no_identity = self.luck(6) < habits.missing_identity
        han, latin = self._names()
        home = self._home()
        no_address = self.luck(7) < habits.missing_address
        return {
            "name": han,
            "latin_name": latin,
            "birth_date": _without(dates(born), self.luck(8) < habits.missing_birth),
            "sex": codes(p.sex[who], ("female", "male")),
            "identity_type": codes(np.where(no_identity, -1, p.identity_type[who]), IDENTITY_TYPES),
            "identity_number": _without(characters(self._identity()), no_identity),
            "phone": _without(self._phone(), self.luck(9) < habits.missing_phone),
            "email": _without(self._email(), self.luck(10) < habits.missing_email),
            "address": _without(self._address(home), no_address),
            "postcode": _without(_POSTCODES.take(home.district), no_address),
            "occupation": codes(p.occupation[who], OCCUPATIONS),
            "district_id": tokens("D", home.district, 4),
        }

    def _shift(self) -> Ints:
        """Days by which a birth date goes wrong: a day, a month, ten years."""
        days: Ints = np.array([1, -1, 31, -31, 365, -365, 3_652, 10], np.int64)
        return days[(8 * self.luck(11)).astype(np.int64)]

    def _identity(self) -> Bytes:
        """The number, at times with a digit typed wrong or two digits swapped."""
        number = self.registry.persons.identity[self.who].copy()
        wrong = np.flatnonzero(self.luck(12) < self.habits.wrong_identity)
        return _slipped(number, wrong, 1 + (8 * self.luck(13)).astype(int), self.luck(14))

    def _phone(self) -> Arrow:
        """A mobile, or the household's landline, as each system likes to write it."""
        p, who = self.registry.persons, self.who
        old = (self.days < p.renumbers[who])[:, None]
        number = np.where(old, p.old_mobile[who], p.mobile[who])
        home = self.luck(15) < self.habits.other_phone
        number = np.where(home[:, None], p.landline[who], number)
        wrong = np.flatnonzero(self.luck(16) < self.habits.wrong_phone)
        number = _slipped(number, wrong, 3 + (6 * self.luck(17)).astype(int), self.luck(18))
        plain = characters(number)
        if self.system == CARDS:
            return _joined("+886", pc.utf8_slice_codeunits(plain, 1))
        if self.system == CORE:
            cut = [pc.utf8_slice_codeunits(plain, a, b) for a, b in ((0, 4), (4, 7), (7, 10))]
            return _joined(cut[0], "-", cut[1], "-", cut[2])
        return plain

    def _email(self) -> Arrow:
        p, who = self.registry.persons, self.who
        year = pa.array(p.born[who] // 365 % 100).cast(pa.string())
        serial = pa.array((self.registry.first + who) % 97).cast(pa.string())
        first = SYLLABLES_WADE.take(p.given[who, 0])
        second = SYLLABLES_WADE.take(p.given[who, 1])
        name = pc.utf8_lower(_joined(first, second, ".", SURNAMES_WADE.take(p.surname[who])))
        return _joined(name, year, serial, "@mail.example")

    def _home(self) -> Homes:
        p, who = self.registry.persons, self.who
        return p.home.of(who).where(self.days < p.moves[who], p.new_home.of(who))

    def _address(self, home: Homes) -> Arrow:
        """District, road, number and floor in one of three common ways."""
        way = (3 * self.luck(19)).astype(np.int64)
        place = pc.choose(
            pa.array(np.minimum(way, 1)),
            _PLACES.take(home.district),
            _PLACES_SHORT.take(home.district),
        )
        number = pa.array(home.number).cast(pa.string())
        floor = pa.array(home.floor).cast(pa.string())
        upstairs = [_joined(floor, "樓"), _joined(floor, "F"), _joined("之", floor)]
        above = pc.if_else(
            pa.array(home.floor > 0), pc.choose(pa.array(way), *upstairs), pa.scalar("")
        )
        return _joined(place, _ROADS.take(home.road), number, "號", above)

    def _names(self) -> tuple[Arrow, Arrow]:
        """The name in Chinese and in Latin letters; one of them is missing for most."""
        p, who, habits = self.registry.persons, self.who, self.habits
        given = p.given[who].copy()
        wrong = np.flatnonzero(self.luck(20) < habits.wrong_name)
        given[wrong, 1] = (len(SYLLABLES) * self.luck(21)[wrong]).astype(np.int64)
        surname, first, second = p.surname[who], given[:, 0], given[:, 1]
        family = SURNAMES.take(surname)
        full = _joined(family, SYLLABLES.take(first), SYLLABLES.take(second))
        script = np.searchsorted(np.cumsum(habits.scripts)[:-1], self.luck(22), side="right")
        title = np.where(p.sex[who] == 0, "小姐", "先生")
        polite = _joined(family, pa.array(title, pa.string()))
        han = pc.choose(pa.array(script), full, pa.nulls(len(who), pa.string()), polite)
        latin = _without(self._latin(surname, first, second), script != 1)
        if self.system == CORE:
            latin = _without(self._latin(surname, first, second), self.luck(23) > 0.3)
        return han, latin

    def _latin(self, surname: Ints, first: Ints, second: Ints) -> Arrow:
        """Romanised one way or the other, in either order, with and without a hyphen."""
        pinyin = pa.array(self.luck(24) < self.habits.pinyin)
        family, one, two = (
            pc.if_else(pinyin, other.take(index), usual.take(index))
            for index, usual, other in (
                (surname, SURNAMES_WADE, SURNAMES_PINYIN),
                (first, SYLLABLES_WADE, SYLLABLES_PINYIN),
                (second, SYLLABLES_WADE, SYLLABLES_PINYIN),
            )
        )
        hyphen = pc.if_else(pa.array(self.luck(25) < 0.6), "-", pa.scalar(""))
        given = _joined(one, hyphen, pc.utf8_lower(two))
        swapped = pa.array(self.luck(26) < self.habits.swapped)
        name = pc.if_else(swapped, _joined(given, " ", family), _joined(family, " ", given))
        upper: Arrow = pc.utf8_upper(name)
        return upper if self.system == CARDS else name


def _slipped(number: Bytes, wrong: Ints | NDArray[np.intp], place: Ints, luck: Floats) -> Bytes:
    """Numbers with a digit replaced, or swapped with the next one, at places of the wrong ones."""
    at, chance = place[wrong], luck[wrong]
    swap = chance < 0.4
    one, two = number[wrong, at], number[wrong, at + 1]
    number[wrong, at] = np.where(swap, two, ZERO + (10 * chance).astype(np.uint8))
    number[wrong, at + 1] = np.where(swap, one, two)
    return number


def _joined(*parts: Any) -> Arrow:
    texts: Arrow = pc.binary_join_element_wise(*parts, "")
    return texts


def _without(values: Arrow, missing: Flags) -> Arrow:
    """Values, null where missing."""
    kept: Arrow = pc.if_else(pa.array(missing), pa.scalar(None, values.type), values)
    return kept


_PLACES = pa.array([name for name, _, _ in DISTRICTS])
_PLACES_SHORT = pa.array([name.replace("臺", "台") for name, _, _ in DISTRICTS])
_POSTCODES = pa.array([code for _, _, code in DISTRICTS])
_ROADS = pa.array(list(ROADS))

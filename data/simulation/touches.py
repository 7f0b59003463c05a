"""Touches that are no bookings: logins, calls, campaigns, consents, suitability."""

from dataclasses import dataclass

import numpy as np

from data.simulation.book import (
    Book,
    Desk,
    day_in,
    minutes_later,
    next_morning,
    office_hours,
)
from data.simulation.chains import CLOSED, DISTRESSED, SEEKING
from data.simulation.columns import (
    MICROSECONDS,
    Flags,
    Floats,
    Ints,
    codes,
    constant,
    counts,
    dates,
    flags,
    stamps,
    tokens,
)
from data.simulation.journal import CHANNEL
from data.simulation.months import DAY, Month
from data.simulation.prices import FAMILY_NAMES, FUND, INSURANCE, TAKEN_UP, WEALTH
from data.simulation.records import CALL_CENTRE, CORE
from data.sources.systems import SYSTEMS
from data.tables import CHANNELS

LOGINS = 3.2
LOGIN_MOOD = np.array([1, 0.5, 0.34, 0.2, 0.13, 0.09, 0.1, 0.1, 0, 0, 0])
CALLS = np.array([0.08, 0.12, 0.18, 0.2, 0.15, 0.12, 0.1, 0.1, 0, 0, 0])
COMPLAINTS = np.array([0.003, 0.03, 0.14, 0.12, 0.03, 0.02, 0.02, 0.02, 0, 0, 0])
VISITS = 0.25
CAMPAIGN_EVERY = 3
CAMPAIGN_SHARE = 0.05
CONTROL_SHARE = 0.3
CAMPAIGN_DAYS = 5
REACHED, REFUSED = 0.92, 0.25
CONTACT_MONTHS = 3
TOLERANCES = ("C1", "C2", "C3", "C4", "C5")


def interact(book: Book, month: Month, desk: Desk) -> None:
    """Logins, calls, complaints and visits of the month."""
    t = book.traits
    acts = (book.leaves > 0) & book.here
    seeking = np.array([0.75, 1.0, 1.9])[book.invest] * np.array([0.8, 1.0, 1.6])[book.borrow]
    slack = np.exp(0.25 * desk.rng.standard_normal(len(book)))
    digital = np.where(t.digital > 0.3, t.digital, 0.0)
    login = LOGINS * 2 * digital * np.exp(0.55 * t.engagement) * LOGIN_MOOD[book.mood]
    worried = np.array([1.0, 1.6, 3.0])[np.minimum(book.trouble, DISTRESSED)]
    calls = (CALLS[book.mood] * seeking**2 * worried, COMPLAINTS[book.mood])
    visits = VISITS * (1 - t.digital) * seeking * LOGIN_MOOD[book.mood]
    rates: tuple[tuple[tuple[Floats, ...], str, tuple[str, ...]], ...] = (
        ((login * seeking * slack,), "ebanking", ()),
        (calls, "call_centre", ("call", "complaint")),
        ((visits,), "core", ()),
    )
    for rate, system, kinds in rates:
        parts = [
            np.repeat(np.arange(len(book)), desk.rng.poisson(np.where(acts, part, 0.0)))
            for part in rate
        ]
        kind = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        _meet(book, month, np.concatenate(parts), kind, system, kinds, desk)


def _meet(
    book: Book,
    month: Month,
    who: Ints,
    kind: Ints,
    system: str,
    kinds: tuple[str, ...],
    desk: Desk,
) -> None:
    """Write meetings of one system; where it knows several kinds, ``kind`` is a place in them."""
    span = np.maximum(book.leaves - book.comes + 1, 1)[who]
    day = book.comes[who] + (desk.rng.random(len(who)) * span).astype(np.int64)
    event = month.microseconds((day - 1) * DAY + desk.rng.integers(3_600, 50_000, len(who)))
    number = desk.folder.next_numbers("interactions", len(who)) + np.arange(len(who))
    columns = {
        "interaction_id": counts(number),
        "customer_id": book.registry.ids(SYSTEMS.index(system), who, event),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, desk.rng)),
    }
    if kinds:
        columns["kind"] = codes(kind, kinds)
    desk.folder.put("interactions", columns, system)


def campaign(book: Book, month: Month, consented: Flags, desk: Desk) -> None:
    """Contact a random part of those who do not hold a product; some are held out as control."""
    book.urged = np.maximum(book.urged - 1, 0)
    for k, family in enumerate(TAKEN_UP):
        if (month.index + k) % CAMPAIGN_EVERY:
            continue
        open_to = book.here & (book.mood < CLOSED) & ~book.holds(family) & consented
        open_to &= (book.age >= 20) & (book.age < 75) & (book.urged.max(axis=1) == 0)
        open_to &= book.traits.joined < month.first_day
        who = np.flatnonzero(open_to & (desk.rng.random(len(book)) < CAMPAIGN_SHARE))
        reached = _contact(book, month, family, who, desk)
        book.urged[who[reached], k] = CONTACT_MONTHS


@dataclass(frozen=True)
class Contacts:
    """Contacts of one campaign: who, under which number, for which product, when, by lot or not."""

    who: Ints
    number: Ints
    family: int
    campaign: Ints
    moments: Ints
    control: Flags

    def some(self, mask: Flags) -> "Contacts":
        """Those of the mask."""
        return Contacts(
            self.who[mask],
            self.number[mask],
            self.family,
            self.campaign[mask],
            self.moments[mask],
            self.control[mask],
        )


def _contact(book: Book, month: Month, family: int, who: Ints, desk: Desk) -> Flags:
    """Draw arms and write the contacts; returns who of ``who`` was reached."""
    control = desk.rng.random(len(who)) < CONTROL_SHARE
    reached = ~control & (desk.rng.random(len(who)) < REACHED)
    number = desk.folder.next_numbers("contacts", len(who)) + np.arange(len(who))
    day = day_in(month, desk.rng.integers(1, CAMPAIGN_DAYS + 1, len(who)))
    campaign = np.full(len(who), month.index * 10 + family)
    all_ = Contacts(who, number, family, campaign, office_hours(day, desk.rng), control)
    refused = reached & (desk.rng.random(len(who)) < REFUSED)
    _write(book, all_, "assigned", 0, desk)
    _write(book, all_.some(reached), "delivered", 1_800, desk)
    _write(book, all_.some(~control & ~reached), "undelivered", 1_800, desk)
    _write(book, all_.some(refused), "refused", 2_400, desk)
    book.contact[who, TAKEN_UP.index(family)] = number
    return reached


def accept(book: Book, k: int, who: Ints, moments: Ints, month: Month, desk: Desk) -> None:
    """Write the acceptance of those who take up a product while a contact still works."""
    some = book.urged[who, k] > 0
    urged = who[some]
    since = month.index - (CONTACT_MONTHS - book.urged[urged, k])
    campaign, control = since * 10 + TAKEN_UP[k], np.zeros(len(urged), np.bool_)
    number = book.contact[urged, k]
    taken = Contacts(urged, number, TAKEN_UP[k], campaign, moments[some], control)
    _write(book, taken, "accepted", 60, desk)


def _write(book: Book, contacts: Contacts, outcome: str, later: int, desk: Desk) -> None:
    count = len(contacts.who)
    if not count:
        return
    moments = contacts.moments + later * MICROSECONDS
    channel = np.where(contacts.number % 2, CHANNEL["call_centre"], CHANNEL["mobile"])
    columns = {
        "contact_id": tokens("K", contacts.number, 12),
        "customer_id": book.registry.ids(CALL_CENTRE, contacts.who, moments),
        "campaign_id": tokens("G", contacts.campaign, 8),
        "family": constant(FAMILY_NAMES[contacts.family], count),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "channel": codes(channel, CHANNELS),
        "arm": codes(contacts.control.astype(np.int8), ("treated", "control")),
        "outcome": constant(outcome, count),
    }
    desk.folder.put("contacts", columns, "call_centre")


def write_consents(book: Book, months: list[Month], desk: Desk) -> Floats:
    """Consents given on joining, some withdrawn later; returns the last day of the marketing one."""
    last = months[-1].first_day + months[-1].days
    until = np.zeros(len(book))
    for purpose, share in (("marketing", 0.72), ("profiling", 0.88), ("credit_bureau", 0.95)):
        given = desk.rng.random(len(book)) < share
        event = office_hours(book.traits.joined, desk.rng)
        _consent(book, np.arange(len(book)), purpose, event, given, desk)
        start = np.maximum(book.traits.joined, months[0].first_day) + 30
        end = start + desk.rng.exponential(365 * 40, len(book))
        gone = np.flatnonzero(given & (end < last))
        event = office_hours(end[gone].astype(np.int64), desk.rng)
        _consent(book, gone, purpose, event, np.zeros(len(gone), np.bool_), desk)
        if purpose == "marketing":
            until = np.where(given, end, 0.0)
    return until


def _consent(
    book: Book,
    who: Ints,
    purpose: str,
    event: Ints,
    given: Flags,
    desk: Desk,
) -> None:
    columns = {
        "customer_id": book.registry.ids(CORE, who, event),
        "purpose": constant(purpose, len(who)),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, desk.rng)),
        "granted": flags(given),
    }
    desk.folder.put("consents", columns)


def assess(book: Book, month: Month, assessed: Ints, desk: Desk) -> None:
    """Suitability assessments: before or beside an investment, renewed when they run out."""
    invests = book.held[:, [WEALTH, FUND, INSURANCE]].any(axis=1) | (book.invest == SEEKING)
    stale = month.first_day - assessed > 365
    due = invests & stale & (desk.rng.random(len(book)) < 0.35) & (book.leaves == month.days)
    who = np.flatnonzero(due & (book.comes == 1))
    day = desk.rng.integers(1, month.days + 1, len(who))
    event = office_hours(day_in(month, day), desk.rng)
    bold = -0.6 * book.traits.prudence + 0.3 * book.traits.affluence - (book.age - 45) / 30
    grade = np.clip(np.rint(2 + bold[who] + 0.3 * desk.rng.standard_normal(len(who))), 0, 4)
    columns = {
        "customer_id": book.registry.ids(CORE, who, event),
        "event_at": stamps(event),
        "known_at": stamps(next_morning(event, desk.rng)),
        "tolerance": codes(grade.astype(np.int64), TOLERANCES),
        "valid_until": dates(day_in(month, day) + 365),
    }
    desk.folder.put("suitability", columns)
    assessed[who] = day_in(month, day)

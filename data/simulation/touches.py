"""Touches that are no bookings: logins, calls, campaigns, consents, suitability."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import (
    Book,
    customers,
    day_in,
    minutes_later,
    next_morning,
    office_hours,
)
from data.simulation.chains import CLOSED, DISTRESSED, LUKEWARM, SEEKING, UNHAPPY
from data.simulation.columns import (
    MICROSECONDS,
    Flags,
    Floats,
    Ints,
    codes,
    constant,
    dates,
    flags,
    stamps,
    tokens,
)
from data.simulation.files import Folder
from data.simulation.journal import CHANNEL
from data.simulation.months import DAY, Month
from data.simulation.prices import FAMILY_NAMES, FUND, INSURANCE, TAKEN_UP, WEALTH
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
CONTACT_MONTHS = 3
TOLERANCES = ("C1", "C2", "C3", "C4", "C5")
OUTCOMES = ("assigned", "delivered", "undelivered", "refused", "accepted")
KINDS = ("login", "call", "complaint", "branch_visit")


def interact(book: Book, month: Month, folder: Folder, rng: Generator) -> None:
    """Logins, calls, complaints and visits of the month."""
    t = book.traits
    acts = (book.leaves > 0) & book.here
    seeking = np.array([0.75, 1.0, 1.9])[book.invest] * np.array([0.8, 1.0, 1.6])[book.borrow]
    slack = np.exp(0.25 * rng.standard_normal(len(book)))
    digital = np.where(t.digital > 0.3, t.digital, 0.0)
    login = LOGINS * 2 * digital * np.exp(0.55 * t.engagement) * LOGIN_MOOD[book.mood]
    worried = np.array([1.0, 1.6, 3.0])[np.minimum(book.trouble, DISTRESSED)]
    rates = (
        (login * seeking * slack, "login", "mobile"),
        (CALLS[book.mood] * seeking**2 * worried, "call", "call_centre"),
        (COMPLAINTS[book.mood], "complaint", "call_centre"),
        (VISITS * (1 - t.digital) * seeking * LOGIN_MOOD[book.mood], "branch_visit", "branch"),
    )
    parts = [
        np.repeat(np.arange(len(book)), rng.poisson(np.where(acts, rate, 0.0)))
        for rate, _, _ in rates
    ]
    sizes = [len(part) for part in parts]
    who = np.concatenate(parts)
    kind = np.repeat(np.arange(len(KINDS)), sizes)
    channel = np.repeat(np.array([CHANNEL[name] for _, _, name in rates]), sizes)
    span = np.maximum(book.leaves - book.comes + 1, 1)[who]
    day = book.comes[who] + (rng.random(len(who)) * span).astype(np.int64)
    event = month.microseconds((day - 1) * DAY + rng.integers(3_600, 50_000, len(who)))
    number = folder.next_numbers("interactions", len(who)) + np.arange(len(who))
    columns = {
        "interaction_id": tokens("I", number, 12),
        "customer_id": customers(book.first + who),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, rng)),
        "channel": codes(channel, CHANNELS),
        "kind": codes(kind, KINDS),
    }
    folder.put("interactions", columns)


def campaign(book: Book, month: Month, consented: Flags, folder: Folder, rng: Generator) -> None:
    """Contact a random part of those who do not hold a product; some are held out as control."""
    book.urged = np.maximum(book.urged - 1, 0)
    for k, family in enumerate(TAKEN_UP):
        if (month.index + k) % CAMPAIGN_EVERY:
            continue
        open_to = book.here & (book.mood < CLOSED) & ~book.holds(family) & consented
        open_to &= (book.age >= 20) & (book.age < 75) & (book.urged.max(axis=1) == 0)
        open_to &= book.traits.joined < month.first_day
        who = np.flatnonzero(open_to & (rng.random(len(book)) < CAMPAIGN_SHARE))
        control = rng.random(len(who)) < CONTROL_SHARE
        reached = ~control & (rng.random(len(who)) < 0.92)
        book.urged[who[reached], k] = CONTACT_MONTHS
        _write_contacts(book, month, family, who, control, reached, folder, rng)


def _write_contacts(
    book: Book,
    month: Month,
    family: int,
    who: Ints,
    control: Flags,
    reached: Flags,
    folder: Folder,
    rng: Generator,
) -> None:
    number = folder.next_numbers("contacts", len(who)) + np.arange(len(who))
    day = rng.integers(1, CAMPAIGN_DAYS + 1, len(who))
    event = office_hours(day_in(month, day), rng)
    channel = rng.choice(np.array([CHANNEL["call_centre"], CHANNEL["mobile"]]), len(who))
    refused = reached & (rng.random(len(who)) < 0.25)
    steps = (
        (np.ones(len(who), np.bool_), 0, 0),
        (reached, 1, 1_800),
        (~control & ~reached, 2, 1_800),
        (refused, 3, 2_400),
    )
    for mask, outcome, later in steps:
        some = np.flatnonzero(mask)
        if not len(some):
            continue
        moments = event[some] + later * MICROSECONDS
        columns = {
            "contact_id": tokens("K", number[some], 12),
            "customer_id": customers(book.first + who[some]),
            "campaign_id": tokens("G", np.full(len(some), month.index * 10 + family), 8),
            "family": constant(FAMILY_NAMES[family], len(some)),
            "event_at": stamps(moments),
            "known_at": stamps(minutes_later(moments, rng)),
            "channel": codes(channel[some], CHANNELS),
            "arm": codes(control[some].astype(np.int8), ("treated", "control")),
            "outcome": codes(np.full(len(some), outcome), OUTCOMES),
        }
        folder.put("contacts", columns)


def write_consents(book: Book, months: list[Month], folder: Folder, rng: Generator) -> Floats:
    """Consents given on joining, some withdrawn later; returns the last day of the marketing one."""
    last = months[-1].first_day + months[-1].days
    until = np.zeros(len(book))
    for purpose, share in (("marketing", 0.72), ("profiling", 0.88), ("credit_bureau", 0.95)):
        given = rng.random(len(book)) < share
        event = office_hours(book.traits.joined, rng)
        _consent(book, np.arange(len(book)), purpose, event, given, folder, rng)
        start = np.maximum(book.traits.joined, months[0].first_day) + 30
        end = start + rng.exponential(365 * 40, len(book))
        gone = np.flatnonzero(given & (end < last))
        event = office_hours(end[gone].astype(np.int64), rng)
        _consent(book, gone, purpose, event, np.zeros(len(gone), np.bool_), folder, rng)
        if purpose == "marketing":
            until = np.where(given, end, 0.0)
    return until


def _consent(
    book: Book,
    who: Ints,
    purpose: str,
    event: Ints,
    given: Flags,
    folder: Folder,
    rng: Generator,
) -> None:
    columns = {
        "customer_id": customers(book.first + who),
        "purpose": constant(purpose, len(who)),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, rng)),
        "granted": flags(given),
    }
    folder.put("consents", columns)


def assess(book: Book, month: Month, assessed: Ints, folder: Folder, rng: Generator) -> None:
    """Suitability assessments: before or beside an investment, renewed when they run out."""
    invests = book.held[:, [WEALTH, FUND, INSURANCE]].any(axis=1) | (book.invest == SEEKING)
    stale = month.first_day - assessed > 365
    due = invests & stale & (rng.random(len(book)) < 0.35) & (book.leaves == month.days)
    who = np.flatnonzero(due & (book.comes == 1))
    day = rng.integers(1, month.days + 1, len(who))
    event = office_hours(day_in(month, day), rng)
    bold = -0.6 * book.traits.prudence + 0.3 * book.traits.affluence - (book.age - 45) / 30
    grade = np.clip(np.rint(2 + bold[who] + 0.3 * rng.standard_normal(len(who))), 0, 4)
    columns = {
        "customer_id": customers(book.first + who),
        "event_at": stamps(event),
        "known_at": stamps(next_morning(event, rng)),
        "tolerance": codes(grade.astype(np.int64), TOLERANCES),
        "valid_until": dates(day_in(month, day) + 365),
    }
    folder.put("suitability", columns)
    assessed[who] = day_in(month, day)


def unhappy(book: Book) -> Flags:
    """Who has begun to be dissatisfied."""
    result: Flags = (book.mood >= LUKEWARM) & (book.mood <= UNHAPPY)
    return result

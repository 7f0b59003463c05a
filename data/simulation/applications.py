"""Applications for products: those that lead to an account and those that lead nowhere."""

import numpy as np

from data.simulation.book import Book, Desk, day_in, minutes_later, office_hours
from data.simulation.chains import DISTRESSED, QUIET
from data.simulation.columns import MICROSECONDS, Ints, constant, money, stamps, tokens
from data.simulation.demand import BORROWED
from data.simulation.months import DAY, Month
from data.simulation.prices import FAMILY_NAMES, SYSTEM_OF
from data.sources.systems import SYSTEMS


def refuse(book: Book, family: int, month: Month, desk: Desk) -> None:
    """Applications that lead nowhere: refused to the distressed, withdrawn by the others."""
    if family not in BORROWED:
        return
    keen = np.array([0.0005, 0.002, 0.012])[book.borrow] * np.exp(-0.4 * book.traits.prudence)
    keen = keen * np.where(book.trouble >= DISTRESSED, 4.0, 1.0)
    asks = (desk.rng.random(len(book)) < keen) & (book.leaves == month.days) & (book.borrow > QUIET)
    who = np.flatnonzero(asks & ~book.holds(family))
    moments = office_hours(day_in(month, desk.rng.integers(1, month.days + 1, len(who))), desk.rng)
    poor = (book.trouble[who] >= DISTRESSED) | (desk.rng.random(len(who)) < 0.5)
    for mask, stage in ((poor, "refused"), (~poor, "withdrawn")):
        apply_for(book, family, who[mask], moments[mask], stage, month, desk)


def apply_for(
    book: Book,
    family: int,
    who: Ints,
    moments: Ints,
    stage: str,
    month: Month,
    desk: Desk,
) -> None:
    """Write an application: submitted earlier in the month, decided at ``moments``."""
    if not len(who):
        return
    system = SYSTEM_OF[family]
    number = desk.folder.next_numbers("applications", len(who)) + np.arange(len(who))
    back = desk.rng.integers(0, 9, len(who)) * DAY + desk.rng.integers(60, 3_000, len(who))
    earlier = moments - back * MICROSECONDS
    first = month.microseconds(desk.rng.integers(0, 3_000, len(who)))
    submitted = np.minimum(np.maximum(earlier, first), moments - 30 * MICROSECONDS)
    amount = book.value[who, family].astype(np.int64)
    for event, word in ((submitted, "submitted"), (moments, stage)):
        columns = {
            "application_id": tokens("P", number, 12),
            "customer_id": book.registry.ids(SYSTEMS.index(system), who, event),
            "event_at": stamps(event),
            "known_at": stamps(minutes_later(event, desk.rng)),
            "stage": constant(word, len(who)),
            "amount": money(amount, amount > 0),
        }
        if system == "core":
            columns["family"] = constant(FAMILY_NAMES[family], len(who))
        desk.folder.put("applications", columns, system)

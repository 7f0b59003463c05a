"""One chunk of customers through all months of the extract, in the order in which money moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.simulation import cards, flows, lending, life, people, spending, touches, truth, wealth
from data.simulation.book import (
    Book,
    Random,
    accounts,
    close_accounts,
    next_morning,
    office_hours,
)
from data.simulation.chains import CLOSED, FADING, WRITTEN_OFF
from data.simulation.columns import Floats, Ints, money, repeated, stamps
from data.simulation.files import Folder
from data.simulation.journal import CLOSE_OF_DAY, POCKET_CURRENT, POCKET_SAVINGS, Journal, post
from data.simulation.months import DAY, Month
from data.simulation.prices import (
    CARD,
    CURRENT,
    DEPOSIT,
    FUND,
    INSURANCE,
    LOAN,
    MORTGAGE,
    SAVINGS,
    WEALTH,
)
from data.simulation.traits import draw_traits
from data.simulation.truth import Now, Outlook
from data.simulation.worth import expected_contribution


@dataclass(frozen=True)
class World:
    """What all customers share: the calendar, the economy's levels and the market's shocks."""

    calendar: list[Month]
    economy: Ints
    market: Floats


def months_of(first: int, count: int, world: World, folder: Folder, rng: Random) -> Iterator[int]:
    """Write the lives of ``count`` customers; yields the number of months done."""
    calendar = world.calendar
    traits = draw_traits(count, calendar, rng.life)
    chance = life.chances(traits)
    book = life.found(first, traits, chance, calendar[0], rng.life)
    people.write_customers(book, calendar, folder, rng.people)
    people.write_assignments(book, calendar, folder, rng.people)
    consent = touches.write_consents(book, calendar, folder, rng.people)
    life.shelves(book, calendar[0], folder, rng.life)
    assessed = np.full(count, calendar[0].first_day, np.int64) - rng.touch.integers(0, 700, count)
    _fill_pockets(book, rng)
    future = truth.look_ahead(chance)
    truth.write_traits(book, folder)
    for month in calendar:
        economy = int(world.economy[month.index])
        touches.campaign(book, month, consent > month.first_day, folder, rng.touch)
        life.advance(book, chance, month, economy, rng.life)
        life.welcome(book, month, folder, rng.life)
        wealth.swing(book, rng.life)
        closed = life.give_up(book, month, folder, rng.life)
        life.take_up(book, month, economy, closed, folder, rng.life)
        touches.assess(book, month, assessed, folder, rng.touch)
        _bookings(book, calendar, month, folder, rng)
        wealth.grow(book, float(world.market[month.index]), rng.life)
        _month_end(book, month, folder, rng)
        touches.interact(book, month, folder, rng.touch)
        _truth(Now(book, month, economy), future, folder)
        yield month.index + 1


def _truth(now: Now, future: Outlook, folder: Folder) -> None:
    take_up = truth.take_up_chances(now, future)
    contribution = expected_contribution(now, future, take_up[0])
    truth.write_probabilities(now, future, take_up, contribution, folder)
    truth.write_states(now, folder)


def _fill_pockets(book: Book, rng: Random) -> None:
    """Cash on the eve of the extract; the silent have small change."""
    current, saved = wealth.targets(book, rng.life)
    little = (rng.life.random(len(book)) * 3_000).astype(np.int64) * 100
    book.cash[:, POCKET_CURRENT] = np.where(book.mood < CLOSED, current, little) * book.here
    book.cash[:, POCKET_SAVINGS] = np.where(book.holds(SAVINGS), saved, 0)
    bought = book.traits.income * cards.SPENT_OF_INCOME * 100 / book.traits.revolving
    owed = np.minimum(bought, 0.9 * book.value[:, CARD]).astype(np.int64)
    owed = np.where(book.holds(CARD), owed, 0)
    book.cash[:, 2] = -owed
    book.statement = owed


def _bookings(book: Book, calendar: list[Month], month: Month, folder: Folder, rng: Random) -> None:
    """Lending, cards and accounts of the month, in the order in which money moves."""
    journal = Journal()
    numbers = book.account[:, [CURRENT, SAVINGS, CARD]].copy()
    before = lending.fall_behind(book)
    instalments = lending.repay(book, calendar, month, before, folder, rng.credit)
    paid = cards.settle(book, month, before, journal, rng.paper)
    cards.purchase(book, month, journal, rng.paper)
    current, saved = wealth.targets(book, rng.life)
    _collect(book, month, instalments, paid, journal, rng)
    salary = flows.pay_salaries(book, month, journal, rng.paper)
    moved = flows.move_savings(book, month, saved, journal, rng.paper)
    flowing = journal.totals(len(book))[:, POCKET_CURRENT]
    early = salary + np.maximum(moved, 0)
    spending.spend(book, month, current, flowing, early, journal, rng.paper)
    cards.write_statements(book, calendar, month, paid, journal, folder, rng.credit)
    _write_offs(book, month, journal, folder, rng)
    _farewells(book, month, journal, folder, rng)
    flows.post_automatic(book, month, journal, rng.paper)
    if month.index == 0:
        _opening_positions(book, month, journal, numbers, folder, rng)
    post(book, month, journal, numbers, folder, rng.paper)


def _collect(
    book: Book, month: Month, instalments: Ints, paid: Ints, journal: Journal, rng: Random
) -> None:
    for column in range(instalments.shape[1]):
        flows.collect(book, month, instalments[:, column], "loan_payment", journal, rng.paper)
    flows.collect(book, month, paid, "card_payment", journal, rng.paper)
    bills = flows.utilities(book, month, rng.paper)
    flows.collect(book, month, bills, "utilities", journal, rng.paper)
    premium = book.traits.income * wealth.PREMIUM * (book.leaves == month.days)
    premium = np.where(book.holds(INSURANCE), np.rint(premium), 0).astype(np.int64) * 100
    flows.collect(book, month, premium, "insurance", journal, rng.paper)


def _write_offs(book: Book, month: Month, journal: Journal, folder: Folder, rng: Random) -> None:
    owing = lending.exposed(book) & (book.trouble == WRITTEN_OFF) & (book.leaves == month.days)
    who = np.flatnonzero(owing)
    if len(who):
        loss = lending.write_off(book, who, month, folder, rng.credit)
        cards.end_cards(book, who, month, journal, loss, "written_off", folder, rng.credit)


def _farewells(book: Book, month: Month, journal: Journal, folder: Folder, rng: Random) -> None:
    """Clear and close the accounts of those who leave; who fades keeps one with small change."""
    gone = (book.mood == CLOSED) & (book.leaves > 0)
    who = np.flatnonzero(gone | (book.mood == FADING))
    if not len(who):
        return
    moments = office_hours(month.first_day + book.leaves[who], rng.credit)
    for family in (LOAN, MORTGAGE):
        some = book.holds(family)[who]
        lending.end_loans(book, family, who[some], moments[some], folder, rng.credit)
    cards.end_cards(book, who, month, journal, None, "customer", folder, rng.credit)
    saves = book.holds(SAVINGS)[who]
    nothing = np.zeros(int(saves.sum()), np.int64)
    flows.empty_pockets(book, who[saves], POCKET_SAVINGS, journal, nothing, rng.credit)
    close_accounts(book, who[saves], SAVINGS, moments[saves], "customer", folder, rng.credit)
    keep = np.where(gone[who], 0, rng.credit.integers(1, 3_000, len(who)) * 100)
    flows.empty_pockets(book, who, POCKET_CURRENT, journal, keep, rng.credit)
    out = gone[who]
    close_accounts(book, who[out], CURRENT, moments[out], "customer", folder, rng.credit)


def _opening_positions(
    book: Book, month: Month, journal: Journal, numbers: Ints, folder: Folder, rng: Random
) -> None:
    """The positions with which the extract opens, where no booking makes one on its first day."""
    held = numbers >= 0
    held &= book.opened[:, [CURRENT, SAVINGS, CARD]] < month.first_day
    held[:, 2] = False
    busy = np.concatenate(journal.slot)[np.concatenate(journal.second) < DAY]
    held.reshape(-1)[busy] = False
    slot = np.flatnonzero(held)
    event = month.microseconds(np.full(len(slot), CLOSE_OF_DAY))
    columns = {
        "account_id": repeated(accounts(numbers.reshape(-1)[slot])),
        "event_at": stamps(event),
        "known_at": stamps(next_morning(event, rng.paper)),
        "ledger_balance": money(book.cash.reshape(-1)[slot]),
    }
    folder.put("balances", columns)


def _month_end(book: Book, month: Month, folder: Folder, rng: Random) -> None:
    """Month-end positions of all that is neither current account nor savings."""
    matured = wealth.matured_value(book, month)
    for family in (DEPOSIT, WEALTH, FUND, INSURANCE, LOAN, MORTGAGE, CARD):
        who = np.flatnonzero(book.holds(family))
        owes = family in (LOAN, MORTGAGE, CARD)
        value = -book.value[who, family] if owes else book.value[who, family]
        ledger = book.cash[who, 2] if family == CARD else np.rint(value).astype(np.int64)
        market = matured[who] if family == DEPOSIT else value
        event = month.microseconds(np.full(len(who), (month.days - 1) * DAY + CLOSE_OF_DAY))
        columns = {
            "account_id": repeated(accounts(book.account[who, family])),
            "event_at": stamps(event),
            "known_at": stamps(next_morning(event, rng.paper)),
            "ledger_balance": money(ledger),
        }
        if not owes:
            columns["market_value"] = money(np.rint(market).astype(np.int64))
        folder.put("balances", columns)

"""One chunk of customers through all months of the extract, in the order in which money moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.simulation import (
    cards,
    corrections,
    flows,
    lending,
    life,
    people,
    placements,
    recoveries,
    spending,
    touches,
    truth,
    wealth,
)
from data.simulation.book import (
    Book,
    Desks,
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
from data.simulation.persons import draw_persons
from data.simulation.prices import (
    CARD,
    CURRENT,
    DEPOSIT,
    FUND,
    INSURANCE,
    LOAN,
    MORTGAGE,
    SAVINGS,
    SYSTEM_OF,
    WEALTH,
)
from data.simulation.records import CORE, Registry
from data.simulation.traits import draw_traits
from data.simulation.truth import Now, Outlook
from data.simulation.worth import expected_contribution


@dataclass(frozen=True)
class World:
    """What all customers share: the calendar, the economy's levels and the market's shocks."""

    calendar: list[Month]
    economy: Ints
    market: Floats


def months_of(first: int, count: int, seed: int, world: World, desks: Desks) -> Iterator[int]:
    """Write the lives of ``count`` customers; yields the number of months done."""
    calendar = world.calendar
    traits = draw_traits(count, calendar, desks.life.rng)
    chance = life.chances(traits)
    persons = draw_persons(traits, calendar, desks.person.rng)
    registry = Registry(persons, first, seed, desks.folder)
    book = life.found(registry, traits, chance, calendar[0], desks.life.rng)
    registry.enter(CORE, np.arange(count), traits.joined)
    people.write_assignments(book, calendar, desks.people)
    consent = touches.write_consents(book, calendar, desks.people)
    life.shelves(book, calendar[0], desks.life)
    since = desks.touch.rng.integers(0, 700, count)
    assessed = np.full(count, calendar[0].first_day, np.int64) - since
    _fill_pockets(book, desks)
    future = truth.look_ahead(chance)
    truth.write_traits(book, desks.folder)
    for month in calendar:
        registry.keep_up(month)
        economy = int(world.economy[month.index])
        touches.campaign(book, month, consent > month.first_day, desks.touch)
        life.advance(book, chance, month, economy, desks.life.rng)
        life.welcome(book, month, desks.life)
        wealth.swing(book, desks.life.rng)
        closed = life.give_up(book, month, desks.life)
        life.take_up(book, month, economy, closed, desks.life)
        touches.assess(book, month, assessed, desks.touch)
        _bookings(book, calendar, month, desks)
        wealth.grow(book, float(world.market[month.index]), desks.life.rng)
        _month_end(book, month, desks)
        touches.interact(book, month, desks.touch)
        registry.write()
        _truth(Now(book, month, economy), future, desks.folder)
        yield month.index + 1


def _truth(now: Now, future: Outlook, folder: Folder) -> None:
    take_up = truth.take_up_chances(now, future)
    contribution = expected_contribution(now, future, take_up[0])
    truth.write_probabilities(now, future, take_up, contribution, folder)
    truth.write_states(now, folder)


def _fill_pockets(book: Book, desks: Desks) -> None:
    """Cash on the eve of the extract; the silent have small change."""
    current, saved = wealth.targets(book, desks.life.rng)
    little = (desks.life.rng.random(len(book)) * 3_000).astype(np.int64) * 100
    book.cash[:, POCKET_CURRENT] = np.where(book.mood < CLOSED, current, little) * book.here
    book.cash[:, POCKET_SAVINGS] = np.where(book.holds(SAVINGS), saved, 0)
    bought = book.traits.income * cards.SPENT_OF_INCOME * 100 / book.traits.revolving
    owed = np.minimum(bought, 0.9 * book.value[:, CARD]).astype(np.int64)
    owed = np.where(book.holds(CARD), owed, 0)
    book.cash[:, 2] = -owed
    book.statement = owed


def _bookings(book: Book, calendar: list[Month], month: Month, desks: Desks) -> None:
    """Lending, cards and accounts of the month, in the order in which money moves."""
    journal = Journal()
    numbers = np.ascontiguousarray(book.account[:, [CURRENT, SAVINGS, CARD]])
    corrections.correct(book, month, journal, desks.paper.rng)
    before = lending.fall_behind(book)
    instalments = lending.repay(book, calendar, month, before, desks.credit)
    paid = cards.settle(book, month, before, journal, desks.paper.rng)
    cards.purchase(book, month, journal, desks.paper.rng)
    current, saved = wealth.targets(book, desks.life.rng)
    _collect(book, month, instalments, paid, journal, desks)
    salary = flows.pay_salaries(book, month, journal, desks.paper.rng)
    moved = flows.move_savings(book, month, saved, journal, desks.paper.rng)
    placements.place(book, month, journal, desks.paper.rng)
    flowing = journal.totals(len(book))[:, POCKET_CURRENT]
    early = salary + np.maximum(moved, 0)
    spending.spend(book, month, current, flowing, early, journal, desks.paper.rng)
    corrections.err(book, month, journal, desks.paper.rng)
    cards.write_statements(book, calendar, month, paid, journal, desks.credit)
    recoveries.collect_debts(book, month, desks.credit)
    _write_offs(book, month, journal, desks)
    _farewells(book, month, journal, desks)
    flows.post_automatic(book, month, journal, desks.paper.rng)
    if month.index == 0:
        _opening_positions(book, month, journal, numbers, desks)
    post(book, month, journal, numbers, desks.paper)


def _collect(
    book: Book, month: Month, instalments: Ints, paid: Ints, journal: Journal, desks: Desks
) -> None:
    for column in range(instalments.shape[1]):
        flows.collect(book, month, instalments[:, column], "loan_payment", journal, desks.paper.rng)
    flows.collect(book, month, paid, "card_payment", journal, desks.paper.rng)
    bills = flows.utilities(book, month, desks.paper.rng)
    flows.collect(book, month, bills, "utilities", journal, desks.paper.rng)
    premium = book.traits.income * wealth.PREMIUM * (book.leaves == month.days)
    premium = np.where(book.holds(INSURANCE), np.rint(premium), 0).astype(np.int64) * 100
    flows.collect(book, month, premium, "insurance", journal, desks.paper.rng)


def _write_offs(book: Book, month: Month, journal: Journal, desks: Desks) -> None:
    owing = lending.exposed(book) & (book.trouble == WRITTEN_OFF) & (book.leaves == month.days)
    who = np.flatnonzero(owing & (book.chased < 0))
    if len(who):
        lending.write_off(book, who, month, desks.credit)
        cards.write_off_cards(book, who, month, journal, desks.credit)


def _farewells(book: Book, month: Month, journal: Journal, desks: Desks) -> None:
    """Clear and close the accounts of those who leave; who fades keeps one with small change."""
    gone = (book.mood == CLOSED) & (book.leaves > 0)
    who = np.flatnonzero(gone | (book.mood == FADING))
    if not len(who):
        return
    moments = office_hours(month.first_day + book.leaves[who], desks.credit.rng)
    for family in (LOAN, MORTGAGE):
        some = book.holds(family)[who]
        lending.end_loans(book, family, who[some], moments[some], desks.credit)
    cards.end_cards(book, who, month, journal, desks.credit)
    saves = book.holds(SAVINGS)[who]
    nothing = np.zeros(int(saves.sum()), np.int64)
    flows.empty_pockets(book, who[saves], POCKET_SAVINGS, journal, nothing, desks.credit.rng)
    close_accounts(book, who[saves], SAVINGS, moments[saves], "customer", desks.credit)
    keep = np.where(gone[who], 0, desks.credit.rng.integers(1, 3_000, len(who)) * 100)
    flows.empty_pockets(book, who, POCKET_CURRENT, journal, keep, desks.credit.rng)
    out = gone[who]
    close_accounts(book, who[out], CURRENT, moments[out], "customer", desks.credit)


def _opening_positions(
    book: Book, month: Month, journal: Journal, numbers: Ints, desks: Desks
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
        "known_at": stamps(next_morning(event, desks.paper.rng)),
        "ledger_balance": money(book.cash.reshape(-1)[slot]),
    }
    desks.folder.put("balances", columns)


def _month_end(book: Book, month: Month, desks: Desks) -> None:
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
            "known_at": stamps(next_morning(event, desks.paper.rng)),
            "ledger_balance": money(ledger),
        }
        if not owes:
            columns["market_value"] = money(np.rint(market).astype(np.int64))
        desks.folder.put("balances", columns, SYSTEM_OF[family])

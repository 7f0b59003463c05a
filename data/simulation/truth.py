"""What will probably happen, given the hidden states: the bound on any model, kept apart.

Nothing here is an estimate: the hidden states are Markov chains, and the expectations over their
future are computed, not drawn. No loader and no feature may read what this module writes.

The truth stands at the end of a month's last day. A label whose window begins on that day counts
one day more, which tells nothing: nobody leaves, defaults or earns the bank anything on it, and
whoever takes up a product on it is not asked about that product any more.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.simulation.book import Book
from data.simulation.chains import (
    BEHIND_1,
    CLOSED,
    DEFAULT_1,
    LEAVING_2,
    MACRO,
    MOODS,
    NEED,
    SILENT,
    TROUBLES,
    WRITTEN_OFF,
    outlook,
    outlook_with_macro,
    stopped,
    without_arrears,
)
from data.simulation.columns import Arrow, Flags, Floats, Ints, Smalls, dates
from data.simulation.demand import (
    BORROWED,
    MOOD_PULL,
    NEEDS,
    base_hazards,
    macro_pull,
    season,
    trouble_pull,
)
from data.simulation.files import Folder
from data.simulation.lending import exposed
from data.simulation.life import Chances
from data.simulation.months import Month, month_after
from data.simulation.prices import CARD, FAMILY_NAMES, FUND, LENDING, TAKEN_UP
from data.simulation.records import person_ids
from data.simulation.wealth import RUNDOWN, STRAIN

YEAR = 12
CHURN_HORIZONS = (3, 6, 12)
# Of the 90 days from an as-of day on, when that day itself is over.
TAKE_UP_DAYS = 89
TAKE_UP_MONTHS = 4


@dataclass(frozen=True)
class Outlook:
    """Expectations by months ahead, per customer and hidden state.

    Of the mood (months, moods, customers): ``churned``; ``closed`` all; still ``staying``; still ``calm`` enough
    to keep investments; ``rundown`` of liquid money; ``pull`` on take-up. Of money trouble
    (months, economy, troubles, customers): ``defaulted`` by then, ``written_off`` by then,
    ``late`` just then, ``strain`` on liquid money (owing and not), ``lends`` and ``invests`` as
    multipliers of take-up.
    """

    churned: Floats
    closed: Floats
    staying: Floats
    calm: Floats
    rundown: Floats
    pull: Floats
    defaulted: Floats
    written_off: Floats
    late: Floats
    strain_owing: Floats
    strain_free: Floats
    lends: Floats
    invests: Floats


def look_ahead(chance: Chances) -> Outlook:
    """Compute the outlook of a chunk of customers, once for all months."""
    moods, troubles = np.arange(MOODS), np.arange(TROUBLES)
    free = without_arrears(chance.trouble)
    behind = (troubles >= BEHIND_1) & (troubles < WRITTEN_OFF)

    def of_mood(target: Floats | Flags, months: int = YEAR) -> Floats:
        return outlook(chance.mood, target.astype(np.float32), months)

    def of_trouble(matrices: Floats, target: Floats | Flags, months: int = YEAR) -> Floats:
        return outlook_with_macro(matrices, target.astype(np.float32), months)

    return Outlook(
        churned=of_mood((moods == CLOSED) | (moods == SILENT)),
        closed=of_mood(moods == CLOSED),
        staying=of_mood(moods < CLOSED),
        calm=of_mood(moods < LEAVING_2),
        rundown=of_mood(RUNDOWN),
        pull=of_mood(MOOD_PULL),
        defaulted=of_trouble(stopped(chance.trouble, DEFAULT_1), troubles >= DEFAULT_1),
        written_off=of_trouble(chance.trouble, troubles == WRITTEN_OFF),
        late=of_trouble(chance.trouble, behind),
        strain_owing=of_trouble(chance.trouble, STRAIN),
        strain_free=of_trouble(free, STRAIN),
        lends=of_trouble(free, trouble_pull(CARD), TAKE_UP_MONTHS),
        invests=of_trouble(free, trouble_pull(FUND), TAKE_UP_MONTHS),
    )


@dataclass(frozen=True)
class Now:
    """Where each customer stands at a month's end: picks from the outlook."""

    book: Book
    month: Month
    economy: int

    def mood(self, ahead: Floats) -> Floats:
        """Months by customers."""
        return _picked(ahead, self.book.mood)

    def trouble(self, ahead: Floats) -> Floats:
        """Months by customers."""
        state = self.economy * TROUBLES + self.book.trouble.astype(np.int64)
        return _picked(ahead, state).astype(float)


def _picked(ahead: Floats, state: Ints | Smalls) -> Floats:
    """From (months, states, customers) the state in which each customer is."""
    count = len(state)
    place = state * np.int64(count) + np.arange(count)
    # The places are in range, and clipping is quicker than looking after them.
    picked: Floats = ahead.reshape(len(ahead), -1).take(place, axis=1, mode="clip")
    return picked


def default_within_a_year(now: Now, outlook: Outlook) -> Floats:
    """Chance of going more than 90 days past due while still here and owing."""
    by_then = now.trouble(outlook.defaulted)
    first = np.diff(by_then, axis=0, prepend=0.0) * now.mood(outlook.staying)
    owing = months_owing(now.book)
    within = np.arange(1, YEAR + 1)[:, None] <= owing
    chance: Floats = (first * within).sum(axis=0)
    # Whoever kept a mortgage when all else was written off goes on paying it.
    return np.where(now.book.trouble == WRITTEN_OFF, 0.0, chance)


def months_owing(book: Book) -> Ints:
    """Months until the last instalment; a card has no end."""
    left = np.max(np.where(book.held[:, LENDING], book.left[:, LENDING], 0), axis=1)
    return np.where(book.holds(CARD), 10_000, left)


def may_default(book: Book) -> Flags:
    """Who owes or may owe, and was not in default within the last year."""
    over = (book.trouble == WRITTEN_OFF) & (book.chased >= YEAR)
    asked: Flags = exposed(book) & ((book.trouble < DEFAULT_1) | over) & (book.mood < CLOSED)
    return asked


def window_weights(month: Month) -> Floats:
    """Share of each of the following months that lies within the take-up days."""
    weights, left = [], float(TAKE_UP_DAYS)
    for ahead in range(1, TAKE_UP_MONTHS + 1):
        days = month_after(month, ahead).days
        weights.append(min(left, days) / days)
        left -= min(left, days)
    return np.array(weights)


def take_up_chances(now: Now, outlook: Outlook) -> tuple[Floats, Floats]:
    """Chance to take up each product within 90 days without and with a contact next month."""
    book = now.book
    base = base_hazards(book.traits, book.age)
    weights = window_weights(now.month)
    mood = now.mood(outlook.pull)[:TAKE_UP_MONTHS]
    pulls = {True: now.trouble(outlook.lends) * mood, False: now.trouble(outlook.invests) * mood}
    without, contacted = np.empty(base.shape), np.empty(base.shape)
    for k, family in enumerate(TAKEN_UP):
        borrowed = family in BORROWED
        scale = pulls[borrowed] * base[:, k] * weights[:, None]
        economy = macro_pull(family)
        for ahead in range(TAKE_UP_MONTHS):
            economy = MACRO @ economy
            year_month = month_after(now.month, ahead + 1).number
            scale[ahead] *= economy[now.economy] * season(family, year_month)
        need = book.borrow if borrowed else book.invest
        without[:, k] = _within(scale, NEEDS[family], need.astype(np.int64))
        scale[:3] *= np.exp(book.traits.persuadable[:, k])
        contacted[:, k] = _within(scale, NEEDS[family], need.astype(np.int64))
    return without, contacted


def _within(scale: Floats, lift: Floats, need: Ints) -> Floats:
    """Chance of at least one event while the need moves; ``scale`` is months by customers."""
    none = np.ones((len(lift), scale.shape[1]))
    for hazard in scale[::-1]:
        none = NEED @ (np.exp(-lift[:, None] * hazard) * none)
    chance: Floats = 1 - none[need, np.arange(len(need))]
    return chance


def write_probabilities(
    now: Now,
    outlook: Outlook,
    take_up: tuple[Floats, Floats],
    contribution: Floats,
    folder: Folder,
) -> None:
    """Write the month's truth for everybody who is a customer; null where no question applies."""
    book = now.book
    who = np.flatnonzero(book.here & (book.mood != CLOSED))
    day = now.month.first_day + now.month.days - 1
    columns = {"person_id": person_ids(book.first + who), "as_of": dates(np.full(len(who), day))}
    churned = now.mood(outlook.churned)
    for horizon in CHURN_HORIZONS:
        chance = np.where(book.mood == SILENT, np.nan, churned[horizon - 1])
        columns[f"churn_{horizon}m"] = _column(chance[who])
    default = np.where(may_default(book), default_within_a_year(now, outlook), np.nan)
    columns["default_12m"] = _column(default[who])
    for k, family in enumerate(TAKEN_UP):
        free = ~book.holds(family)
        for chances, ending in zip(take_up, ("", "_contacted"), strict=True):
            chance = np.where(free, chances[:, k], np.nan)
            columns[f"take_up_{FAMILY_NAMES[family]}{ending}"] = _column(chance[who])
    columns["contribution_12m"] = pa.array(contribution[who])
    folder.put_truth("probabilities", columns)


def _column(values: Floats) -> Arrow:
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))


def write_traits(book: Book, folder: Folder) -> None:
    """Write the traits of the persons, which nobody sees."""
    t = book.traits
    columns = {"person_id": person_ids(book.customer)}
    for name in ("affluence", "engagement", "prudence", "price", "restless", "frail"):
        columns[name] = pa.array(getattr(t, name))
    for k, family in enumerate(TAKEN_UP):
        columns[f"persuadable_{FAMILY_NAMES[family]}"] = pa.array(t.persuadable[:, k])
    folder.put_truth("persons", columns)


def write_states(now: Now, folder: Folder) -> None:
    """Write the month's hidden states."""
    book = now.book
    who = np.flatnonzero(book.here & (book.mood != CLOSED))
    day = now.month.first_day + now.month.days - 1
    columns = {"person_id": person_ids(book.first + who), "as_of": dates(np.full(len(who), day))}
    for name in ("mood", "trouble", "invest", "borrow"):
        columns[name] = pa.array(getattr(book, name)[who], pa.int8())
    folder.put_truth("states", columns)

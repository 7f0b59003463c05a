"""The simulated bank: believable, reproducible, and as hard to predict as a real one.

Modelled: natural persons of one Taiwanese bank with hidden traits and hidden states (mood, money
trouble, needs) that move month by month as Markov chains under an economy that moves as well;
nine product families; salaries, spending with its seasons, transfers, standing collections,
interest and fees; cards, loans, arrears, default, write-off, and what is recovered after it, from
debtors and from the sale of collateral, at a cost; wrong bookings and their corrections; logins,
calls, complaints, campaigns with a control group; facts that are known late. The extract begins in
mid-history: accounts are older than their first booking, but nobody is in arrears when it begins.
Four systems (core banking, cards, e-banking, call centre) know a person under keys, spellings,
errors and duplicates of their own.

Not modelled: joint accounts, businesses, fraud, foreign currency, branches opening or closing,
early repayment other than by leaving, claims on what the sale of a home leaves unpaid, and
contagion between customers.
"""

from data.simulation.bank import simulate
from data.simulation.files import Format

__all__ = ["Format", "simulate"]

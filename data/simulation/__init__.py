"""The simulated bank: believable, reproducible, and as hard to predict as a real one.

Modelled: natural persons of one Taiwanese bank with hidden traits and hidden states (mood, money
trouble, needs) that move month by month as Markov chains under an economy that moves as well;
nine product families; salaries, spending with its seasons, transfers, standing collections,
interest and fees; cards, loans, arrears, default, write-off, and what is recovered after it, from
debtors and from the sale of collateral, at a cost; wrong bookings and their corrections; logins,
calls, complaints, campaigns with a control group; facts that are known late. The extract begins in
mid-history: accounts are older than their first booking, but nobody is in arrears when it begins.

Not modelled: joint accounts, businesses, fraud, foreign currency, branches opening or closing,
early repayment other than by leaving, claims on what the sale of a home leaves unpaid, contagion
between customers, and source systems that disagree about a person.
"""

from data.simulation.bank import simulate

__all__ = ["simulate"]

"""The simulated bank: believable, reproducible, and as hard to predict as a real one."""

from data.simulation.bank import simulate

__all__ = ["simulate"]

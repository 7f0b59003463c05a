"""Hidden states that move month by month as Markov chains, so that their future is computable.

A chain is one array of transition probabilities, ``matrix[from, to, customer]``; where the economy
matters, ``matrix[level, from, to, customer]``.
"""

import numpy as np
from numpy.random import Generator

from data.simulation.columns import Floats, Smalls

# Mood: content to leaving in three steps, then gone at once (CLOSED) or fading into silence.
CONTENT, LUKEWARM, UNHAPPY, LEAVING_1, LEAVING_2, LEAVING_3 = range(6)
CLOSED, FADING, SILENT_1, SILENT_2, SILENT = range(6, 11)
MOODS = 11

# Money trouble: sound to distressed (hidden), 1-3 instalments behind, default, written off.
SOUND, STRETCHED, DISTRESSED, BEHIND_1, BEHIND_2, BEHIND_3 = range(6)
DEFAULT_1, DEFAULT_5, WRITTEN_OFF = 6, 10, 11
TROUBLES = 12

# Needs: how much the customer looks for an investment, or for credit, just now.
QUIET, USUAL, SEEKING = range(3)
NEED = np.array([[0.965, 0.032, 0.003], [0.022, 0.95, 0.028], [0.02, 0.1, 0.88]])

# The economy, from slump to boom.
MACRO_LEVELS = np.array([-1.5, -0.75, 0.0, 0.75, 1.5])
MACRO_START = 4
_MACRO_MOVE = 0.09
MACRO = np.array(
    [
        [1 - 1.4 * _MACRO_MOVE, 1.4 * _MACRO_MOVE, 0, 0, 0],
        [0.6 * _MACRO_MOVE, 1 - 1.8 * _MACRO_MOVE, 1.2 * _MACRO_MOVE, 0, 0],
        [0, _MACRO_MOVE, 1 - 2 * _MACRO_MOVE, _MACRO_MOVE, 0],
        [0, 0, 1.2 * _MACRO_MOVE, 1 - 1.8 * _MACRO_MOVE, 0.6 * _MACRO_MOVE],
        [0, 0, 0, 1.4 * _MACRO_MOVE, 1 - 1.4 * _MACRO_MOVE],
    ]
)


def _chain(count: int, states: int, moves: dict[tuple[int, int], Floats | float]) -> Floats:
    """The chain with the given moves; what is left of each row stays where it is."""
    # Single precision: the matrices are the most of what a chunk holds, and chances need no more.
    matrix = np.zeros((states, states, count), np.float32)
    for (before, after), chance in moves.items():
        matrix[before, after] = chance
    rest = 1 - matrix.sum(axis=1)
    for state in range(states):
        matrix[state, state] += rest[state]
    return matrix


def mood_matrix(restless: Floats) -> Floats:
    """How customers become dissatisfied, are won back, or leave."""
    some = np.sqrt(restless)
    moves: dict[tuple[int, int], Floats | float] = {
        (CONTENT, LUKEWARM): np.minimum(0.022 * restless, 0.25),
        (CONTENT, CLOSED): 0.0012 * some,
        (LUKEWARM, CONTENT): 0.06,
        (LUKEWARM, UNHAPPY): np.minimum(0.055 * some, 0.2),
        (LUKEWARM, CLOSED): 0.0025 * some,
        (UNHAPPY, LUKEWARM): 0.13,
        (UNHAPPY, LEAVING_1): np.minimum(0.05 * some, 0.3),
        (UNHAPPY, CLOSED): 0.004 * some,
        (LEAVING_1, LUKEWARM): 0.13,
        (LEAVING_1, CLOSED): 0.015,
        (LEAVING_1, LEAVING_2): 0.2,
        (LEAVING_2, LEAVING_3): 0.43,
        (LEAVING_2, CLOSED): 0.07,
        (LEAVING_3, CLOSED): 0.33,
        (LEAVING_3, FADING): 0.17,
        (FADING, SILENT_1): 1.0,
        (SILENT_1, SILENT_2): 1.0,
        (SILENT_2, SILENT): 1.0,
    }
    return _chain(len(restless), MOODS, moves)


def trouble_matrix(frail: Floats, macro: float) -> Floats:
    """How customers get into arrears and out of them, at one level of the economy."""
    storm, some = np.exp(-0.14 * macro), np.sqrt(frail)
    moves: dict[tuple[int, int], Floats | float] = {
        (SOUND, STRETCHED): np.minimum(0.0072 * frail * storm, 0.2),
        (SOUND, BEHIND_1): np.minimum(0.0125 * frail, 0.15),
        (STRETCHED, SOUND): 0.055,
        (STRETCHED, DISTRESSED): np.minimum(0.045 * some, 0.25),
        (STRETCHED, BEHIND_1): np.minimum(0.03 * some * storm, 0.15),
        (DISTRESSED, STRETCHED): 0.08,
        (DISTRESSED, BEHIND_1): np.minimum(0.14 * some * storm, 0.35),
        (BEHIND_1, SOUND): 0.3,
        (BEHIND_1, STRETCHED): 0.25,
        (BEHIND_1, BEHIND_2): np.minimum(0.31 * some, 0.44),
        (BEHIND_2, STRETCHED): 0.22,
        (BEHIND_2, DISTRESSED): 0.15,
        (BEHIND_2, BEHIND_3): np.minimum(0.4 * some, 0.56),
        (BEHIND_3, DISTRESSED): 0.22,
        (BEHIND_3, DEFAULT_1): np.minimum(0.3 * some, 0.55),
    }
    for late in range(DEFAULT_1, DEFAULT_5):
        moves[late, late + 1] = 0.95
        moves[late, STRETCHED] = 0.05
    moves[DEFAULT_5, STRETCHED] = 0.04
    moves[DEFAULT_5, WRITTEN_OFF] = 0.3
    matrix = _chain(len(frail), TROUBLES, moves)
    return _without_waiting(matrix)


def _without_waiting(matrix: Floats) -> Floats:
    """Nobody stays exactly one or two instalments behind: what is left over falls back a step."""
    for state, back in ((BEHIND_1, STRETCHED), (BEHIND_2, DISTRESSED), (BEHIND_3, DISTRESSED)):
        matrix[state, back] += matrix[state, state]
        matrix[state, state] = 0
    return matrix


def step(matrix: Floats, state: Smalls, rng: Generator) -> Smalls:
    """The next state of every customer."""
    return draw(matrix[state, :, np.arange(len(state))], rng)


def step_alike(matrix: Floats, state: Smalls, rng: Generator) -> Smalls:
    """The next state where one matrix holds for all."""
    return draw(matrix[state], rng)


def draw(chances: Floats, rng: Generator) -> Smalls:
    """One state per row of probabilities."""
    below = np.cumsum(chances, axis=1)[:, :-1] < rng.random(len(chances))[:, None]
    drawn: Smalls = below.sum(axis=1).astype(np.int8)
    return drawn


def settled(matrix: Floats, states: int, months: int = 40) -> Floats:
    """The mix of the first ``states`` states long after the start, among those still there."""
    part = matrix[:states, :states]
    mix = np.zeros((states, matrix.shape[-1]))
    mix[0] = 1.0
    for _ in range(months):
        mix = np.einsum("sn,stn->tn", mix, part)
        mix /= mix.sum(axis=0)
    return mix.T


Moves = list[tuple[int, int, Floats]]


def _moves(matrix: Floats) -> Moves:
    """The possible moves with their chances; most are impossible."""
    pairs = np.argwhere(matrix.any(axis=-1)).tolist()
    return [(before, after, matrix[before, after]) for before, after in pairs]


def _expect(moves: Moves, value: Floats, ahead: Floats) -> None:
    """Put the expectation of ``value`` of the next state, by state now, into ``ahead``."""
    ahead[:] = 0
    part = np.empty_like(ahead[0])
    for before, after, chance in moves:
        ahead[before] += np.multiply(chance, value[after], out=part)


def outlook(matrix: Floats, target: Floats, months: int) -> Floats:
    """Expectation of ``target`` of the state after 1, 2, ... months, given the state now.

    Shape (months, states, customers).
    """
    value = np.repeat(target[:, None], matrix.shape[-1], axis=1)
    ahead, moves = np.empty((months, *value.shape), np.float32), _moves(matrix)
    for month in range(months):
        _expect(moves, value, ahead[month])
        value = ahead[month]
    return ahead


def outlook_with_macro(matrices: Floats, target: Floats, months: int) -> Floats:
    """The same where the chain depends on the economy, which moves as well.

    Shape (months, levels of the economy, states, customers).
    """
    start = np.repeat(target[:, None], matrices.shape[-1], axis=1)
    values, moves = np.stack([start] * len(matrices)), [_moves(matrix) for matrix in matrices]
    ahead = np.empty((months, *values.shape), np.float32)
    inside, part = np.empty_like(values), np.empty_like(start)
    for month in range(months):
        for level, possible in enumerate(moves):
            _expect(possible, values[level], inside[level])
        values = ahead[month]
        for mixed, row in zip(values, MACRO.astype(np.float32), strict=True):
            mixed[:] = 0
            for chance, value in zip(row, inside, strict=True):
                if chance:
                    mixed += np.multiply(chance, value, out=part)
    return ahead


def stopped(matrices: Floats, first: int) -> Floats:
    """The chain with every state from ``first`` on made final."""
    final: Floats = matrices.copy()
    final[:, first:] = 0.0
    for state in range(first, matrices.shape[1]):
        final[:, state, state] = 1.0
    return final


def without_arrears(matrices: Floats) -> Floats:
    """The chain of those who owe nothing: instead of falling behind they stay as they are."""
    free: Floats = matrices.copy()
    for state in range(BEHIND_1):
        free[:, state, state] += free[:, state, BEHIND_1:].sum(axis=1)
        free[:, state, BEHIND_1:] = 0.0
    return free

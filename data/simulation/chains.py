"""Hidden states that move month by month as Markov chains, so that their future is computable.

A chain is a stack of transition matrices, one per customer: ``matrix[i, from, to]``.
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


def _stack(count: int, states: int, moves: dict[tuple[int, int], Floats | float]) -> Floats:
    """Matrices with the given moves; what is left of each row stays where it is."""
    matrix = np.zeros((count, states, states))
    for (before, after), chance in moves.items():
        matrix[:, before, after] = chance
    rest = 1 - matrix.sum(axis=2)
    for state in range(states):
        matrix[:, state, state] += rest[:, state]
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
    return _stack(len(restless), MOODS, moves)


def trouble_matrix(frail: Floats, macro: float) -> Floats:
    """How customers get into arrears and out of them, at one level of the economy."""
    storm = np.exp(-0.22 * macro)
    some = np.sqrt(frail) * storm
    moves: dict[tuple[int, int], Floats | float] = {
        (SOUND, STRETCHED): np.minimum(0.008 * frail * storm, 0.2),
        (SOUND, BEHIND_1): np.minimum(0.005 * np.sqrt(frail), 0.05),
        (STRETCHED, SOUND): 0.055,
        (STRETCHED, DISTRESSED): np.minimum(0.04 * some, 0.25),
        (STRETCHED, BEHIND_1): np.minimum(0.025 * some, 0.15),
        (DISTRESSED, STRETCHED): 0.08,
        (DISTRESSED, BEHIND_1): np.minimum(0.13 * some, 0.35),
        (BEHIND_1, SOUND): 0.3,
        (BEHIND_1, STRETCHED): 0.25,
        (BEHIND_1, BEHIND_2): np.minimum(0.32 * some, 0.42),
        (BEHIND_2, STRETCHED): 0.22,
        (BEHIND_2, DISTRESSED): 0.15,
        (BEHIND_2, BEHIND_3): np.minimum(0.42 * some, 0.55),
        (BEHIND_3, DISTRESSED): 0.22,
        (BEHIND_3, DEFAULT_1): np.minimum(0.5 * some, 0.7),
    }
    for late in range(DEFAULT_1, DEFAULT_5):
        moves[late, late + 1] = 0.95
        moves[late, STRETCHED] = 0.05
    moves[DEFAULT_5, STRETCHED] = 0.04
    moves[DEFAULT_5, WRITTEN_OFF] = 0.3
    matrix = _stack(len(frail), TROUBLES, moves)
    return _without_waiting(matrix)


def _without_waiting(matrix: Floats) -> Floats:
    """Nobody stays exactly one or two instalments behind: what is left over falls back a step."""
    for state, back in ((BEHIND_1, STRETCHED), (BEHIND_2, DISTRESSED), (BEHIND_3, DISTRESSED)):
        matrix[:, state, back] += matrix[:, state, state]
        matrix[:, state, state] = 0
    return matrix


def step(matrix: Floats, state: Smalls, rng: Generator) -> Smalls:
    """The next state of every customer."""
    return draw(matrix[np.arange(len(state)), state], rng)


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
    part = matrix[:, :states, :states]
    mix = np.zeros((len(matrix), states))
    mix[:, 0] = 1.0
    for _ in range(months):
        mix = np.einsum("ns,nst->nt", mix, part)
        mix /= mix.sum(axis=1, keepdims=True)
    return mix


def outlook(matrix: Floats, target: Floats, months: int) -> Floats:
    """Expectation of ``target`` of the state after 1, 2, ... months, given the state now.

    Shape (months, customers, states).
    """
    value = np.broadcast_to(target, matrix.shape[:2]).copy()
    ahead = np.empty((months, *value.shape))
    for month in range(months):
        value = np.matmul(matrix, value[:, :, None])[:, :, 0]
        ahead[month] = value
    return ahead


def outlook_with_macro(matrices: Floats, target: Floats, months: int) -> Floats:
    """The same where the matrix depends on the economy, which moves as well.

    Shape (months, levels of the economy, customers, states).
    """
    value = np.broadcast_to(target, matrices.shape[:3]).copy()
    ahead = np.empty((months, *value.shape), np.float32)
    for month in range(months):
        inside = np.matmul(matrices, value[..., None])[..., 0]
        value = np.tensordot(MACRO, inside, axes=1)
        ahead[month] = value
    return ahead


def stopped(matrix: Floats, first: int) -> Floats:
    """The matrix with every state from ``first`` on made final."""
    final: Floats = matrix.copy()
    final[..., first:, :] = 0.0
    for state in range(first, matrix.shape[-1]):
        final[..., state, state] = 1.0
    return final


def without_arrears(matrix: Floats) -> Floats:
    """The matrix of those who owe nothing: instead of falling behind they stay as they are."""
    free: Floats = matrix.copy()
    for state in range(BEHIND_1):
        free[..., state, state] += free[..., state, BEHIND_1:].sum(axis=-1)
        free[..., state, BEHIND_1:] = 0.0
    return free

"""Least squares over frames that share some parameters: Levenberg-Marquardt.

Frames meet in the shared parameters alone, which the Schur complement of their normal equations solves
(Triggs et al., "Bundle adjustment: a modern synthesis", 2000, section 6).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAMPING, MAX_DAMPING = 1e-3, 1e6
# a step that lowers the cost by less than this share ends the search
ENOUGH = 1e-4
# normal matrix (P + S, P + S), gradient (P + S,) and cost of one frame, its own parameters first
System = tuple[Floats, Floats, float]
State = TypeVar("State")


@dataclass(frozen=True, slots=True, eq=False)
class SharedPrior:
    """Deviations (S,) of the shared parameters, about zero."""

    spread: Floats

    def measure(self, values: Floats) -> float:
        """The cost of the values (S,)."""
        return float(np.sum((values / self.spread) ** 2))


def minimise(
    start: Sequence[State],
    build: Callable[[Sequence[State]], list[System]],
    move: Callable[[State, Floats], State],
    read_shared: Callable[[State], Floats],
    prior: SharedPrior,
    steps: int,
    *,
    shared_is_known: bool = False,
) -> list[State]:
    """The states of lowest cost after at most so many steps, from states whose shared parameters agree.

    `move` adds a step (P + S,) to a state.
    """
    current = list(start)
    systems = build(current)
    cost = _sum_costs(systems, read_shared(current[0]), prior)
    damping = DAMPING
    for _ in range(steps):
        while damping < MAX_DAMPING:
            changes = _solve(systems, read_shared(current[0]), prior, damping, shared_is_known)
            moved = [move(state, change) for state, change in zip(current, changes, strict=True)]
            trial = build(moved)
            lowered = _sum_costs(trial, read_shared(moved[0]), prior)
            if lowered <= cost:
                break
            damping *= 10
        else:
            return current
        is_enough = cost - lowered < ENOUGH * cost
        current, systems, cost, damping = moved, trial, lowered, damping / 10
        if is_enough:
            break
    return current


def _sum_costs(systems: Sequence[System], shared: Floats, prior: SharedPrior) -> float:
    return sum(cost for _, _, cost in systems) + prior.measure(shared)


def _solve(
    systems: Sequence[System], shared: Floats, prior: SharedPrior, damping: float, shared_is_known: bool
) -> list[Floats]:
    """One damped step (P + S,) per frame; the shared part is theirs together and has one prior."""
    own_size = len(systems[0][1]) - len(shared)
    matrix: Floats = np.diag(prior.spread**-2.0)
    gradient = shared / prior.spread**2
    solved: list[tuple[Floats, Floats]] = []
    for normal, slope, _ in systems:
        own = normal[:own_size, :own_size]
        own = own + damping * np.diag(np.diag(own) + 1.0)
        sides = np.column_stack([slope[:own_size], normal[:own_size, own_size:]])
        both: Floats = np.linalg.solve(own, sides).astype(np.float64)
        solved.append((both[:, 0], both[:, 1:]))
        coupling = normal[own_size:, :own_size]
        matrix = matrix + normal[own_size:, own_size:] - coupling @ both[:, 1:]
        gradient = gradient + slope[own_size:] - coupling @ both[:, 0]
    change: Floats = np.zeros(len(shared))
    if not shared_is_known:
        damped = matrix + damping * np.diag(np.diag(matrix))
        change = np.asarray(-np.linalg.solve(damped, gradient), np.float64)
    return [np.concatenate([-own - by_shared @ change, change]) for own, by_shared in solved]

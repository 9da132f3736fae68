"""Actions over an interval: those of the decoded frames between two stored ones, as one.

How values add up depends on what they are. Mouse motion adds up, a joint's target is the last one that was
given, and a button that was down for a moment was pressed.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from maquette.contract.datasets import ActionType, SourceFacts

from workers.datasets.errors import DatasetError

# names whose type is known without being stated: those of VPT's recorder, and differences by their "d"
KNOWN_NAMES: tuple[tuple[re.Pattern[str], ActionType], ...] = (
    (re.compile(r"(?:key|keyboard|button|buttons|gui)(?:\..*)?"), "button"),
    (re.compile(r"mouse\.[xy]|hotbar"), "state"),
    (re.compile(r"(?:.*\.)?(?:d|delta_?)(?:[xyz]|r[xyz]|roll|pitch|yaw|theta)"), "delta"),
    (re.compile(r"(?:.*\.)?delta_.*|.*_delta"), "delta"),
    (re.compile(r"(?:.*\.)?target_.*|.*_target"), "state"),
)
COMPOSE: Mapping[ActionType, Callable[[Sequence[float]], float]] = {
    # correctly rounded, so that intervals add up to the sum of all steps
    "delta": math.fsum,
    "state": lambda values: values[-1],
    "button": max,
}


def get_action_names(info: SourceFacts) -> tuple[str, ...]:
    """The names of a source's recorded actions; a0, a1, ... where none were given."""
    width = len(info.actions[0]) if info.actions else 0
    return tuple(info.action_names) or tuple(f"a{index}" for index in range(width))


def find_action_types(info: SourceFacts) -> tuple[ActionType | None, ...]:
    """The type of each value: as stated, else by its name; None where neither says it."""
    names = get_action_names(info)
    return tuple(info.action_types) or tuple(_recognise_type(name) for name in names)


def check_action_types(info: SourceFacts, source: str) -> None:
    """Raise DatasetError `action_types_unknown` unless actions can be composed; `source` is its hash."""
    pairs = zip(get_action_names(info), find_action_types(info), strict=True)
    unknown = [name for name, kind in pairs if kind is None]
    if unknown:
        raise DatasetError(
            "action_types_unknown",
            f"source {source[:12]}: frames are left out, and how the actions {', '.join(unknown)} add up "
            "between those that are kept is not known: give 'action_types', one of delta, state and button "
            "for each value",
        )


def compose_actions(rows: Sequence[Sequence[float]], types: Sequence[ActionType | None]) -> tuple[float, ...]:
    """The rows of successive steps as one: sums of deltas, last states, and buttons that were down at all.

    A single row is returned as it is, whatever its types.
    """
    if len(rows) == 1:
        return tuple(float(value) for value in rows[0])
    columns = zip(zip(*rows, strict=True), types, strict=True)
    return tuple(float(COMPOSE[kind](values)) for values, kind in columns if kind is not None)


def _recognise_type(name: str) -> ActionType | None:
    return next((kind for pattern, kind in KNOWN_NAMES if pattern.fullmatch(name.lower())), None)

"""Bounds of gates from the command line and from plan files."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from maquette.contract.datasets import Bounds, GateName
from pydantic import TypeAdapter, ValidationError

from workers.datasets.errors import DatasetError
from workers.datasets.gates.policy import Bound

SIDES = ("low", "high")
UNBOUNDED = "none"


def read_bounds(texts: Sequence[str], plan: Path | None) -> dict[str, Bound]:
    """The bounds of a plan file's `[gates]`, overridden by `GATE.low=NUMBER` and `GATE.high=NUMBER`.

    A gate loses a side that is not named. Raises DatasetError `option_unknown`.
    """
    bounds: dict[str, Bound] = {}
    if plan is not None:
        try:
            tables = tomllib.loads(plan.read_text()).get("gates", {})
            gates = TypeAdapter(dict[GateName, Bounds]).validate_python(tables)
        except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise DatasetError("option_unknown", f"{plan}: {error}") from error
        bounds = {name: (bound.low, bound.high) for name, bound in gates.items()}
    for text in texts:
        name, side, value = _parse(text)
        low, high = bounds.get(name, (None, None))
        bounds[name] = (value, high) if side == "low" else (low, value)
    if not bounds:
        raise DatasetError("option_unknown", "give --gate GATE.low=NUMBER or GATE.high=NUMBER, or a --plan")
    return bounds


def _parse(text: str) -> tuple[str, str, float | None]:
    key, separator, number = text.partition("=")
    name, _, side = key.strip().partition(".")
    if not separator or side not in SIDES or name not in get_args(GateName):
        known = ", ".join(get_args(GateName))
        raise DatasetError(
            "option_unknown", f"{text!r} is not GATE.low=NUMBER or GATE.high=NUMBER; gates: {known}"
        )
    if number.strip().lower() == UNBOUNDED:
        return name, side, None
    try:
        return name, side, float(number)
    except ValueError as error:
        raise DatasetError("option_unknown", f"{text!r}: {number!r} is no number") from error

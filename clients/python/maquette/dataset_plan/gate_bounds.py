"""Bounds of gates from the command line and from plan files."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import RootModel, ValidationError

from maquette.contract.datasets import Bounds, GateName
from maquette.dataset_plan.errors import PlanError, explain

SIDES = ("low", "high")
UNBOUNDED = "none"


def read_gate_bounds(texts: Sequence[str], plan: Path | None = None) -> dict[GateName, Bounds]:
    """Return the bounds of a plan's `[gates]`, overridden by `GATE.low=NUMBER` and `GATE.high=NUMBER`.

    A gate loses the bound on a side that is not named. Raises PlanError.
    """
    bounds: dict[GateName, Bounds] = {}
    if plan is not None:
        try:
            tables = tomllib.loads(plan.read_text(encoding="utf-8")).get("gates", {})
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise PlanError(f"{plan}: {error}") from error
        bounds = _validate(tables, f"{plan}: ")
    for text in texts:
        name, side, value = _parse(text)
        bounds[name] = bounds.get(name, Bounds()).model_copy(update={side: value})
    return _validate({name: bound.model_dump() for name, bound in bounds.items()})


def _validate(tables: Any, where: str = "") -> dict[GateName, Bounds]:
    model = RootModel[dict[GateName, Bounds]]
    try:
        return model.model_validate(tables).root
    except ValidationError as error:
        raise PlanError(f"{where}{explain(error, model)}") from error


def _parse(text: str) -> tuple[GateName, str, float | None]:
    key, separator, number = text.partition("=")
    name, _, side = key.strip().partition(".")
    if not separator or side not in SIDES or name not in get_args(GateName):
        gates = ", ".join(get_args(GateName))
        raise PlanError(f"{text!r} is not GATE.low=NUMBER or GATE.high=NUMBER; gates: {gates}")
    if number.strip().lower() == UNBOUNDED:
        return cast("GateName", name), side, None
    try:
        return cast("GateName", name), side, float(number)
    except ValueError as error:
        raise PlanError(f"{text!r}: {number!r} is no number") from error

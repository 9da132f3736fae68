"""Bounds of gates as the command gives them."""

from collections.abc import Sequence
from pathlib import Path

from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.gate_bounds import read_gate_bounds

from workers.datasets.errors import DatasetError
from workers.datasets.gates.policy import Bound


def read_bounds(texts: Sequence[str], plan: Path | None) -> dict[str, Bound]:
    """The bounds of a plan file and of texts as `flicker.high=0.2`; raises DatasetError `option_unknown`."""
    try:
        bounds = read_gate_bounds(texts, plan)
    except PlanError as error:
        raise DatasetError("option_unknown", str(error)) from error
    if not bounds:
        raise DatasetError("option_unknown", "give --gate GATE.low=NUMBER or GATE.high=NUMBER, or a --plan")
    return {name: (bound.low, bound.high) for name, bound in bounds.items()}

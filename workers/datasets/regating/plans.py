"""The plan of a dataset in a folder that was decided again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from maquette.contract.datasets import Bounds, Review
from maquette.dataset_plan import PLAN_FILE, PlanError, extend_plan, format_plan, read_plan

from workers.datasets.gates.policy import Bound


def write_regated_plan(
    folder: Path, out: Path, bounds: Mapping[str, Bound], reviews: Sequence[Review]
) -> None:
    """Write the plan of `folder`, decided again, to `out`; where it has none that can be read, do nothing."""
    try:
        plan = read_plan(folder / PLAN_FILE)
    except (OSError, PlanError):
        return
    gates: dict[Any, Bounds] = {name: Bounds(low=low, high=high) for name, (low, high) in bounds.items()}
    output = plan.output.model_copy(update={"folder": out.absolute()})
    plan = extend_plan(plan, gates, reviews, output=output)
    (out / PLAN_FILE).write_text(format_plan(plan), encoding="utf-8")

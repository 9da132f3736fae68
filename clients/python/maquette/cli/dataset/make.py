"""`maquette dataset make`: a dataset from flags."""

from typing import Annotated, Any

import typer

from maquette.cli.dataset.execution import (
    Estimate,
    PlanMode,
    Price,
    PrintPlan,
    SetKeys,
    Workers,
    execute_plan,
)
from maquette.cli.dataset.flags import read_flags, with_plan_flags
from maquette.cli.options import CancelOnInterrupt, Overwrite
from maquette.dataset_plan import build_plan


@with_plan_flags
def make(
    context: typer.Context,
    *,
    set_keys: SetKeys = None,
    estimate: Estimate = False,
    old_estimate: Annotated[bool, typer.Option("--plan", hidden=True)] = False,
    workers: Workers = 1,
    price: Price = None,
    print_plan: PrintPlan = False,
    overwrite: Overwrite = False,
    cancel_on_interrupt: CancelOnInterrupt = False,
    **flags: Any,
) -> None:
    """Make one dataset of clips and tracks from all videos together.

    The flags are short cuts for the keys of a plan; `maquette dataset run` takes them from a file.
    """
    if old_estimate:
        typer.echo("--plan is now --estimate", err=True)
    plan = build_plan(read_flags(flags), set_keys or (), name="the flags")
    mode = PlanMode(estimate=estimate or old_estimate, workers=workers, price=price, print_plan=print_plan)
    execute_plan(context, plan, mode)

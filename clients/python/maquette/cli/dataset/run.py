"""`maquette dataset run` and `plan-template`: a dataset from a plan file."""

from pathlib import Path
from typing import Annotated

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
from maquette.cli.options import CancelOnInterrupt, Overwrite
from maquette.console import PlainConsole
from maquette.dataset_plan import plan_template as build_template
from maquette.dataset_plan import read_plan


def run(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A plan in TOML.")],
    set_keys: SetKeys = None,
    estimate: Estimate = False,
    workers: Workers = 1,
    price: Price = None,
    print_plan: PrintPlan = False,
    overwrite: Overwrite = False,
    cancel_on_interrupt: CancelOnInterrupt = False,
) -> None:
    """Make a dataset as a plan file says; `plan-template` writes one to start from."""
    mode = PlanMode(estimate=estimate, workers=workers, price=price, print_plan=print_plan)
    execute_plan(context, read_plan(plan, set_keys or ()), mode)


def plan_template(
    out: Annotated[Path | None, typer.Argument(help="File to write; it must not exist.")] = None,
) -> None:
    """Print a plan with every key explained, or write it to a file."""
    if out is None:
        typer.echo(build_template(), nl=False)
        return
    with out.open("x", encoding="utf-8") as file:
        file.write(build_template())
    PlainConsole().print(f"edit {out}, then: maquette dataset run {out}")

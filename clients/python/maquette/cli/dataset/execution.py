"""Run a plan, estimate it, or print it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from maquette.cli.context import get_context
from maquette.cli.dataset.estimate import print_estimate
from maquette.cli.dataset.server_commands import load_server_function
from maquette.cli.job_watch import JobWatch
from maquette.cli.output import check_output, finish_job
from maquette.cli.skips import SOME_SKIPPED
from maquette.console import PlainConsole
from maquette.dataset_plan import PLAN_FILE, DatasetPlan, format_plan
from maquette.dataset_plan.running import estimate_plan, submit_plan
from maquette.dataset_plan.videos import count_unused_photos
from maquette.result_files import writing_whole

SESSION_HINTS = {
    "sessions_assumed": "videos whose names differ only by a number are in one split: give --session, or a "
    "session for each in --sources, if they are not of one recording",
    "sessions_unknown": "warning: without --session, parts of one recording may lie in train and test",
}

SetKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Set a key of the plan, such as gates.motion.low=0.2; repeatable."
    ),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Process a few clips and print what everything will take.")
]
Workers = Annotated[int, typer.Option(min=1, help="Number of workers to estimate for.")]
Price = Annotated[
    float | None,
    typer.Option(min=0, help="Price of an hour of any worker, for the estimate; else the operator's prices."),
]
PrintPlan = Annotated[bool, typer.Option("--print-plan", help="Print the plan as TOML, and do nothing else.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMode:
    """What to do with a plan; it is run unless it is printed or estimated."""

    estimate: bool
    workers: int
    price: float | None
    print_plan: bool


def execute_plan(context: typer.Context, plan: DatasetPlan, mode: PlanMode) -> None:
    """Print, estimate or run a plan."""
    cli = get_context(context)
    if mode.print_plan:
        typer.echo(format_plan(plan), nl=False)
        return
    for folder, photos in count_unused_photos(plan).items():
        PlainConsole(stderr=True).print(f"not used: {photos} photos beside the videos of {folder}")
    if mode.estimate:
        console = PlainConsole(stderr=True)
        with cli.client() as mq, JobWatch(cli) as watch:
            estimate = estimate_plan(
                mq,
                plan,
                progress=not cli.as_json,
                on_submit=lambda job: watch.add(job, "trial"),
                on_skip=lambda skipped: console.print(f"skipped {skipped}"),
            )
        print_estimate(cli, estimate, mode.workers, mode.price)
    else:
        _run_plan(context, plan)


def _run_plan(context: typer.Context, plan: DatasetPlan) -> None:
    cli = get_context(context)
    folder, formats = plan.output.folder, ",".join(plan.output.formats)
    if folder is not None:
        check_output(cli, folder)
    if formats:
        # unknown formats are refused before the job, not after it
        load_server_function("check_formats")(formats, plan.output.options)
    console = PlainConsole(stderr=True)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = submit_plan(
            mq,
            plan,
            on_skip=lambda skipped: console.print(f"skipped {skipped}"),
            wait=lambda job: watch.add(job, "dataset").wait(progress=not cli.as_json),
        )
        result = finish_job(cli, watch.add(job, "dataset"), "dataset", folder)
    if folder is not None:
        _save_plan(plan, folder)
    for flag in SESSION_HINTS.keys() & set(result.flags):
        console.print(SESSION_HINTS[flag])
    unreadable = result.data.unreadable
    if unreadable:
        console.print(f"{len(unreadable)} videos were skipped:")
        for name, code in unreadable.items():
            console.print(f"  {name}: {code}")
    if formats:
        load_server_function("write_formats")(folder, formats, folder, plan.output.options)
    if unreadable:
        raise typer.Exit(SOME_SKIPPED)


def _save_plan(plan: DatasetPlan, folder: Path) -> None:
    with writing_whole(folder / PLAN_FILE) as partial:
        partial.write_text(format_plan(plan), encoding="utf-8")

"""Print what a plan will take."""

from rich.table import Table

from maquette.cli.context import CliContext, print_json
from maquette.console import PlainConsole
from maquette.dataset_plan.running import PlanEstimate

# stages below this share of all hours are not listed
LISTED_SHARE = 0.001
UNKNOWN_COST = "unknown: give --price, or let the operator set MAQUETTE_PRICE_CPU_HOUR and _GPU_HOUR"


def print_estimate(cli: CliContext, estimate: PlanEstimate, workers: int, price: float | None) -> None:
    """Print an estimate as a table, or as JSON."""
    expected = estimate.cost
    cost = expected.cost(price)
    if cli.as_json:
        trial = {"videos": estimate.trial_videos, "job": estimate.trial_job}
        print_json(
            {
                "videos": estimate.videos,
                "unmeasured_videos": estimate.unmeasured,
                "video_hours": expected.video_hours,
                "clip_hours": expected.kept_hours,
                "worker_hours": expected.worker_hours,
                "wall_hours": expected.wall_hours(workers),
                "bytes": expected.bytes,
                "gpu_hours": expected.gpu_hours,
                "cost": cost,
                "probe": trial,
                "hours_by_stage": expected.hours_by_stage,
            }
        )
        return
    table = Table("expected", "")
    table.add_row("video", f"{_format_hours(expected.video_hours)} in {estimate.videos} files")
    table.add_row("clips that pass the cheap gates", _format_hours(expected.kept_hours))
    table.add_row(f"wall time with {workers} worker(s)", _format_hours(expected.wall_hours(workers)))
    table.add_row("shards", f"{expected.bytes / 1e9:.3f} GB")
    table.add_row("cost", UNKNOWN_COST if cost is None else f"{cost:.2f}")
    for stage, hours in sorted(expected.hours_by_stage.items(), key=lambda item: -item[1]):
        if hours > LISTED_SHARE * expected.worker_hours:
            table.add_row(f"  {stage}", f"{_format_hours(hours)} of workers")
    console = PlainConsole()
    console.print(table)
    console.print(f"from a trial on {estimate.trial_videos} video(s); videos unlike them take another time")
    if estimate.unmeasured:
        console.print(f"not in it: {estimate.unmeasured} upload(s) or https address(es) of unknown size")


def _format_hours(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 2 else f"{hours * 60:.1f} minutes"

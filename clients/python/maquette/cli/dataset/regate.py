"""`maquette dataset regate`: other bounds for a dataset in a folder, or for that of a job."""

from pathlib import Path
from typing import Annotated

import typer

from maquette.cli.context import get_context
from maquette.cli.dataset.server_commands import load_server_function
from maquette.cli.job_ids import complete_job_id
from maquette.cli.job_watch import JobWatch
from maquette.cli.output import finish_job
from maquette.console import PlainConsole
from maquette.contract.datasets import RegateChanges, TrackChange
from maquette.dataset_plan.gate_bounds import read_gate_bounds

# lines of one list
MOST_LINES = 40


def regate(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Folder of a dataset (needs maquette-server), or a job.")],
    gate: Annotated[
        list[str] | None,
        typer.Option("--gate", help="Bound of a gate, as flicker.high=0.2; 'none' is no bound. Repeatable."),
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Plan file whose [gates] are the bounds.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the new version.")] = None,
    publish: Annotated[str | None, typer.Option(help="Bucket that workers also write it to.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="MAQUETTE_DATASET_KEY", help="Key to sign a folder with.")
    ] = None,
) -> None:
    """Decide a finished dataset by other bounds, into a new version; no video is read."""
    bounds = read_gate_bounds(gate or (), plan)
    if not bounds:
        raise typer.BadParameter("give --gate GATE.low=NUMBER or GATE.high=NUMBER, or a --plan")
    if Path(dataset).is_dir():
        if out is None:
            raise typer.BadParameter("give --out: a version is never changed")
        load_server_function("regate")(Path(dataset), out, gate or [], plan, key)
        return
    cli = get_context(context)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = mq.regate(complete_job_id(mq, dataset), bounds, publish=publish)
        result = finish_job(cli, watch.add(job, "dataset"), "dataset", out)
    if result.data.regated is not None and not cli.as_json:
        print_changes(result.data.regated)


def print_changes(changes: RegateChanges) -> None:
    """Print what came and went."""
    console = PlainConsole()

    def show(what: str, tracks: list[TrackChange], verb: str) -> None:
        for item in tracks[:MOST_LINES]:
            gates = ", ".join(item.gates)
            console.print(f"{what}: track {item.track} ({item.label}) of {item.clip}, {verb} {gates}")
        if len(tracks) > MOST_LINES:
            console.print(f"{what}: {len(tracks)} tracks, {MOST_LINES} of them shown")

    show("in", changes.tracks_added, "rejected before by")
    show("out", changes.tracks_removed, "fails")
    for clip, gates in list(changes.clips_removed.items())[:MOST_LINES]:
        console.print(f"out: clip {clip}, fails {', '.join(gates)}")
    show("would be in, but its masks were not kept", changes.tracks_unavailable, "rejected by")
    if changes.clips_unavailable:
        console.print(
            f"would be in, but need a run over their videos: {len(changes.clips_unavailable)} clips"
        )

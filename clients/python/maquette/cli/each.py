"""One job for each of many files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from maquette.cli import options as o
from maquette.cli.printing import finish
from maquette.client import Maquette
from maquette.handles import Job


def each(
    context: typer.Context,
    patterns: list[str],
    start: Callable[[Maquette, Any], Job[Any]],
    out: Path | None,
    *,
    alone: bool = False,
) -> None:
    """Submit a job for each file, then wait for them; `alone` means one job that brings its own medium."""
    state: o.State = context.obj
    if alone and patterns:
        raise typer.BadParameter("--from-job brings its own image")
    found: list[Any] = [None] if alone else o.sources(patterns)
    if not found:
        raise typer.BadParameter("give at least one image, or --from-job")
    with state.client() as mq:
        # all are submitted before the first is waited for, so that workers are never idle
        jobs = [(source, start(mq, source)) for source in found]
        for source, job in jobs:
            name = Path(str(source)).stem if source is not None else job.id
            folder = out / name if out is not None and len(jobs) > 1 else out
            finish(state, job, name, folder)

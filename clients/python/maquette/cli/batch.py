"""One job per input file."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from maquette.cli.context import get_context
from maquette.names import UniqueNames
from maquette.sources.globs import choose_name, expand_globs

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

StartJob: TypeAlias = "Callable[[Maquette, Any], Job[Any]]"


def run_each(
    context: typer.Context, patterns: list[str], start: StartJob, out: Path | None, *, strict: bool
) -> None:
    """Submit a job per input, then wait for all of them and save their results.

    An input that cannot be used, or whose folder holds a result, is left out, with exit status 3;
    `strict` ends the command.
    """
    # rich and the client are loaded once there is something to do
    from maquette.cli.job_watch import JobWatch, choose_folder
    from maquette.cli.output import finish_job
    from maquette.cli.skips import SkipList
    from maquette.errors import Gone, JobCancelled, JobFailed, MaquetteError, OutputExists
    from maquette.result_files import check_no_result, check_writable

    cli = get_context(context)
    inputs = expand_globs(patterns)
    if not inputs:
        raise typer.BadParameter("give at least one input, or --from-job")
    skips, jobs, names = SkipList(cli, len(inputs), strict=strict), [], UniqueNames()
    titles = [names.add(choose_name(medium)) for medium in inputs]
    folders = [choose_folder(out, title, len(inputs)) for title in titles]
    if out is not None:
        check_writable(out)
    with cli.client() as mq, JobWatch(cli) as watch:
        # all are submitted before the first is waited for, so that workers are never idle
        for medium, title, folder in zip(inputs, titles, folders, strict=True):
            try:
                if folder is not None and not cli.overwrite:
                    check_no_result(folder)
                jobs.append((medium, title, folder, watch.add(start(mq, medium), str(medium))))
            except (MaquetteError, OSError) as error:
                skips.refuse(str(medium), error)
        for medium, title, folder, job in jobs:
            try:
                finish_job(cli, job, title, folder)
            except (JobFailed, JobCancelled, Gone, OutputExists) as error:
                skips.refuse(str(medium), error)
    skips.finish()


def run_each_or_continue(
    context: typer.Context,
    patterns: list[str] | None,
    start: StartJob,
    out: Path | None,
    from_job: str | None,
    *,
    strict: bool,
) -> None:
    """Do as `run_each`, or submit one job that continues an earlier one and has no input of its own."""
    if from_job is None:
        run_each(context, patterns or [], start, out, strict=strict)
        return
    if patterns:
        raise typer.BadParameter("--from-job brings its own input: leave the files out")
    from maquette.cli.job_watch import JobWatch
    from maquette.cli.output import check_output, finish_job

    cli = get_context(context)
    if out is not None:
        check_output(cli, out)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = watch.add(start(mq, None), from_job)
        finish_job(cli, job, job.id, out)

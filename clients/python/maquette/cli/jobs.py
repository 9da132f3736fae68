"""`maquette jobs`, `get`, `wait` and `cancel`."""

from itertools import islice
from typing import Annotated

import typer
from rich.table import Column, Table

from maquette.cli import options as o
from maquette.cli.context import get_context, print_json
from maquette.cli.job_ids import complete_job_id
from maquette.cli.job_watch import JobWatch, choose_folder
from maquette.cli.output import finish_job, save_result
from maquette.cli.skips import SkipList
from maquette.console import PlainConsole, styled
from maquette.contract import JobKind, JobState, MakeLink
from maquette.contract.defaults import LINK
from maquette.errors import Gone, JobCancelled, JobFailed, OutputExists
from maquette.plain_text import print_line

JobIdArgument = Annotated[str, typer.Argument(help="Id of the job, or how it starts.")]
JobIdsArgument = Annotated[list[str], typer.Argument(help="Ids of jobs, or how they start.")]


def jobs(
    context: typer.Context,
    kind: Annotated[JobKind | None, typer.Option(help="Only jobs of this kind.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs to list.")] = 20,
) -> None:
    """List your latest jobs."""
    cli = get_context(context)
    with cli.client() as mq:
        latest = list(islice(mq.jobs(kind=kind, state=state), limit))
    if cli.as_json:
        print_json([job.data.model_dump(mode="json", exclude={"result", "request"}) for job in latest])
        return
    # a shortened id is of no use
    table = Table(Column("id", no_wrap=True), "kind", "state", "created", "attempt")
    for job in latest:
        created = job.data.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(job.id, job.kind, job.state, created, str(job.data.attempt))
    PlainConsole().print(table)


def get(
    context: typer.Context, job_id: JobIdArgument, out: o.Out = None, overwrite: o.Overwrite = False
) -> None:
    """Show a job; with --out, wait for it and save its result."""
    cli = get_context(context)
    with cli.client() as mq:
        job = mq.job(complete_job_id(mq, job_id))
        if out is not None:
            save_result(cli, job.wait(progress=not cli.as_json), out)
    if cli.as_json:
        print_json(job.data.model_dump(mode="json"))
        return
    console = PlainConsole()
    console.print(f"{job.id} {job.kind}", styled(job.state, "bold"), f"attempt {job.data.attempt}")
    if job.data.problem is not None:
        console.print(f"{job.data.problem.code}: {job.data.problem.explain()}")
    if job.data.result is not None:
        for artefact in job.data.result.artefacts:
            console.print(f"  {artefact.name}  {artefact.media_type}  {artefact.bytes:,} bytes")
    if out is not None:
        console.print(f"saved in {out}")


def wait(
    context: typer.Context,
    job_ids: JobIdsArgument,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Wait for jobs, and show their results; with --out, save them.

    Of several jobs, those that failed are reported, with exit status 3.
    """
    cli = get_context(context)
    skips = SkipList(cli, len(job_ids))
    with cli.client() as mq, JobWatch(cli) as watch:
        jobs = [mq.job(complete_job_id(mq, job_id)) for job_id in job_ids]
        for job in jobs:
            watch.add(job, job.kind)
        for job in jobs:
            try:
                finish_job(cli, job, job.kind, choose_folder(out, job.id, len(jobs)))
            except (JobFailed, JobCancelled, Gone, OutputExists) as error:
                skips.refuse(job.id, error)
    skips.finish()


def link(
    context: typer.Context,
    job_id: JobIdArgument,
    name: Annotated[list[str] | None, typer.Argument(help="Names of files; all by default.")] = None,
    expires: Annotated[int, o.field_option(MakeLink, "expires_seconds", "--expires")] = LINK.expires_seconds,
) -> None:
    """Print links to files of a job's result, which open without a key."""
    cli = get_context(context)
    with cli.client() as mq:
        result = mq.job(complete_job_id(mq, job_id)).result()
        known = {artefact.name: artefact for artefact in result.artefacts}
        for unknown in [item for item in name or () if item not in known]:
            raise typer.BadParameter(f"the result has no file {unknown!r}: it has {', '.join(known)}")
        links = {item: mq.link(known[item], expires_seconds=expires) for item in name or known}
    if cli.as_json:
        print_json(links)
        return
    for item, address in links.items():
        print_line(f"{item}  {address}")


def cancel(context: typer.Context, job_id: JobIdArgument) -> None:
    """Ask a job to stop."""
    cli = get_context(context)
    with cli.client() as mq:
        job = mq.job(complete_job_id(mq, job_id)).cancel()
    if cli.as_json:
        print_json(job.data.model_dump(mode="json", exclude={"result"}))
    elif job.state == "running":
        print_line(f"{job.id} was asked to stop")
    else:
        print_line(f"{job.id} is {job.state}")

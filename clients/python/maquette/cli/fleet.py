"""Commands about jobs, engines and the embedded server."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from maquette.cli import options as o

Name = Annotated[str, typer.Argument(help="The job's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (jobs, get, cancel, engines, up):
        app.command()(command)


def jobs(context: typer.Context, kind: str | None = None, state: str | None = None, limit: int = 20) -> None:
    """Your latest jobs."""
    here: o.State = context.obj
    with here.client() as mq:
        found = [job for job, _ in zip(mq.jobs(kind=kind, state=state), range(limit), strict=False)]
    if here.as_json:
        o.emit([job.data.model_dump(mode="json", exclude={"result", "request"}) for job in found])
        return
    table = Table("id", "kind", "state", "created", "attempt")
    for job in found:
        created = job.data.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(job.id, job.kind, job.state, created, str(job.data.attempt))
    Console().print(table)


def get(context: typer.Context, job_id: Name, out: o.Out = None) -> None:
    """A job as it is now; with --out its result's files."""
    here: o.State = context.obj
    with here.client() as mq:
        job = mq.job(job_id)
        if out is not None:
            job.wait(progress=not here.as_json).save(out)
        if here.as_json:
            o.emit(job.data.model_dump(mode="json"))
            return
    console = Console()
    console.print(f"{job.id} {job.kind} [bold]{job.state}[/bold], attempt {job.data.attempt}")
    if job.data.problem is not None:
        console.print(f"{job.data.problem.code}: {job.data.problem.detail}")
    if job.data.result is not None:
        for artefact in job.data.result.artefacts:
            console.print(f"  {artefact.name}  {artefact.media_type}  {artefact.bytes:,} bytes")
    if out is not None:
        console.print(f"saved in {out}")


def cancel(context: typer.Context, job_id: Name) -> None:
    """Ask a job to stop."""
    here: o.State = context.obj
    with here.client() as mq:
        job = mq.job(job_id).cancel()
    if here.as_json:
        o.emit(job.data.model_dump(mode="json", exclude={"result"}))
    else:
        typer.echo(f"{job.id} {'is asked to stop' if job.state == 'running' else 'is ' + job.state}")


def engines(context: typer.Context) -> None:
    """Which engines can run here, and why others cannot."""
    here: o.State = context.obj
    with here.client() as mq:
        found = mq.engines()
    if here.as_json:
        o.emit([engine.model_dump(mode="json") for engine in found])
        return
    table = Table("engine", "kind", "runs", "vocabulary", "notes")
    for engine in found:
        words = "open" if engine.vocabulary is None else f"{len(engine.vocabulary)} words"
        notes = engine.why_not or "; ".join(engine.limits)
        table.add_row(
            engine.name,
            engine.kind,
            "yes" if engine.available else "no",
            words if engine.available and engine.kind == "concepts" else "",
            notes,
        )
    Console().print(table)


def up(
    port: Annotated[int, typer.Option(help="Port of the gateway.")] = 8700,
    data: Annotated[Path, typer.Option(help="Folder for the ledger and the artefacts.")] = Path(".maquette"),
    broker: Annotated[str | None, typer.Option(help="A running Redis or Valkey to use.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Workers to start; a dataset uses all of them.")] = 1,
) -> None:
    """Run the embedded stack until Ctrl-C (needs maquette-server)."""
    found = [point for point in entry_points(group="maquette.launchers") if point.name == "embedded"]
    if not found:
        raise typer.BadParameter("the server is not installed here: see the README of the repository")
    found[0].load()(port, data, broker, lambda line: typer.echo(line), workers)

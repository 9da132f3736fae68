"""`maquette delete`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maquette.cli.context import get_context, print_json
from maquette.cli.job_ids import complete_job_id
from maquette.cli.skips import SkipList
from maquette.errors import Conflict, NotFound
from maquette.hashing import sha256
from maquette.plain_text import print_line
from maquette.skipping import SkippedInput

if TYPE_CHECKING:
    from maquette.client import Maquette


def delete(
    context: typer.Context,
    job_ids: Annotated[list[str] | None, typer.Argument(help="Ids of jobs, or how they start.")] = None,
    upload: Annotated[
        list[str] | None, typer.Option(help="Uploads to delete: their hashes, or the files themselves.")
    ] = None,
    with_jobs: Annotated[
        bool, typer.Option("--with-jobs", help="With an upload, delete the jobs that name it as well.")
    ] = False,
    take_down: Annotated[
        bool,
        typer.Option(
            "--take-down",
            help="With an upload, delete the files about it from datasets, as takedown.json lists them.",
        ),
    ] = False,
    artefact: Annotated[
        list[str] | None, typer.Option(help="Hashes of single files of results; their jobs are kept.")
    ] = None,
) -> None:
    """Delete jobs with their results, uploads, and single files of results.

    What something that runs still needs is kept and reported, with exit status 3.
    """
    cli = get_context(context)
    extent = {"with_jobs": with_jobs, "take_down": take_down}
    with cli.client() as mq:
        steps: list[tuple[str, Callable[[], None]]] = [
            *((name, partial(_delete_job, mq, name)) for name in job_ids or ()),
            *((name, partial(_delete_upload, mq, name, **extent)) for name in upload or ()),
            *((name, partial(mq.delete_artefact, name)) for name in artefact or ()),
        ]
        if not steps:
            raise typer.BadParameter("name jobs, or give --upload or --artefact")
        skips = SkipList(cli, len(steps))
        deleted = []
        for name, step in steps:
            try:
                step()
            except (Conflict, NotFound) as error:
                if len(steps) == 1:
                    raise
                skips.add(SkippedInput(name, error.code, error.problem.detail))
                continue
            deleted.append(name)
    if cli.as_json:
        print_json({"deleted": deleted})
    else:
        for name in deleted:
            print_line(f"{name} is deleted")
    skips.finish()


def _delete_job(mq: "Maquette", text: str) -> None:
    mq.delete_job(complete_job_id(mq, text))


def _delete_upload(mq: "Maquette", text: str, **extent: bool) -> None:
    """Delete an upload by its hash, or by the file that was uploaded."""
    file = Path(text)
    mq.delete_upload(sha256(file).hex() if file.is_file() else text, **extent)


def erase(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all your jobs, results, uploads and sessions."""
    cli = get_context(context)
    if not yes:
        typer.confirm("Delete all jobs, results, uploads and sessions of your tenant?", abort=True)
    with cli.client() as mq:
        erased = mq.erase()
    if cli.as_json:
        print_json(erased.model_dump(mode="json"))
    else:
        print_line(f"{erased.jobs} jobs, {erased.uploads} uploads, {erased.sessions} sessions deleted")

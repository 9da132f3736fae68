"""What a command prints of a finished job."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from maquette.cli.context import CliContext, print_json
from maquette.cli.tables import tabulate
from maquette.console import PlainConsole, styled
from maquette.contract import BodiesResult, ObjectsResult, SceneResult
from maquette.errors import OutputExists, OutputNotWritten
from maquette.handles import Job
from maquette.result_files import (
    check_no_result,
    check_nothing_lost,
    check_writable,
    remove_earlier_result,
)
from maquette.results import AnyResult

Res = TypeVar("Res", bound=AnyResult)


def check_output(cli: CliContext, folder: Path) -> None:
    """Raise OutputNotWritten or OutputExists, before a job is submitted, where its files have no place."""
    check_writable(folder)
    if not cli.overwrite:
        check_no_result(folder)


def save_result(cli: CliContext, result: AnyResult, folder: Path) -> None:
    """Save a result's files.

    Raises OutputExists, unless the user wants to replace what is there, and OutputNotWritten.
    """
    if cli.overwrite:
        remove_earlier_result(result.manifest, folder)
    else:
        try:
            check_nothing_lost(result.manifest, folder)
        except OutputExists as error:
            raise OutputExists(
                f"{error}: maquette get {result.job.id} --out ELSEWHERE, or add --overwrite"
            ) from error
    with keeping_result(result.job.id):
        result.save(folder)


@contextmanager
def keeping_result(job_id: str) -> Iterator[None]:
    """Say, where the files of a result cannot be written, how to get them from the service again."""
    try:
        yield
    except OutputNotWritten as error:
        raise OutputNotWritten(
            f"{error}; the service keeps the result: maquette get {job_id} --out ELSEWHERE"
        ) from error


def finish_job(cli: CliContext, job: Job[Res], title: str, folder: Path | None) -> Res:
    """Wait for a job, save its files in the folder if there is one, print its result, and return it."""
    result = job.wait(progress=not cli.as_json)
    if folder is not None:
        save_result(cli, result, folder)
    if cli.as_json:
        manifest = result.manifest.model_dump(mode="json")
        print_json({"job": job.id, "folder": str(folder) if folder else None, **manifest})
        return result
    console = PlainConsole()
    console.print(styled(title, "bold"), f": {job.kind} {job.id}", sep="")
    console.print(tabulate(result.data))
    if isinstance(result.data, ObjectsResult | BodiesResult | SceneResult):
        for item in result.data.failures:
            console.print(f"left out #{item.index} {item.label or ''}: {item.code}: {item.detail}")
    if result.flags:
        console.print("flags:", *result.flags)
    if result.reason:
        console.print(styled(result.reason, "yellow"))
    if folder is not None:
        console.print(f"saved in {folder}")
    return result

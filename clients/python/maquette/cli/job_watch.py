"""Jobs that a command waits for: their ids are printed at once, and which go on when it ends early."""

from pathlib import Path
from typing import Any, Self, TypeVar

import typer

from maquette.cli.context import CliContext
from maquette.console import PlainConsole, styled
from maquette.contract import FINAL_STATES
from maquette.handles import Job

Res = TypeVar("Res", bound=Any)
# what a shell reports for a program that SIGINT ended
INTERRUPTED = 130
# after so many lines a reader is better served by `maquette jobs`
MOST_LINES = 10


class JobWatch:
    """A context in which jobs are submitted and waited for; use it within the client's."""

    def __init__(self, cli: CliContext) -> None:
        self._cli = cli
        self._jobs: list[Job[Any]] = []
        # results are on standard output, all the rest is not
        self._console = PlainConsole(stderr=True)

    def __enter__(self) -> Self:
        return self

    def add(self, job: Job[Res], title: str) -> Job[Res]:
        """Print the id of a job that has been submitted, and return the job."""
        self._jobs.append(job)
        self._console.print(
            styled(title, "bold"), f": {job.kind} {job.id} {job.state}", sep="", soft_wrap=True
        )
        return job

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, typer.Exit):
            return
        unfinished = [job for job in self._jobs if job.state not in FINAL_STATES]
        is_interrupted = isinstance(error, KeyboardInterrupt)
        if is_interrupted and self._cli.cancel_on_interrupt:
            for job in unfinished:
                job.cancel()
                self._console.print(f"{job.id} was asked to stop")
        else:
            for job in unfinished[:MOST_LINES]:
                self._console.print(f"{job.id} goes on: maquette wait {job.id}", soft_wrap=True)
            if len(unfinished) > MOST_LINES:
                self._console.print(f"{len(unfinished) - MOST_LINES} more go on: maquette jobs")
        if is_interrupted:
            raise typer.Exit(INTERRUPTED) from error


def choose_folder(out: Path | None, name: str, jobs: int) -> Path | None:
    """Return the folder for a job's files: one of its own where there are several jobs."""
    return out / name if out is not None and jobs > 1 else out

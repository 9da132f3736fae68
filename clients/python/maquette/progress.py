"""Progress of a job on a terminal."""

from collections.abc import Callable
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from maquette.console import escape_controls
from maquette.contract import FINAL_STATES, Job

ProgressCallback = Callable[[Job], None]


class JobProgressBar:
    """A progress bar for one job; call it with each new state of the job."""

    def __init__(self, title: str | None = None) -> None:
        self._title = title
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[title]}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        self._task = self._bars.add_task("queued", title=title or "job", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, job: Job) -> None:
        """Show the job's state and progress."""
        title = escape_controls(self._title or job.kind)
        if job.state in FINAL_STATES:
            self._bars.update(self._task, title=title, description=job.state, total=1, completed=1)
        elif job.progress is None:
            self._bars.update(self._task, title=title, description=job.state)
        else:
            step = job.progress
            text = escape_controls(" ".join(filter(None, [step.stage, step.message])))
            if step.total:
                text += f" {step.done}/{step.total}"
            self._bars.update(
                self._task, title=title, description=text, total=step.total, completed=step.done
            )


def ignore_progress(_job: Job) -> None:
    """Show nothing."""

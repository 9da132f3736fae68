"""Progress of jobs and uploads: a bar on a terminal, and lines in a file or a pipe."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from maquette.console import PlainConsole
from maquette.contract import FINAL_STATES, Job
from maquette.plain_text import escape_controls

ProgressCallback = Callable[[Job], None]


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How much of a large upload has been sent, in bytes; `name` is the file's, None for bytes."""

    name: str | None
    sent: int
    total: int

    def move(self, sent: int) -> "UploadProgress":
        """Return the progress with so many bytes sent."""
        return replace(self, sent=sent)


UploadCallback = Callable[[UploadProgress], object]
# often enough in a log to see that a job is alive, seldom enough for one that runs all day
LINE_SECONDS = 10.0


class JobProgressBar:
    """A progress bar for one job; call it with each new state of the job."""

    def __init__(self, title: str | None = None, console: PlainConsole | None = None) -> None:
        self._title = title
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[title]}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
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
            self._bars.update(
                self._task,
                title=title,
                description=describe_progress(job),
                total=step.total,
                completed=step.done,
            )


class JobProgressLines:
    """A line on standard error for each new stage of a job, and now and then for its progress within one."""

    def __init__(self, console: PlainConsole | None = None) -> None:
        self._console = console or PlainConsole(stderr=True)
        self._step: tuple[str, str | None] | None = None
        self._text = ""
        self._printed_at = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to close."""

    def __call__(self, job: Job) -> None:
        """Print a new stage or the end of the job at once, and anything else every 10 s at most."""
        step, text = (job.state, job.progress.stage if job.progress else None), describe_progress(job)
        is_due = text != self._text and monotonic() - self._printed_at >= LINE_SECONDS
        is_news = step != self._step and (job.progress is not None or job.state in FINAL_STATES)
        if not is_news and not is_due:
            return
        self._step, self._text, self._printed_at = step, text, monotonic()
        self._console.print(f"{datetime.now():%H:%M:%S} {job.kind} {job.id}: {text}")


class UploadBar:
    """Shows large uploads, one after the other: a bar on a terminal, else lines on standard error."""

    def __init__(self, console: PlainConsole | None = None) -> None:
        self._console = console or PlainConsole(stderr=True)
        self._bars: Progress | None = None
        self._printed_at: float | None = None

    def __call__(self, upload: UploadProgress) -> None:
        """Show how much has been sent; the last call for an upload ends its bar."""
        if self._console.is_terminal or self._console.is_jupyter:
            self._draw(upload)
        elif self._printed_at is None or upload.sent == upload.total or self._is_due():
            self._printed_at = monotonic()
            self._console.print(f"{datetime.now():%H:%M:%S} {self._describe(upload)}")
            if upload.sent == upload.total:
                self._printed_at = None

    def close(self) -> None:
        """End the bar of an upload that was interrupted."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._console.print("what was sent is kept for now: the same command goes on from there")

    def _draw(self, upload: UploadProgress) -> None:
        if self._bars is None:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=28))
            self._bars = Progress(*columns, DownloadColumn(), TransferSpeedColumn(), console=self._console)
            self._bars.add_task(escape_controls(f"uploading {upload.name or 'data'}"), total=upload.total)
            self._bars.start()
        self._bars.update(self._bars.task_ids[0], completed=upload.sent)
        if upload.sent == upload.total:
            self._bars.stop()
            self._bars = None

    def _is_due(self) -> bool:
        return self._printed_at is not None and monotonic() - self._printed_at >= LINE_SECONDS

    @staticmethod
    def _describe(upload: UploadProgress) -> str:
        share = f"{upload.sent / upload.total:.0%} of {upload.total:,} bytes"
        return f"uploading {escape_controls(upload.name or 'data')}: {share}"


def show_progress() -> JobProgressBar | JobProgressLines:
    """Return a bar where it can be drawn, on a terminal or in a notebook; else lines on standard error."""
    console = PlainConsole(stderr=True)
    if console.is_terminal or console.is_jupyter:
        return JobProgressBar(console=console)
    return JobProgressLines(console)


def describe_progress(job: Job) -> str:
    """Return a job's stage, message and count; its state where there is no progress."""
    step = job.progress
    if job.state in FINAL_STATES or step is None:
        return job.state
    text = escape_controls(" ".join(filter(None, [step.stage, step.message])))
    return f"{text} {step.done}/{step.total}" if step.total else text


def ignore_progress(_job: Job) -> None:
    """Show nothing."""

"""Kills parts of an embedded stack, and waits for what must happen then."""

import os
import signal
import time
from collections.abc import Callable

import psutil
from maquette import Maquette, MaquetteError
from maquette.handles import AnyJob

from service.embedded import Stack


def wait_until(stack: Stack, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Tend the stack until a condition holds; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"this has not happened within {seconds} s"
        stack.restart_dead()
        time.sleep(0.05)


def is_past_frame(job: AnyJob, frame: int) -> Callable[[], bool]:
    """A condition: the job has tracked so many frames."""

    def reached() -> bool:
        step = job.refresh().data.progress
        return step is not None and step.stage == "track" and step.done >= frame

    return reached


def wait_for_success(stack: Stack, *jobs: AnyJob) -> None:
    wait_until(stack, lambda: all(job.refresh().state == "succeeded" for job in jobs), 120)


def succeeded_once(job: AnyJob) -> bool:
    return [event.data.get("state") for event in job.events()].count("succeeded") == 1


def kill(stack: Stack, name: str, number: int = signal.SIGKILL, *, group: bool = False) -> None:
    """Send a signal to a process of the stack, or to its whole group, and wait until it has ended."""
    process = stack.process(name).process
    assert process is not None
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(30)


def pool_child(stack: Stack) -> psutil.Process:
    """The process that runs jobs: the largest child of the Celery parent."""
    worker = stack.process("worker").process
    assert worker is not None
    children = psutil.Process(worker.pid).children()
    return max(children, key=lambda child: child.memory_info().rss)


def read_masks(job: AnyJob) -> dict[str, str]:
    """The hashes of a job's masks by their names, once it has succeeded."""
    result = job.wait(timeout=120)
    return {item.name: item.sha256 for item in result.artefacts if item.role == "masks"}


def resumed_frames(job: AnyJob, reason: str = "worker_lost") -> list[int]:
    """The frames that a track job has reported since it was lost."""
    events = list(job.events())
    lost = next(index for index, event in enumerate(events) if event.data.get("reason") == reason)
    return [
        event.data["done"]
        for event in events[lost:]
        if event.type == "progress" and event.data["stage"] == "track"
    ]


def answers(client: Maquette) -> bool:
    """Whether the gateway answers."""
    try:
        return bool(client.engines())
    except MaquetteError:
        return False


def read_state(job: AnyJob) -> str | None:
    """The state of a job, or None while the gateway does not answer."""
    try:
        return job.refresh().state
    except MaquetteError:
        return None

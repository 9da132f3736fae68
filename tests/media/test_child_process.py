"""How the sandbox's children start and end."""

import os
import resource
import time
from pathlib import Path

import psutil
import pytest

from media import child_process
from media.sandbox import Sandbox
from tests.support.media_files import write_video

RESTARTS = 20


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "a.mp4", frames=5)


def find_server(sandbox: Sandbox) -> psutil.Process:
    assert sandbox._child is not None
    parent = psutil.Process(sandbox._child.pid).parent()
    assert parent is not None and "media.process_server" in parent.cmdline()
    return parent


def test_children_share_a_server_and_nothing_else(video: Path) -> None:
    with Sandbox() as one, Sandbox() as two:
        assert one.probe(video)["frames"] == two.probe(video)["frames"] == 5
        assert find_server(one).pid == find_server(two).pid
        assert one._child is not None and two._child is not None
        assert one._child.pid != two._child.pid
        one.close()
        assert two._child.is_alive() and two.probe(video)["frames"] == 5


def test_a_killed_server_is_replaced_and_its_children_go_on(video: Path) -> None:
    with Sandbox() as sandbox, Sandbox() as later:
        sandbox.probe(video)
        server = find_server(sandbox)
        server.kill()
        server.wait(10)
        assert sandbox.probe(video)["frames"] == 5
        assert later.probe(video)["frames"] == 5
        assert find_server(later).pid != server.pid


def test_no_descriptor_is_left_by_children_that_ended(video: Path) -> None:
    def count() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    with Sandbox() as sandbox:
        sandbox.probe(video)
        before = count()
        for _ in range(RESTARTS):
            sandbox._stop()
            sandbox.probe(video)
        # threads of earlier tests may open or close a few meanwhile; a leak would add one or more per child
        assert count() - before < RESTARTS


def test_descriptors_beyond_1024_are_read(video: Path) -> None:
    """A gateway with a thousand open streams has such."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Sandbox() as sandbox:
            assert sandbox.probe(video)["frames"] == 5
            assert sandbox._child is not None and sandbox._child.from_child >= 1024
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_forked_process_has_a_find_server_its_own(video: Path) -> None:
    """As in the processes of a Celery worker, whose parent may have decoded something before."""
    with Sandbox() as sandbox:
        sandbox.probe(video)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with Sandbox() as own:
                    status = (
                        0
                        if own.probe(video)["frames"] == 5 and find_server(own) != find_server(sandbox)
                        else 2
                    )
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert sandbox.probe(video)["frames"] == 5


def test_without_descriptors_of_processes_children_are_spawned(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with Sandbox() as sandbox:
        assert sandbox.probe(video)["frames"] == 5
        assert isinstance(sandbox._child, child_process.SpawnedChild)


@pytest.mark.slow
def test_a_server_ends_with_its_children_s_user(video: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with Sandbox() as sandbox:
            sandbox.probe(video)
            video.with_suffix(".pids").write_text(f"{find_server(sandbox).pid} {sandbox._child.pid}")  # type: ignore[union-attr]
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    left = [int(word) for word in video.with_suffix(".pids").read_text().split()]
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(number) for number in left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(psutil.pid_exists(number) for number in left)

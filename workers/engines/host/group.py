"""A child process that leads a process group: its stderr is logged, and the group is killed as a whole."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)
# How much of stderr is kept for error messages, and the longest line that is logged.
TAIL_LINES, LINE_BYTES = 40, 2000
POLL_SECONDS = 0.01


class ChildGroup:
    """A running child; `stdin` and `stdout` are the file descriptors of its pipes."""

    def __init__(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the child; raises OSError when the program cannot be run."""
        self._name = name
        self._popen = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self.pid = self._popen.pid
        self.stdin, self.stdout = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._lock = threading.Lock()
        self._reaped = False
        self._reader = threading.Thread(target=self._read_stderr, name=f"{name}-stderr", daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        """Whether the child is running; an ended one is not reaped, to keep its group id reserved."""
        return not self._reaped and _ended(self.pid) is False

    def kill(self) -> None:
        """Kill the child and its group; can be called from any thread."""
        with self._lock:
            if not self._reaped:
                # While the leader is not reaped, its group id cannot be reused.
                os.killpg(self.pid, signal.SIGKILL)

    def stop(self, grace: float) -> None:
        """Close its stdin, give it `grace` seconds to end, then kill and reap its group."""
        if self._reaped:
            return
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._popen.stdin.close()
        deadline = time.monotonic() + grace
        while not _ended(self.pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        self.kill()
        with self._lock:
            self._popen.wait()
            self._reaped = True
        self._popen.stdout.close()
        self._reader.join(timeout=1)

    def tail(self) -> str:
        """The last lines of its stderr; complete after `stop`."""
        return "\n".join(self._tail)

    def _read_stderr(self) -> None:
        assert self._popen.stderr is not None
        with self._popen.stderr as stream:
            while line := stream.readline(LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                self._tail.append(text)
                log.info("%s[%d] %s", self._name, self.pid, text)


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

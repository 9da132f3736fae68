"""A plain HTTP client of the gateway and of the bare application."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

from service.embedded import HOST

Job = dict[str, Any]


class Client:
    """One connection that is kept open, so that the client's own cost stays out of the figures."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=120)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def post(self, path: str, body: bytes, **headers: str) -> Job:
        """Post bytes and read the JSON answer; raises RuntimeError for a problem."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = self._send(path, body, named)
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            # servers close a connection that was idle for some seconds
            self._connection.close()
            answer = self._send(path, body, named)
        read = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {read.decode(errors='replace')}")
        parsed: Job = json.loads(read)
        return parsed

    def _send(self, path: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._connection.request("POST", path, body, {**self._headers, **headers})
        return self._connection.getresponse()

    def upload(self, data: bytes) -> str:
        """Upload a medium and return its id."""
        return str(self.post("/v1/uploads", data, Content_Type="application/octet-stream")["id"])

    def finished(self, request: Job) -> Job:
        """Submit a job and wait for its end."""
        job = self.post("/v1/jobs", as_json(request), Content_Type="application/json", Prefer="wait=60")
        if job["state"] != "succeeded":
            raise RuntimeError(f"job {job['id']} is {job['state']}: {job.get('problem')}")
        return job


def as_json(data: Job) -> bytes:
    return json.dumps(data).encode()


def wait_until(call: Callable[[], object], seconds: float = 20.0) -> None:
    """Repeat a call until it raises no OSError; raises the last one after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            call()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)

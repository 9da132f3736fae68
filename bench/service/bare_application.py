"""The yardstick of `service.overhead`: a bare FastAPI application, in a process of its own."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from fastapi import FastAPI, Request

from bench.service.client import Client, wait_until
from service.embedded import HOST, free_port
from tests.support.paths import REPOSITORY

SINK = "BENCH_SINK"


def create_app() -> FastAPI:
    """An echo of JSON, and a raw body that is hashed and written to the file that BENCH_SINK names."""
    app = FastAPI()
    sink = Path(os.environ[SINK])

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, str]:
        digest = hashlib.sha256()
        with sink.open("wb") as out:
            async for chunk in request.stream():
                digest.update(chunk)
                out.write(chunk)
        return {"sha256": digest.hexdigest()}

    return app


@contextmanager
def bare_application(folder: Path) -> Iterator[tuple[psutil.Process, Client]]:
    """The application under uvicorn, started as the gateway is."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", "--factory", f"{__name__}:create_app", "--host", HOST),
        *("--port", str(port), "--log-level", "warning", "--no-access-log"),
    ]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, SINK: str(folder / "sink")})
    try:
        wait_until(lambda: Client(port).post("/echo", b"{}", Content_Type="application/json"))
        yield psutil.Process(process.pid), Client(port)
    finally:
        process.terminate()
        process.wait(10)

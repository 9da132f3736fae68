"""Drivers carry operations out over httpx: one blocks, one awaits. Both retry what is safe to repeat."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import httpx

from maquette.calls import PIECE, Call, Operation, Pause
from maquette.errors import ConnectionFailed

T = TypeVar("T")
RETRY_STATUS = frozenset({429, 502, 503, 504})
TIMEOUT = httpx.Timeout(60.0, connect=5.0)


def backoff(attempt: int, response: httpx.Response | None) -> float:
    """Seconds before the next try: what the service asks for, else doubling with jitter."""
    asked = response.headers.get("Retry-After", "") if response is not None else ""
    if asked.isdigit():
        return min(30.0, float(asked))
    return float(min(8.0, 0.2 * 2**attempt) * (0.5 + random.random() / 2))


def headers_of(call: Call) -> dict[str, str]:
    """The call's headers; a file's length is told, so that it is not sent in chunks."""
    if isinstance(call.content, Path):
        return {**call.headers, "Content-Length": str(call.content.stat().st_size)}
    return call.headers


class SyncDriver:
    """Carries operations out and blocks meanwhile."""

    def __init__(self, client: httpx.Client, retries: int) -> None:
        self.client = client
        self._retries = retries

    def run(self, operation: Operation[T]) -> T:
        """Carry one operation out."""
        answer: httpx.Response | None = None
        try:
            while True:
                wish = operation.send(answer)
                answer = None
                if isinstance(wish, Pause):
                    time.sleep(wish.seconds)
                else:
                    answer = self._call(wish)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _call(self, call: Call) -> httpx.Response:
        for attempt in range(self._retries + 1):
            try:
                response = self._send(call)
            except httpx.TransportError as error:
                if attempt == self._retries:
                    raise ConnectionFailed(f"{self.client.base_url} cannot be reached: {error}") from error
                time.sleep(backoff(attempt, None))
                continue
            if response.status_code not in RETRY_STATUS or attempt == self._retries:
                return response
            time.sleep(backoff(attempt, response))
        raise AssertionError("unreachable")

    def _send(self, call: Call) -> httpx.Response:
        content = _pieces(call.content) if isinstance(call.content, Path) else call.content
        request = self.client.build_request(
            call.method, call.path, headers=headers_of(call), params=call.params, content=content
        )
        if call.save_to is None:
            return self.client.send(request)
        response = self.client.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
                return response
            call.save_to.parent.mkdir(parents=True, exist_ok=True)
            with call.save_to.open("wb") as out:
                for piece in response.iter_bytes(PIECE):
                    out.write(piece)
            return response
        finally:
            response.close()


class AsyncDriver:
    """Carries operations out and lets others run meanwhile."""

    def __init__(self, client: httpx.AsyncClient, retries: int) -> None:
        self.client = client
        self._retries = retries

    async def run(self, operation: Operation[T]) -> T:
        """Carry one operation out."""
        answer: httpx.Response | None = None
        try:
            while True:
                wish = operation.send(answer)
                answer = None
                if isinstance(wish, Pause):
                    await asyncio.sleep(wish.seconds)
                else:
                    answer = await self._call(wish)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _call(self, call: Call) -> httpx.Response:
        for attempt in range(self._retries + 1):
            try:
                response = await self._send(call)
            except httpx.TransportError as error:
                if attempt == self._retries:
                    raise ConnectionFailed(f"{self.client.base_url} cannot be reached: {error}") from error
                await asyncio.sleep(backoff(attempt, None))
                continue
            if response.status_code not in RETRY_STATUS or attempt == self._retries:
                return response
            await asyncio.sleep(backoff(attempt, response))
        raise AssertionError("unreachable")

    async def _send(self, call: Call) -> httpx.Response:
        content = _async_pieces(call.content) if isinstance(call.content, Path) else call.content
        request = self.client.build_request(
            call.method, call.path, headers=headers_of(call), params=call.params, content=content
        )
        if call.save_to is None:
            return await self.client.send(request)
        response = await self.client.send(request, stream=True)
        try:
            if not response.is_success:
                await response.aread()
                return response
            call.save_to.parent.mkdir(parents=True, exist_ok=True)
            with call.save_to.open("wb") as out:
                async for piece in response.aiter_bytes(PIECE):
                    out.write(piece)
            return response
        finally:
            await response.aclose()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


async def _async_pieces(path: Path) -> AsyncIterator[bytes]:
    for piece in _pieces(path):
        yield piece

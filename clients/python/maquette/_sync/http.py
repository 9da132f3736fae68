# Generated from maquette/_async/http.py by scripts/generate_sync.py: do not edit.
"""HTTP with retries: the only module of the client that touches the network."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from maquette.errors import ConnectionFailed, parse_error
from maquette.http import (
    CHUNK_BYTES,
    FIRST_BACKOFF_SECONDS,
    LIMITED,
    LONGEST_LIMIT_SECONDS,
    RETRY_STATUS,
    TIMEOUT,
    HttpRequest,
    Slice,
    backoff_seconds,
    to_slice,
)
from maquette.progress import UploadCallback
from maquette.settings import ClientSettings

STREAM_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class HttpClient:
    """An httpx client that repeats failed requests and raises the errors of `maquette.errors`.

    Most requests may be repeated: uploads are addressed by content, and jobs carry an idempotency key.
    `on_upload` is called while large files are sent.
    """

    def __init__(
        self,
        settings: ClientSettings,
        retries: int,
        transport: httpx.BaseTransport | None,
        on_upload: UploadCallback | None = None,
    ) -> None:
        self._client = httpx.Client(
            base_url=settings.url, headers=settings.headers(), timeout=TIMEOUT, transport=transport
        )
        self.url = settings.url
        self.retries = retries
        self.on_upload = on_upload
        self.join_running = settings.join_running

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, request: HttpRequest) -> httpx.Response:
        """Send a request, repeatedly if it fails; raises ApiError or ConnectionFailed.

        What a limit of the tenant refuses (429) waits as long as the service says, LONGEST_LIMIT_SECONDS in
        all, unless there are to be no retries.
        """
        retries = self.retries if request.repeatable else 0
        attempt, limited, waited = 0, 0, 0.0
        while True:
            try:
                response = self._send_once(request)
            except httpx.TransportError as error:
                if attempt == retries:
                    raise ConnectionFailed(f"{self._client.base_url} cannot be reached: {error}") from error
                time.sleep(backoff_seconds(attempt, None))
                attempt += 1
                continue
            if response.status_code == LIMITED and self.retries and waited < LONGEST_LIMIT_SECONDS:
                pause = backoff_seconds(limited, response)
                limited, waited = limited + 1, waited + max(pause, FIRST_BACKOFF_SECONDS)
                time.sleep(pause)
                continue
            if response.status_code not in RETRY_STATUS or attempt == retries:
                break
            time.sleep(backoff_seconds(attempt, response))
            attempt += 1
        if not request.accepts(response):
            raise parse_error(response)
        return response

    def stream_lines(self, path: str, headers: dict[str, str]) -> Iterator[str]:
        """Yield the lines of a response as they arrive; raises ApiError."""
        with self._client.stream("GET", path, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                response.read()
                raise parse_error(response)
            yield from response.iter_lines()

    def _send_once(self, request: HttpRequest) -> httpx.Response:
        content = request.content
        message = self._client.build_request(
            request.method,
            request.path,
            headers=request.all_headers(),
            params=request.params,
            content=content if isinstance(content, bytes | None) else _read_chunks(content, request.on_sent),
        )
        if request.save_to is None:
            return self._client.send(message)
        response = self._client.send(message, stream=True)
        try:
            if not response.is_success:
                response.read()
                return response
            request.save_to.parent.mkdir(parents=True, exist_ok=True)
            with request.save_to.open("wb") as out:
                for chunk in response.iter_bytes(CHUNK_BYTES):
                    out.write(chunk)
            return response
        finally:
            response.close()


def _read_chunks(content: Path | Slice, on_sent: Callable[[int], object] | None) -> Iterator[bytes]:
    for chunk in to_slice(content).read_chunks():
        yield chunk
        if on_sent is not None:
            on_sent(len(chunk))

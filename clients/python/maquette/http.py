"""What the blocking and the asynchronous HTTP clients share."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

# the service is overloaded or restarting; a later attempt may succeed
RETRY_STATUS = frozenset({502, 503, 504})
# the tenant has sent or queued enough for now
LIMITED = 429
# longest wait for a limit, in all: a queue moves on within minutes. Chosen, not measured
LONGEST_LIMIT_SECONDS = 600.0
# answers to `Prefer: wait` take longer than most; chosen, not measured
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
CHUNK_BYTES = 1 << 20
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 8.0
LONGEST_RETRY_AFTER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Slice:
    """The bytes of a file, or of bytes, from `start` up to `stop`."""

    source: bytes | Path
    start: int
    stop: int

    def read_chunks(self) -> Iterator[bytes]:
        """Read pieces of CHUNK_BYTES at most."""
        if isinstance(self.source, bytes):
            for start in range(self.start, self.stop, CHUNK_BYTES):
                yield self.source[start : min(start + CHUNK_BYTES, self.stop)]
            return
        with self.source.open("rb") as file:
            file.seek(self.start)
            left = self.stop - self.start
            while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk


def to_slice(content: Path | Slice) -> Slice:
    """Return a file as the slice that is all of it."""
    return Slice(content, 0, content.stat().st_size) if isinstance(content, Path) else content


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request of the API.

    `content` may be a file or a slice, of which `on_sent` is called with the bytes of each piece that is
    sent; `save_to` streams the body of a successful answer to a file, and `accept` lists statuses besides 2xx
    that are not errors. One that is not `repeatable` is sent once, however it fails.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    content: bytes | Path | Slice | None = None
    save_to: Path | None = None
    accept: tuple[int, ...] = ()
    repeatable: bool = True
    on_sent: Callable[[int], object] | None = None

    def all_headers(self) -> dict[str, str]:
        """Return the headers, with the length of what is streamed so that it is not sent in chunks."""
        if isinstance(self.content, bytes | None):
            return self.headers
        streamed = to_slice(self.content)
        return {**self.headers, "Content-Length": str(streamed.stop - streamed.start)}

    def accepts(self, response: httpx.Response) -> bool:
        """Whether the answer is not an error."""
        return response.is_success or response.status_code in self.accept


def backoff_seconds(attempt: int, response: httpx.Response | None) -> float:
    """Return the pause before the next attempt: the service's Retry-After, else doubling with jitter."""
    retry_after = response.headers.get("Retry-After", "") if response is not None else ""
    if retry_after.isdigit():
        return min(LONGEST_RETRY_AFTER_SECONDS, float(retry_after))
    longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**attempt)
    return float(longest * (0.5 + random.random() / 2))

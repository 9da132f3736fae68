"""The gateway's HTTP server: uvicorn, with bounds on headers and on connections that send nothing."""

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.logs import build_log_config
from service.settings import ServiceSettings

MAX_HEADER_BYTES = 64 << 10
HEADER_SECONDS = 20.0
# a client that sends its body before it reads, as most do, is given this much of both to get to the answer
MAX_DISCARDED_BYTES = 512 << 20
LINGER_SECONDS = 30.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class _LingeringTransport:
    """A transport that its protocol closes once the body of the request has been discarded.

    Closed at once, the connection would be reset, and the client would lose the answer (RFC 9112, 9.6).
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write, self.is_closing, self.close = transport.write, transport.is_closing, close


class BoundedHttpProtocol(HttpToolsProtocol):
    """Ends a connection whose headers grow past 64 KB or are not complete after 20 s.

    The clock starts with the connection, and again with the first byte of each further request; in between
    uvicorn's keep-alive timeout holds. A body that goes on after its answer is discarded, for 30 s and up to
    512 MB, for the client to read the answer.
    """

    _header_bytes = 0
    _discarded_bytes = 0
    _reads_headers = True
    _lingers = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reads_headers:
            self._header_bytes += len(data)
            if self._timer is None:
                self._start_clock()
        elif self.cycle is not None and self.cycle.response_complete:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > MAX_DISCARDED_BYTES:
                self.transport.close()
                return
        super().data_received(data)
        if self._reads_headers and self._header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._reads_headers, self._header_bytes, self._discarded_bytes = False, 0, 0
        self._stop_clock()
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _LingeringTransport(self.transport, self._close)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        self._reads_headers = True
        super().on_message_complete()
        if self._lingers:
            self.transport.close()

    def _close(self) -> None:
        """Close the connection, after the rest of the request's body if there is one."""
        if self._reads_headers or self.transport.is_closing():
            self.transport.close()
            return
        self._lingers = True
        self._start_clock(LINGER_SECONDS)
        self.flow.resume_reading()

    def _start_clock(self, seconds: float | None = None) -> None:
        self._stop_clock()
        seconds = HEADER_SECONDS if seconds is None else seconds
        self._timer = asyncio.get_running_loop().call_later(seconds, self.transport.close)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def main() -> None:
    """Serve the gateway until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--proxy-headers", action="store_true", help="trust X-Forwarded-* of the proxy")
    parser.add_argument("--graceful-seconds", type=int, default=3, help="how long open requests may go on")
    options = parser.parse_args()
    serve(**vars(options))


def serve(*, host: str, port: int, log_level: str, proxy_headers: bool, graceful_seconds: int) -> None:
    """Run uvicorn with the bounds of this module."""
    configuration: dict[str, Any] = {
        "factory": True,
        "http": BoundedHttpProtocol,
        "ws": "none",
        # requests are logged by the application, which knows their tenant
        "access_log": False,
        "log_config": build_log_config(as_json=ServiceSettings().log_format == "json", level=log_level),
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": graceful_seconds,
    }
    uvicorn.run(
        "service.app:create_app",
        host=host,
        port=port,
        log_level=log_level,
        proxy_headers=proxy_headers,
        **configuration,
    )


if __name__ == "__main__":
    main()

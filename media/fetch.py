"""Fetches a medium by https: its host is resolved once, and only a public address is connected to."""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urljoin

from media.addresses import check_url, require_public
from media.errors import MediaError

CHUNK = 1 << 20
REDIRECTS = 5
CONNECT_SECONDS = 10.0
TOO_SLOW = "the address sends too slowly"


def fetch(
    url: str, limit: int, seconds: float, resolve: Callable[[str], list[str]] | None = None
) -> Iterator[bytes]:
    """Stream the body of `url`, at most `limit` bytes, all of it within `seconds`; raises MediaError.

    Every redirect is checked like the first address. The deadline holds for headers too, however slowly they
    arrive.
    """
    deadline = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        parts = check_url(url)
        assert parts.hostname is not None
        address = _pin(parts.hostname, resolve or _resolve)
        timeout = max(0.001, min(CONNECT_SECONDS, deadline - time.monotonic()))
        connection = _PinnedConnection(parts.hostname, parts.port or 443, address, timeout=timeout)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.connect()
            with _cut_at(deadline, connection.sock):
                connection.request(
                    "GET", path, headers={"User-Agent": "maquette", "Accept": "image/*,video/*"}
                )
                response = connection.getresponse()
                if response.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, response.headers.get("Location", ""))
                    continue
                if response.status != 200:
                    raise MediaError("url_failed", f"the address answered {response.status}")
                yield from _read_body(response, limit, deadline)
                return
        except (OSError, ValueError, http.client.HTTPException) as error:
            late = time.monotonic() >= deadline
            detail = TOO_SLOW if late else f"the address cannot be fetched: {error}"
            raise MediaError("url_failed", detail) from error
        finally:
            connection.close()
    raise MediaError("url_failed", f"more than {REDIRECTS} redirects")


@contextmanager
def _cut_at(deadline: float, sock: socket.socket) -> Iterator[None]:
    """End a connection at the deadline: a server that sends byte by byte resets the time-out of each read."""

    def cut() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read_body(response: http.client.HTTPResponse, limit: int, deadline: float) -> Iterator[bytes]:
    total = 0
    while chunk := response.read1(CHUNK):
        total += len(chunk)
        if total > limit:
            raise MediaError("upload_too_large", f"the file is larger than {limit:,} bytes", 413)
        yield chunk
    if time.monotonic() >= deadline:
        raise MediaError("url_failed", TOO_SLOW)
    if response.length:
        raise MediaError("url_failed", "the address stopped sending before the end")


def _resolve(host: str) -> list[str]:
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise MediaError("url_failed", f"the host {host} is not known") from error


def _pin(host: str, resolve: Callable[[str], list[str]]) -> str:
    """The address to connect to; all addresses of the host have to be public."""
    addresses = [ipaddress.ip_address(address.split("%")[0]) for address in resolve(host)]
    if not addresses:
        raise MediaError("url_failed", f"the host {host} is not known")
    require_public(host, addresses)
    return str(addresses[0])


class _PinnedConnection(http.client.HTTPSConnection):
    """TLS to a known address, with the certificate checked against the host's name."""

    def __init__(self, host: str, port: int, address: str, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())
        self._address = address
        self._tls = ssl.create_default_context()

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)

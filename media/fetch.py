"""Fetch a medium by https: the address is resolved once, must be global, and is the one connected to."""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

from media.errors import MediaError

CHUNK = 1 << 20
REDIRECTS = 5


def check_url(url: str) -> None:
    """Refuse what can be refused without a look-up: other schemes, user info, literal private addresses."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise MediaError("url_not_allowed", "only https addresses are fetched; or upload the file instead")
    if parts.username or parts.password:
        raise MediaError("url_not_allowed", "an address with a user or password in it is not fetched")
    try:
        addresses = [ipaddress.ip_address(parts.hostname)]
    except ValueError:
        if parts.hostname == "localhost" or parts.hostname.endswith((".localhost", ".local", ".internal")):
            raise _private(parts.hostname) from None
        return
    _require_global(parts.hostname, addresses)


def fetch(
    url: str, limit: int, seconds: float, resolve: Callable[[str], list[str]] | None = None
) -> Iterator[bytes]:
    """Stream the body of `url`, at most `limit` bytes in at most `seconds`; raises MediaError."""
    deadline = time.monotonic() + seconds
    for _ in range(REDIRECTS + 1):
        check_url(url)
        parts = urlsplit(url)
        assert parts.hostname is not None
        address = _pinned(parts.hostname, resolve or _resolve)
        connection = _PinnedConnection(parts.hostname, parts.port or 443, address, timeout=10)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"User-Agent": "maquette", "Accept": "image/*,video/*"})
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            if response.status != 200:
                raise MediaError("url_failed", f"the address answered {response.status}")
            yield from _body(response, limit, deadline)
            return
        except (OSError, http.client.HTTPException) as error:
            raise MediaError("url_failed", f"the address cannot be fetched: {error}") from error
        finally:
            connection.close()
    raise MediaError("url_failed", f"more than {REDIRECTS} redirects")


def _body(response: http.client.HTTPResponse, limit: int, deadline: float) -> Iterator[bytes]:
    total = 0
    while chunk := response.read(CHUNK):
        total += len(chunk)
        if total > limit:
            raise MediaError("upload_too_large", f"the file is larger than {limit:,} bytes", 413)
        if time.monotonic() > deadline:
            raise MediaError("url_failed", "the address sends too slowly")
        yield chunk


def _resolve(host: str) -> list[str]:
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise MediaError("url_failed", f"the host {host} is not known") from error


def _pinned(host: str, resolve: Callable[[str], list[str]]) -> str:
    addresses = [ipaddress.ip_address(address.split("%")[0]) for address in resolve(host)]
    if not addresses:
        raise MediaError("url_failed", f"the host {host} is not known")
    _require_global(host, addresses)
    return str(addresses[0])


def _require_global(host: str, addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    for address in addresses:
        plain = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
        if not plain.is_global or plain.is_multicast:
            raise _private(host)


def _private(host: str) -> MediaError:
    return MediaError(
        "url_not_allowed", f"{host} is not a public address; upload the file with POST /v1/uploads instead"
    )


class _PinnedConnection(http.client.HTTPSConnection):
    """TLS to a known address, with the certificate checked against the host's name."""

    def __init__(self, host: str, port: int, address: str, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())
        self._address = address
        self._tls = ssl.create_default_context()

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host)

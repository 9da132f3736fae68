"""Addresses of a request never reach the inside of the network."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from media.addresses import check_url, is_public
from media.errors import MediaError
from media.fetch import fetch

INSIDE = [
    "https://127.0.0.1/a.png",
    "https://localhost/a.png",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://10.1.2.3/a.png",
    "https://169.254.169.254/latest/meta-data",
    "https://192.168.0.1/a.png",
    "https://metadata.google.internal/x",
    "https://0.0.0.0/a.png",
    "https://[fd00::1]/a.png",
    "https://224.0.0.1/a.png",
]


@pytest.mark.parametrize(
    "url", [*INSIDE, "http://example.com/a.png", "file:///etc/passwd", "https://u:p@example.com/"]
)
def test_private_addresses_are_refused_without_a_dns_lookup(url: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_url(url)
    assert caught.value.code == "url_not_allowed"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.5", "::1", "::ffff:10.0.0.5", "100.64.0.1", "fe80::1"]
)
def test_a_public_name_with_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(MediaError) as caught:
        next(fetch("https://example.com/a.png", 1000, 1, resolve=lambda _: ["93.184.216.34", address]))
    assert caught.value.code == "url_not_allowed"


def test_public_names_pass_the_check() -> None:
    check_url("https://example.com/a.png")


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
        "64:ff9b:1::7f00:1",  # local-use NAT64
        "::127.0.0.1",  # IPv4-compatible
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2001:0:7f00:1::",  # Teredo
        "fec0::1",  # site-local
        "192.88.99.1",  # 6to4 relay anycast
        "198.18.0.1",  # benchmarking
        "240.0.0.1",
        "255.255.255.255",
        "ff02::1",
    ],
)
def test_only_public_unicast_addresses_are_connected_to(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(MediaError) as caught:
        check_url(f"https://{literal}/a.png")
    assert caught.value.code == "url_not_allowed"


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_public_addresses_may_be_connected_to(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("url", ["https://[::1", "https://example.com:99999/", "https://example.com:port/"])
def test_malformed_addresses_are_refused(url: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_url(url)
    assert caught.value.code == "url_not_allowed"


def test_a_host_that_dns_cannot_hold_is_not_known() -> None:
    with pytest.raises(MediaError) as caught:
        next(fetch(f"https://{'a' * 64}.com/x", 1000, 1))
    assert caught.value.code == "url_failed"


Sender = Callable[[socket.socket], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Sender], None]]:
    """Answers the next connection of `fetch` from this process, in plain text."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def connect(self: Any) -> None:
        self.sock = socket.create_connection(listener.getsockname(), self.timeout)

    monkeypatch.setattr("media.fetch._PinnedConnection.connect", connect)

    def start(send: Sender) -> None:
        def run() -> None:
            peer, _ = listener.accept()
            with peer, suppress(OSError):
                peer.recv(65536)
                send(peer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()

    yield start
    listener.close()
    for thread in threads:
        thread.join(timeout=10)


def read(seconds: float) -> bytes:
    return b"".join(fetch("https://example.com/x", 1 << 20, seconds, lambda _: ["93.184.216.34"]))


def drip_body(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    drip(peer, b"x")


def drip_body_of_unknown_length(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(peer, b"x")


def drip_headers(peer: socket.socket) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(peer, b"X-Header: y\r\n")


def drip(peer: socket.socket, data: bytes) -> None:
    for _ in range(100):
        peer.sendall(data)
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("send", [drip_body, drip_body_of_unknown_length, drip_headers])
def test_a_dripping_server_is_cut_at_the_deadline(send: Sender, serve: Callable[[Sender], None]) -> None:
    serve(send)
    started = time.monotonic()
    with pytest.raises(MediaError) as caught:
        read(0.5)
    # without the cut each byte would restart the time-out of a read, and the server sends for ten seconds
    assert time.monotonic() - started < 5
    assert caught.value.code == "url_failed"
    assert "slowly" in caught.value.detail


def test_a_body_that_ends_early_is_refused(serve: Callable[[Sender], None]) -> None:
    serve(lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc"))
    with pytest.raises(MediaError) as caught:
        read(5)
    assert caught.value.code == "url_failed"
    assert "before the end" in caught.value.detail


def test_a_whole_body_arrives(serve: Callable[[Sender], None]) -> None:
    serve(lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
    assert read(5) == b"abc"


def test_redirects_are_checked(serve: Callable[[Sender], None]) -> None:
    serve(lambda peer: peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://[fec0::1]/\r\n\r\n"))
    with pytest.raises(MediaError) as caught:
        read(5)
    assert caught.value.code == "url_not_allowed"

"""Connections that send endless headers, or nothing, are ended."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service import server


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers every request with the bytes of its body; under /refused it answers without reading."""
    if scope["path"] == "/refused":
        await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server with the bounds of the gateway, but half a second for headers."""
    original, server.HEADER_SECONDS = server.HEADER_SECONDS, 0.5
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, http=server.BoundedHttpProtocol, log_level="error", lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[listener])), daemon=True)
    thread.start()
    yield listener.getsockname()
    running.should_exit = True
    thread.join(timeout=5)
    server.HEADER_SECONDS = original


def read_all(peer: socket.socket, seconds: float = 10) -> bytes:
    peer.settimeout(seconds)
    received = b""
    try:
        while data := peer.recv(65536):
            received += data
    except (ConnectionResetError, BrokenPipeError):
        pass
    return received


def test_endless_headers_are_refused(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as peer:
        try:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
            # more than the buffers of both sides hold
            for _ in range(400):
                peer.sendall(b"a" * 100_000)
        except (ConnectionResetError, BrokenPipeError):
            pass
        else:
            pytest.fail("40 MB of headers were taken")
        answer = read_all(peer)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_connections_without_a_request_end(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address) as peer:
        peer.sendall(begun)
        started = time.monotonic()
        read_all(peer)
        assert time.monotonic() - started < 8


def test_dripped_headers_do_not_hold_a_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(200):
                peer.sendall(b"X: y\r\n")
                time.sleep(0.05)


@pytest.mark.slow
def test_large_bodies_and_further_requests_pass(address: tuple[str, int]) -> None:
    body = b"b" * 1_000_000
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(address) as peer:
        for _ in range(2):
            peer.sendall(request)
            received = b""
            peer.settimeout(10)
            while len(received) < len(body):
                received += peer.recv(1 << 20)
            assert received.endswith(b"b" * 1000)
            # longer than headers may take: between requests the keep-alive timeout holds
            time.sleep(0.8)


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_an_answer_before_the_end_of_the_body_can_be_read(
    connection: bytes, address: tuple[str, int]
) -> None:
    size = 28_000_000
    head = b"POST /refused HTTP/1.1\r\nHost: x\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(address) as peer:
        peer.settimeout(10)
        peer.sendall(head % (connection, size))
        peer.sendall(b"b" * size)
        assert peer.recv(1 << 16).startswith(b"HTTP/1.1 401")
        if connection == b"close":
            assert read_all(peer) in (b"", b"no")


def test_a_body_that_stalls_after_its_answer_is_cut(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.3)
    head = b"POST /refused HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(address) as peer:
        started = time.monotonic()
        peer.sendall(head + b"b")
        assert read_all(peer).startswith(b"HTTP/1.1 401")
        assert time.monotonic() - started < 5


def test_a_body_without_end_is_cut_after_its_answer(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_DISCARDED_BYTES", 64 << 20)
    with socket.create_connection(address) as peer:
        peer.settimeout(10)
        peer.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(200):
                peer.sendall(b"b" * 1_000_000)

"""Large uploads of the SDK: cut connections, killed processes, and services that are older or restarted."""

import asyncio
import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from maquette import ApiError, AsyncMaquette, ConnectionFailed, Maquette
from maquette.console import PlainConsole
from maquette.contract import Problem
from maquette.progress import UploadBar, UploadProgress

DATA = bytes(range(256)) * 40
ID = hashlib.sha256(DATA).hexdigest()
TIMES = {"expires_at": "2026-12-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def small_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("_async", "_sync"):
        monkeypatch.setattr(f"maquette.{kind}.resumable.WHOLE_BYTES", 1_000)
        monkeypatch.setattr(f"maquette.{kind}.resumable.APPEND_BYTES", 3_000)
        for module in ("http", "resumable"):
            monkeypatch.setattr(f"maquette.{kind}.{module}.backoff_seconds", lambda *_: 0.0)


class FakeService:
    """Speaks tus as the gateway does; `cuts` are bytes after which the connection of an append breaks."""

    def __init__(self, cuts: list[int] | None = None) -> None:
        self.arrived: bytes | None = None
        self.cuts = cuts or []
        self.appends: list[int] = []
        self.requests: list[str] = []
        self.opened = 0
        # what the second append is answered
        self.refusals: list[httpx.Response] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if request.method == "PATCH" and len(self.appends) == 1 and self.refusals:
            return self.refusals.pop()
        if request.url.path == f"/v1/uploads/{ID}":
            return self.problem("media_unknown", 404)
        if request.method == "POST":
            assert request.headers["repr-digest"] == self.digest()
            assert int(request.headers["upload-length"]) == len(DATA)
            self.opened += self.arrived is None
            self.arrived = self.arrived or b""
            return self.show()
        if self.arrived is None:
            return self.problem("upload_unknown", 404)
        return self.append(request) if request.method == "PATCH" else self.show()

    def append(self, request: httpx.Request) -> httpx.Response:
        assert self.arrived is not None
        offset, body = int(request.headers["upload-offset"]), request.read()
        if offset != len(self.arrived):
            return self.problem("upload_offset_mismatch", 409)
        self.appends.append(offset)
        if self.cuts:
            self.arrived += body[: self.cuts.pop(0)]
            raise httpx.WriteError("broken pipe", request=request)
        self.arrived += body
        return httpx.Response(204, headers={"Upload-Offset": str(len(self.arrived))})

    def show(self) -> httpx.Response:
        assert self.arrived is not None
        body = {"id": "upl_" + "0" * 28, "bytes": len(DATA), "offset": len(self.arrived), **TIMES}
        return httpx.Response(200, json=body)

    @staticmethod
    def digest() -> str:
        return f"sha-256=:{base64.b64encode(hashlib.sha256(DATA).digest()).decode()}:"

    @staticmethod
    def problem(code: str, status: int) -> httpx.Response:
        return httpx.Response(status, json=Problem.from_code(code, status, code).model_dump(mode="json"))


def client(service: FakeService, **options: Any) -> Maquette:
    return Maquette("http://test", api_key="k", transport=httpx.MockTransport(service.answer), **options)


@pytest.fixture(params=["file", "bytes"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path | bytes:
    """A large upload of each kind."""
    if request.param == "bytes":
        return DATA
    (tmp_path / "walk.mp4").write_bytes(DATA)
    return tmp_path / "walk.mp4"


def test_a_cut_connection_goes_on_where_it_broke(source: Path | bytes) -> None:
    service = FakeService(cuts=[1_700, 0, 2_999])
    with client(service) as mq:
        assert mq.upload(source).id == ID
    assert service.arrived == DATA
    assert service.appends[:4] == [0, 1_700, 1_700, 4_699]


def test_the_asynchronous_client_goes_on_as_well(source: Path | bytes) -> None:
    service = FakeService(cuts=[1_700])

    async def upload() -> str | None:
        transport = httpx.MockTransport(service.answer)
        async with AsyncMaquette("http://test", api_key="k", transport=transport) as mq:
            return (await mq.upload(source)).id

    assert asyncio.run(upload()) == ID
    assert service.arrived == DATA


def test_another_process_goes_on_with_what_was_interrupted(tmp_path: Path) -> None:
    file = tmp_path / "walk.mp4"
    file.write_bytes(DATA)
    service, seen = FakeService(), []

    def interrupt(upload: UploadProgress) -> None:
        if upload.sent >= 6_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), client(service, on_upload=interrupt) as mq:
        mq.upload(file)
    with client(service, on_upload=seen.append) as mq:
        assert mq.upload(file).id == ID
    assert (service.arrived, service.opened) == (DATA, 1)
    first, last = seen[0], seen[-1]
    assert (first.name, first.sent, first.total) == ("walk.mp4", 3_000, len(DATA))
    assert last.sent == len(DATA)
    assert [upload.sent for upload in seen] == sorted(upload.sent for upload in seen)


def test_a_service_that_never_takes_more_is_given_up() -> None:
    service = FakeService(cuts=[0] * 20)
    with client(service, retries=3) as mq, pytest.raises(ConnectionFailed):
        mq.upload(DATA)
    assert len(service.appends) == 4


@pytest.mark.parametrize("code", ["upload_offset_mismatch", "service_busy", "upload_stalled"])
def test_what_passes_is_waited_for(code: str) -> None:
    status = {"upload_offset_mismatch": 409, "service_busy": 503, "upload_stalled": 408}[code]
    service = FakeService()
    service.refusals = [FakeService.problem(code, status)]
    with client(service) as mq:
        assert mq.upload(DATA).id == ID
    assert service.arrived == DATA


@pytest.mark.parametrize(
    ("code", "status"), [("storage_quota_exceeded", 413), ("unsupported_media", 415), ("unauthorized", 401)]
)
def test_what_does_not_pass_is_raised_at_once(code: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "walk.mp4").write_bytes(DATA)
    service = FakeService()
    service.refusals = [FakeService.problem(code, status)]
    with client(service) as mq, pytest.raises(ApiError) as raised:
        mq.upload(tmp_path / "walk.mp4")
    assert raised.value.code == code
    assert len(service.appends) == 1


def test_an_upload_that_is_gone_is_begun_again() -> None:
    service = FakeService()
    service.refusals = [FakeService.problem("upload_expired", 410)]
    with client(service) as mq:
        assert mq.upload(DATA).id == ID
    assert service.arrived == DATA


def test_a_small_upload_and_an_older_service_take_one_request() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, request.url.path, len(request.read())))
        if request.method == "POST" and request.url.path == "/v1/uploads":
            media = {"id": ID, "kind": "video", "media_type": "video/mp4", "bytes": 1}
            return httpx.Response(201, json={**media, "width": 1, "height": 1})
        return FakeService.problem("not_found", 404)

    for data in (b"small", DATA):
        requests: list[tuple[str, str, int]] = []
        with Maquette("http://test", api_key="k", transport=httpx.MockTransport(answer)) as mq:
            mq.upload(data)
        assert requests[-1] == ("POST", "/v1/uploads", len(data))
    assert ("POST", "/v1/resumable-uploads", 0) in requests


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_line_shows_how_much_was_sent(terminal: bool) -> None:
    text = io.StringIO()
    console = PlainConsole(file=text)
    console._force_terminal = terminal
    bar = UploadBar(console)
    for sent in (0, 4_000, 8_000):
        bar(UploadProgress("walk.mp4", sent, 8_000))
    shown = text.getvalue()
    assert "uploading walk.mp4" in shown
    assert ("100% of 8,000 bytes" in shown) != terminal
    bar.close()
    assert "goes on" not in text.getvalue()
    bar(UploadProgress("walk.mp4", 10, 8_000))
    bar.close()
    assert ("goes on from there" in text.getvalue()) == terminal

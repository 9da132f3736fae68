"""A headless Chromium, driven by the DevTools protocol over pipes: it needs no port and no package."""

import base64
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

# software rendering, so that no GPU is needed
FLAGS = (
    *("--headless", "--no-sandbox", "--hide-scrollbars", "--remote-debugging-pipe"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run"),
)
# how long a page may take to show its asset; a machine with all its cores busy takes a few seconds
LOAD_SECONDS = 60.0


class Tab:
    """One page; `complaints` are its errors and what its policy blocked, `requests` the addresses
    that it asked for."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes], side: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(side, side)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come meanwhile are looked at."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._note(answer)

    def open(self, path: Path) -> str:
        """Open a page and wait for its asset; returns the state that it ends in."""
        self.requests.clear()
        self.complaints.clear()
        self.evaluate("delete document.documentElement.dataset.state")
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + LOAD_SECONDS
        while time.monotonic() < end:
            state = self.evaluate("document.documentElement?.dataset.state ?? ''")
            if state:
                return str(state)
            time.sleep(0.05)
        raise TimeoutError(f"{path} shows nothing; {self.complaints}")

    def resize(self, width: int, height: int, ratio: float = 1) -> None:
        """The size of the window in CSS pixels, and device pixels per CSS pixel."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=False,
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @contextmanager
    def preloaded(self, script: str) -> Iterator[None]:
        """Run a script before those of every page that is opened meanwhile."""
        number = self.call("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
        try:
            yield
        finally:
            self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=number)

    def press(self, key: str, *, times: int = 1) -> None:
        """Press a key some times."""
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key)

    def drag(self, start: tuple[int, int], end: tuple[int, int], button: str = "left") -> None:
        """Drag with a button of the mouse."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            pressed = 0 if kind == "mouseReleased" else {"left": 1, "right": 2}[button]
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=pressed, clickCount=1
            )

    def touch(self, *moves: Sequence[tuple[int, int]]) -> None:
        """Put fingers down at the first places, move them to the next ones, and lift them."""
        kinds = ["touchStart", *["touchMove"] * (len(moves) - 1), "touchEnd"]
        for kind, places in zip(kinds, [*moves, ()], strict=True):
            points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def turn_wheel(self, pixels: float) -> None:
        """Turn the wheel in the middle of a window; positive moves away."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=200, y=200, deltaX=0, deltaY=pixels)

    def photograph(self) -> NDArray[np.uint8]:
        """A screenshot (H, W, 3), once frames that are due and sorts that run have come out."""
        self.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 150))")
        data = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def _receive(self) -> dict[str, Any]:
        data = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise EOFError("the browser has ended")
            data += byte
        return dict(json.loads(data))

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])


@contextmanager
def open_tab(folder: Path, side: int, *flags: str) -> Iterator[Tab]:
    """A tab of a new browser, `side` pixels high and wide; skips the test where no Chromium is installed."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    command = [program, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"]
    # Chromium reads commands from descriptor 3 and answers on 4
    script = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'
    process = subprocess.Popen(
        ["sh", "-c", script, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Tab(process.stdin, process.stdout, side)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdin.close()
        process.stdout.close()

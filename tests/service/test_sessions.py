"""Sessions refuse prompts that can start nothing, and propagations without an object, when they arrive."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.support.media_files import flat_frames, write_frames

BOX = {"x0": 1, "y0": 1, "x1": 20, "y1": 20}
OFF = [{"x": 1, "y": 1, "label": 0}]


class SessionClient:
    """One session of the gateway, step by step."""

    def __init__(self, gateway: TestClient, video: str) -> None:
        self._gateway = gateway
        opened = gateway.post("/v1/sessions", json={"video": video})
        self._path = f"/v1/sessions/{opened.json()['id']}"

    def prompt(self, **prompt: Any) -> tuple[int, str | None]:
        return self._read(self._gateway.post(f"{self._path}/prompts", json=prompt))

    def undo(self, index: int) -> tuple[int, str | None]:
        return self._read(self._gateway.delete(f"{self._path}/prompts/{index}"))

    def propagate(self, **fields: Any) -> tuple[int, str | None]:
        return self._read(self._gateway.post(f"{self._path}/propagate", json=fields))

    @staticmethod
    def _read(answer: Any) -> tuple[int, str | None]:
        return answer.status_code, answer.json().get("code")


@pytest.fixture
def session(gateway: TestClient, tmp_path: Path) -> SessionClient:
    path = write_frames(tmp_path / "clip.mp4", flat_frames(12))
    return SessionClient(gateway, gateway.post("/v1/uploads", content=path.read_bytes()).json()["id"])


def test_points_off_an_object_correct_one_that_a_prompt_of_the_session_starts(session: SessionClient) -> None:
    assert session.prompt(frame=2, points=OFF) == (422, "invalid_request")
    assert session.prompt(frame=2, box=BOX) == (201, None)
    assert session.prompt(frame=2, points=OFF, object=1) == (201, None)
    assert session.propagate() == (202, None)
    # what it corrects there is known after a propagation
    assert session.prompt(frame=7, points=OFF, object=1) == (201, None)
    # without the box nothing is left to correct
    assert session.undo(0) == (200, None)
    assert session.propagate() == (422, "prompt_without_object")
    assert session.prompt(frame=2, points=OFF, object=1) == (422, "prompt_without_object")


def test_a_propagation_that_meets_a_correction_first_is_refused(session: SessionClient) -> None:
    session.prompt(frame=8, box=BOX)
    session.prompt(frame=8, points=OFF, object=1)
    assert session.prompt(frame=3, box=BOX) == (201, None)
    assert session.propagate() == (202, None)
    assert session.undo(0) == (200, None)
    assert session.prompt(frame=9, box=BOX, object=1) == (201, None)
    assert session.propagate() == (422, "prompt_without_object")
    assert session.propagate(direction="backward") == (202, None)


def test_removals_alone_are_nothing_to_propagate(session: SessionClient) -> None:
    session.prompt(frame=2, box=BOX)
    assert session.prompt(frame=5, object=1, remove=True) == (201, None)
    assert session.propagate(start_frame=6) == (422, "session_empty")
    assert session.undo(0) == (200, None)
    assert session.propagate() == (422, "session_empty")

"""A segment job draws its overlay unless the request says that nobody looks at it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from maquette.contract import SegmentJob

from workers.jobs.media_loader import LoadedImage
from workers.jobs.segment import job

REQUEST = {"image": {"id": "0" * 64}, "prompts": [{"points": [{"x": 1, "y": 1}]}]}


@pytest.mark.parametrize(("options", "files"), [({}, ["overlay.png"]), ({"overlay": False}, [])])
def test_the_overlay_is_left_out_on_request(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], files: list[str]
) -> None:
    saved: list[str] = []
    image = LoadedImage(np.zeros((8, 9, 3), np.uint8), "0" * 64, None)
    monkeypatch.setattr(job, "find_instances", lambda *_: [])
    context: Any = SimpleNamespace(
        media=SimpleNamespace(load_image=lambda _ref, keep: image),
        progress=lambda *_, **__: None,
        save=lambda name, *_: saved.append(name),
        build_manifest=lambda result, **_: result,
    )
    result: Any = job.run(context, SegmentJob.model_validate({**REQUEST, **options}))
    assert (result.width, result.height) == (9, 8) and saved == files

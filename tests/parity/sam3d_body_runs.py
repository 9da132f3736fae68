"""People, camera and settings for the FAKE upstream of SAM 3D Body (`sam3d_fake`)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.synthetic_mhr import SyntheticMhr, random_parameters
from workers.engines.bodies.mhr.assets import REQUIRED
from workers.engines.bodies.sam3d.settings import Sam3dBodySettings
from workers.engines.protocols import BodyEstimate
from workers.geometry.cameras import Camera

FAKE = Path(__file__).with_name("sam3d_fake")
WIDTH, HEIGHT = 320, 240
# the fake's people are as wide as they are tall
BOXES = [(20.0, 60.0, 110.0, 165.0), (115.0, 50.0, 205.0, 150.0), (215.0, 70.0, 310.0, 175.0)]
CENTRED = Camera(WIDTH, HEIGHT, 400.0, 400.0, WIDTH / 2, HEIGHT / 2)
MODEL = SyntheticMhr()


def settings(tmp_path: Path, mode: str = "full", **wrong: Any) -> Sam3dBodySettings:
    """Settings whose checkpoint makes the fake do something wrong."""
    for name in REQUIRED:
        (tmp_path / name).write_text(name)
    (tmp_path / "model_config.yaml").write_text("fake: true\n")
    checkpoint = tmp_path / "model.ckpt"
    checkpoint.write_text(json.dumps({"note": str(tmp_path / "note.json"), **wrong}))
    chosen: Any = mode
    return Sam3dBodySettings(
        checkpoint=checkpoint, source=FAKE, assets=tmp_path, mode=chosen, load_seconds=60, request_seconds=60
    )


def draw_image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def masks() -> list[np.ndarray]:
    out = []
    for x0, y0, x1, y1 in BOXES:
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
        mask[int(y0) : int(y1), int(x0) + 5 : int(x1) - 5] = True
        out.append(mask)
    return out


def true_parameters(box: tuple[float, ...]) -> np.ndarray:
    """The fake's person of a box."""
    return (
        random_parameters(int(np.asarray(box, dtype=np.float32).sum())).astype(np.float32).astype(np.float64)
    )


def note(tmp_path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((tmp_path / "note.json").read_text())
    return document


def is_in_box(body: BodyEstimate, box: tuple[float, ...]) -> bool:
    return bool(np.allclose(body.parameters["mhr_model_parameters"], true_parameters(box), atol=1e-6))

"""The gateway runs without what the workers install: its image holds none of it."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

# what a package of the extra is imported as, where that is not its name
IMPORTED = {
    "scikit-image": "skimage",
    "opencv-python-headless": "cv2",
    "fast-simplification": "fast_simplification",
    "arro3-core": "arro3",
    "arro3-io": "arro3",
}
START = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(f"{{name}} is the workers'", name=name)

sys.meta_path.insert(0, Missing())
import media.depth, media.images, media.sandbox, media.sandbox_child, media.video
import service.app, service.main

assert service.app.create_app
"""


def test_the_gateway_starts_without_the_workers_packages() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=]", wanted)[0] for wanted in project["optional-dependencies"]["workers"]]
    missing = sorted({IMPORTED.get(name, name) for name in names})
    assert {"scipy", "cv2", "onnxruntime", "trimesh"} <= set(missing)
    code = START.format(missing=missing)
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr

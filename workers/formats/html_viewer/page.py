"""The page around an asset: its data, its own script and style, and a policy that allows nothing else.

The page works from `file://` and loads nothing. Its Content-Security-Policy names script and style by their
hashes, so that nothing which ends up in the page by mistake can run. The same asset gives the same bytes.
"""

import html
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Literal

# The parts of the script in order; the last but one shows the asset.
SCRIPTS: Mapping[Literal["splat", "mesh"], tuple[str, ...]] = {
    "splat": ("gl.js", "camera.js", "readout.js", "depth_sorting.js", "splat_view.js", "page.js"),
    "mesh": ("gl.js", "camera.js", "readout.js", "glb.js", "mesh_view.js", "page.js"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSphere:
    """The sphere that the first view frames, in the asset's unit; `reach` is the radius around everything."""

    centre: tuple[float, float, float]
    radius: float
    reach: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstView:
    """Where the camera looks from at first: radians around y from +z, radians upwards, and its field of view.

    The field of view is that of the smaller side of the window; `margin` is the distance to the sphere as a
    multiple of the one at which its outline touches the border. The front of an object faces +z.
    """

    yaw: float = 0.35
    pitch: float = 0.2
    field_of_view: float = 0.7
    margin: float = 1.06


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerPage:
    """What a page shows: the kind of asset, a title, what it says of it in a line, and its data.

    `details` are numbers that the page needs to decode the data. `metres_per_unit` is None where the asset
    has an unknown scale; lengths are then shown in units.
    """

    kind: Literal["splat", "mesh"]
    title: str
    summary: str
    sphere: ViewSphere
    payload: bytes
    details: Mapping[str, float]
    metres_per_unit: float | None = None
    view: FirstView = FirstView()

    def render(self) -> bytes:
        """The complete page as UTF-8."""
        script = "".join(_read(name) for name in SCRIPTS[self.kind])
        style = _read("page.css")
        fields = {
            **asdict(self.sphere),
            **asdict(self.view),
            **self.details,
            "metres_per_unit": self.metres_per_unit,
        }
        page = Template(_read("page.html")).substitute(
            policy=_write_policy(script, style),
            title=html.escape(self.title),
            summary=html.escape(self.summary),
            kind=self.kind,
            style=style,
            script=script,
            # the end of a script is the only thing that HTML looks for inside of one
            fields=json.dumps(fields, sort_keys=True, allow_nan=False).replace("<", "\\u003c"),
            payload=b64encode(self.payload).decode("ascii"),
        )
        return page.encode("utf-8")


def _write_policy(script: str, style: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data: blob:",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}"


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

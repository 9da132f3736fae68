"""Objects with a mesh that somebody modelled: one folder each, in a layout of this project.

`ID/image.png` (or `.jpg`), `ID/mask.png` (white on black, or an alpha channel), `ID/mesh.glb` (y up); where
the layout is known also `ID/pose.json`: `rotation` (wxyz), `translation` and `scale` from the mesh to the
camera (OpenCV); `ID/camera.json`: `fx`, `fy`, `cx`, `cy` in pixels; `ID/depth.npy`: z in metres, (H, W).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.evaluation.datasets.files import read_json, require_fields, require_file
from workers.evaluation.errors import LayoutError
from workers.formats.convert import ConvertError, load_asset
from workers.geometry.cameras import Camera
from workers.geometry.meshes import Mesh
from workers.geometry.poses import Similarity

# grey level from which a pixel of a mask is inside
INSIDE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistObject:
    """The files of one object; pose, camera and depth are None where they are not known."""

    id: str
    image: Path
    mask: Path
    mesh: Path
    pose: Path | None
    camera: Path | None
    depth: Path | None


def list_artist_objects(folder: Path) -> list[ArtistObject]:
    """All objects in the order of their names; raises LayoutError."""
    objects = [_find_files(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    if not objects:
        raise LayoutError(f"{folder} has no folders of objects")
    return objects


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A mask (H, W) from grey levels, or from the alpha channel where there is one."""
    with Image.open(path) as image:
        channel = image.getchannel("A") if "A" in image.getbands() else image.convert("L")
        return np.asarray(channel) >= INSIDE


def read_mesh(path: Path) -> Mesh:
    """A mesh file; raises LayoutError for another."""
    try:
        asset = load_asset(path.read_bytes()).asset
    except ConvertError as error:
        raise LayoutError(f"{path} is no mesh: {error}") from None
    if not isinstance(asset, Mesh):
        raise LayoutError(f"{path} holds a splat, not a mesh")
    return asset


def read_pose(path: Path) -> Similarity:
    """`pose.json`; raises LayoutError."""
    data = read_json(path, "a pose")
    require_fields(data, ("rotation", "translation", "scale"), str(path))
    try:
        rotation = np.array(data["rotation"], np.float64).reshape(4)
        x, y, z = (float(value) for value in data["translation"])
        scale = float(data["scale"])
    except (TypeError, ValueError) as error:
        raise LayoutError(f"{path} holds no pose: {error}") from None
    length = float(np.linalg.norm(rotation))
    if length == 0 or scale <= 0:
        raise LayoutError(f"{path} has a rotation of length 0, or a scale that is not positive")
    w, i, j, k = (rotation / length).tolist()
    return Similarity((w, i, j, k), (x, y, z), scale)


def read_camera(path: Path, size: tuple[int, int]) -> Camera:
    """`camera.json` for an image of (height, width); raises LayoutError."""
    data = read_json(path, "a camera")
    require_fields(data, ("fx", "fy", "cx", "cy"), str(path))
    fx, fy, cx, cy = (float(data[name]) for name in ("fx", "fy", "cx", "cy"))
    return Camera(size[1], size[0], fx, fy, cx, cy)


def _find_files(folder: Path) -> ArtistObject:
    image = folder / "image.jpg"
    optional = {
        name: path if path.is_file() else None
        for name, path in (
            ("pose", folder / "pose.json"),
            ("camera", folder / "camera.json"),
            ("depth", folder / "depth.npy"),
        )
    }
    return ArtistObject(
        id=folder.name,
        image=image if image.is_file() else require_file(folder / "image.png", "the image"),
        mask=require_file(folder / "mask.png", "the mask"),
        mesh=require_file(folder / "mesh.glb", "the mesh"),
        **optional,
    )

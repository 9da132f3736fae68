"""`maquette-server smplx to-mhr`: converts SMPL or SMPL-X to MHR with the user's own model files."""

import io
import zipfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from maquette.plain_text import print_line

from workers.engines.bodies.mhr.arrays import load_arrays
from workers.engines.bodies.mhr.fitting import MhrBody, MhrFitter
from workers.engines.bodies.smplx.model import EXPRESSIONS, SMPLX_JOINTS, SmplxModel
from workers.engines.bodies.smplx.motion import SmplxMotion, read_motion
from workers.engines.bodies.smplx.surface_map import SurfaceMap, SurfaceMapError
from workers.engines.weights import WeightsError


def to_mhr(
    motion: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="NPZ of one body or of a track, as smplx or AMASS."),
    ],
    model: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="SMPLX_NEUTRAL.npz, or SMPL_NEUTRAL.npz, or another."),
    ],
    assets: Annotated[
        Path, typer.Option("--mhr", exists=True, file_okay=False, help="The folder of MHR's assets.")
    ],
    surface_map: Annotated[
        Path,
        typer.Option(
            "--map", exists=True, dir_okay=False, help="Meta's smplx2mhr_mapping.npz (or smpl2mhr)."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", dir_okay=False, help="The NPZ to write the parameters to.")
    ],
    expressions: Annotated[
        bool, typer.Option("--expressions", help="Fit MHR's expression to the face, too.")
    ] = False,
) -> None:
    """Fit MHR to SMPL or SMPL-X: all frames of a track with one identity and one set of bone sizes.

    The output has MHR's 204 parameters, in the axes of the input and metres. Frames without a body are NaN.
    """
    try:
        with motion.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            arrays = dict(data)
        fields = convert(arrays, model, assets, SurfaceMap.load(surface_map), expressions=expressions)
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, WeightsError) as error:
        print_line(f"{motion}: {error}", stderr=True)
        raise typer.Exit(1) from error
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **fields)
    out.write_bytes(buffer.getvalue())
    print_line(f"{out}: surface {1e3 * np.nanmean(fields['surface_error_m']):.1f} mm on average")


def convert(
    arrays: dict[str, Any], model: Path, assets: Path, surface_map: SurfaceMap, *, expressions: bool
) -> dict[str, Any]:
    """The arrays of all frames; raises ValueError for files that do not fit each other, WeightsError."""
    motion = read_motion(arrays)
    faces = EXPRESSIONS if motion.expressions.any() else 0
    smplx = SmplxModel.load(model, betas=len(motion.betas), expressions=faces)
    if motion.rotations.shape[1] > len(smplx.parents):
        joints = f"{motion.rotations.shape[1]} joints turn, and {model} has {len(smplx.parents)}"
        raise ValueError(f"{joints}: is one of them SMPL's and the other SMPL-X's?")
    if expressions and len(smplx.parents) < SMPLX_JOINTS:
        raise ValueError(f"{model} is SMPL, which has no face: leave --expressions out")
    mhr = load_arrays(assets)
    if len(surface_map.triangles) != len(mhr.base):
        raise SurfaceMapError(
            f"the map is for a mesh of {len(surface_map.triangles)} vertices, and MHR has {len(mhr.base)}: "
            "take smplx2mhr_mapping.npz for SMPL-X, smpl2mhr_mapping.npz for SMPL"
        )
    known = np.flatnonzero(
        np.isfinite(motion.translations).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    )
    if not len(known):
        raise ValueError("no frame has a body")

    def place(row: int) -> Any:
        frame = known[row]
        shape = np.concatenate([motion.betas, motion.expressions[frame][:faces]])
        vertices, _ = smplx.pose(shape, motion.rotations[frame], motion.translations[frame])
        return surface_map.apply(vertices, smplx.faces)

    bodies = MhrFitter(mhr, expressions=expressions).fit_track(len(known), place)
    return _list_arrays(arrays, motion, known, bodies)


def _list_arrays(
    arrays: dict[str, Any], motion: SmplxMotion, known: Any, bodies: list[MhrBody]
) -> dict[str, Any]:
    """As SAM 3D Body names them; row k is frame k of the input."""
    rows: dict[str, list[Any]] = {
        "mhr_model_params": [body.state.parameters for body in bodies],
        "expr_params": [body.state.expression for body in bodies],
        "surface_error_m": [body.surface_error for body in bodies],
    }
    fields: dict[str, Any] = {"shape_params": bodies[0].state.identity}
    fields |= {name: arrays[name] for name in ("frames", "seconds", "state") if name in arrays}
    for name, values in rows.items():
        filled = np.full((len(motion.translations), *np.shape(values[0])), np.nan)
        filled[known] = values
        fields[name] = filled
    return fields

"""`maquette-server smplx`: converts bodies to SMPL-X parameters with the user's own model file."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from maquette.plain_text import print_line

from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.smplx.fitting import fit_smplx
from workers.engines.bodies.smplx.model import SmplxFileError, SmplxModel
from workers.engines.protocols import Rig

app = typer.Typer(help="Convert bodies to SMPL-X with your own licensed model.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Convert bodies to SMPL-X."""


@app.command()
def convert(
    body: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The NPZ of a bodies job on an image.")
    ],
    model: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="SMPLX_NEUTRAL.npz or another.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", dir_okay=False, help="The NPZ to write the parameters to.")
    ],
) -> None:
    """Fit SMPL-X to a body.

    The output has the parameters of the `smplx` package, in camera axes.
    """
    try:
        smplx = SmplxModel.load(model)
        with np.load(body, allow_pickle=False) as data:
            rig = _rig(dict(data))
        fit = fit_smplx(smplx, skin_rig(rig), pose_rig(rig)[1], list(rig.joint_names))
    except (SmplxFileError, KeyError, ValueError) as error:
        print_line(f"{body}: {error}", stderr=True)
        raise typer.Exit(1) from error
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {**fit.arrays(), "faces": smplx.faces, "vertices": fit.vertices}
    np.savez_compressed(buffer, **arrays)
    out.write_bytes(buffer.getvalue())
    surface, joints = fit.surface_error * 1e3, fit.joint_error * 1e3
    print_line(f"{out}: surface {surface:.1f} mm, joints {joints:.1f} mm on average")


def _rig(data: dict[str, Any]) -> Rig:
    if data["joint_rotations"].ndim != 2:
        raise ValueError("this NPZ is of a video; use that of an image")
    return Rig(
        joint_names=tuple(str(name) for name in data["joint_names"]),
        parents=data["parents"].astype(np.int64),
        rest_joints=data["rest_joints"].astype(np.float64),
        rest_vertices=data["rest_vertices"].astype(np.float64),
        faces=data["faces"].astype(np.int64),
        skin_joints=data["skin_joints"].astype(np.int64),
        skin_weights=data["skin_weights"].astype(np.float64),
        rotations=data["joint_rotations"].astype(np.float64),
        root_translation=data["root_translation"].astype(np.float64),
    )

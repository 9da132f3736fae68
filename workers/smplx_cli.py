"""`maquette-server smplx`: converts bodies to SMPL or SMPL-X, and these to MHR, with the user's own files."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from maquette.plain_text import print_line
from numpy.typing import NDArray

from workers.engines.bodies.rig import pose_rig, skin_rig
from workers.engines.bodies.smplx.fitting import PosedBody, SmplxBody, SmplxFitter
from workers.engines.bodies.smplx.model import SmplxModel
from workers.engines.bodies.smplx.surface_map import MHR_VERTICES, SurfaceMap
from workers.engines.protocols import Rig
from workers.smplx_to_mhr import to_mhr

app = typer.Typer(help="Convert bodies to SMPL-X and MHR with your own licensed model.", no_args_is_help=True)
app.command()(to_mhr)
# joints of SMPL; SMPL-X has more
SMPL_JOINTS = 24


@app.callback()
def root() -> None:
    """Convert bodies to SMPL-X and MHR."""


@app.command()
def convert(
    body: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="The NPZ of a bodies job on an image or a video."),
    ],
    model: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="SMPLX_NEUTRAL.npz, or SMPL_NEUTRAL.npz, or another."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", dir_okay=False, help="The NPZ to write the parameters to.")
    ],
    surface_map: Annotated[
        Path | None,
        typer.Option(
            "--map",
            exists=True,
            dir_okay=False,
            help="Meta's mhr2smplx_mapping.npz (or mhr2smpl_mapping.npz) for bodies of MHR at LOD 1.",
        ),
    ] = None,
) -> None:
    """Fit SMPL or SMPL-X to a body, or to every frame of a track with one shape.

    The output has the parameters of the `smplx` package, in the axes of the NPZ: those of the camera, or of
    the world where the job was given the camera's poses. Frames of a track without a body are NaN.
    """
    try:
        smplx = SmplxModel.load(model)
        places = None if surface_map is None else SurfaceMap.load(surface_map)
        with body.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            arrays = dict(data)
        converter = _Converter(smplx, arrays, places)
        is_track = arrays["joint_rotations"].ndim == 3
        fields = converter.convert_track() if is_track else converter.convert_body()
    except KeyError as error:
        print_line(f"{body}: no record of a bodies job: it has no {error}", stderr=True)
        raise typer.Exit(1) from error
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        print_line(f"{body}: {error}", stderr=True)
        raise typer.Exit(1) from error
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **fields)
    out.write_bytes(buffer.getvalue())
    surface, joints = (1e3 * np.nanmean(fields[name]) for name in ("surface_error_m", "joint_error_m"))
    print_line(f"{out}: surface {surface:.1f} mm, joints {joints:.1f} mm on average")


class _Converter:
    """The bodies of one record, fitted by one model."""

    def __init__(
        self, model: SmplxModel, arrays: Mapping[str, NDArray[Any]], surface_map: SurfaceMap | None
    ) -> None:
        """Raises KeyError for what is no record, ValueError for a map that is not for its mesh."""
        self._model, self._arrays, self._map = model, arrays, surface_map
        self._rig = _read_rig(arrays)
        self._fitter = SmplxFitter(model, list(self._rig.joint_names))
        if surface_map is None:
            return
        if len(self._rig.rest_vertices) != MHR_VERTICES:
            raise ValueError(
                f"the map is for MHR's mesh at LOD 1 ({MHR_VERTICES} vertices), and this one has "
                f"{len(self._rig.rest_vertices)}: run the bodies job with lod 1, or leave --map out"
            )
        if len(surface_map.triangles) != len(model.template):
            raise ValueError(
                f"the map is for a model of {len(surface_map.triangles)} vertices, and this one has "
                f"{len(model.template)}: mhr2smpl_mapping.npz is for SMPL, mhr2smplx_mapping.npz for SMPL-X"
            )

    def convert_body(self) -> dict[str, Any]:
        """The arrays of one body, with its vertices."""
        rotations, root = self._arrays["joint_rotations"], self._arrays["root_translation"]
        fit = self._fitter.fit(self._pose(rotations, root))
        return {**self._list_arrays(fit), "faces": self._model.faces, "vertices": fit.vertices}

    def convert_track(self) -> dict[str, Any]:
        """The arrays of all frames; row k is frame `frames[k]`."""
        rotations, roots = self._arrays["joint_rotations"], self._arrays["root_translation"]
        known = np.flatnonzero(np.isfinite(roots).all(axis=1) & np.isfinite(rotations).all(axis=(1, 2)))
        if not len(known):
            raise ValueError("no frame of this track has a body")
        fitted = self._fitter.fit_track(
            len(known), lambda k: self._pose(rotations[known[k]], roots[known[k]])
        )
        rows = [self._list_arrays(fit) for fit in fitted]
        stacked: dict[str, Any] = {name: self._arrays[name] for name in ("frames", "seconds", "state")}
        stacked |= {"betas": rows[0]["betas"], "faces": self._model.faces}
        for name in rows[0].keys() - {"betas"}:
            values = np.full((len(roots), *rows[0][name].shape), np.nan)
            values[known] = [row[name] for row in rows]
            stacked[name] = values
        return stacked

    def _pose(self, rotations: NDArray[Any], root: NDArray[Any]) -> PosedBody:
        rig = replace(
            self._rig,
            rotations=rotations.astype(np.float64),
            root_translation=root.astype(np.float64),
        )
        vertices = skin_rig(rig)
        places = None if self._map is None else self._map.apply(vertices, rig.faces)
        return PosedBody(vertices, pose_rig(rig)[1], places)

    def _list_arrays(self, fit: SmplxBody) -> dict[str, Any]:
        arrays = fit.arrays()
        if len(self._model.parents) == SMPL_JOINTS:
            # SMPL counts both hands among the body's joints: they stay at rest
            arrays["body_pose"] = np.vstack([arrays["body_pose"], np.zeros((2, 3))])
        return arrays


def _read_rig(data: Mapping[str, NDArray[Any]]) -> Rig:
    """The rig of a record, in its rest pose."""
    joints = len(data["joint_names"])
    return Rig(
        joint_names=tuple(str(name) for name in data["joint_names"]),
        parents=data["parents"].astype(np.int64),
        rest_joints=data["rest_joints"].astype(np.float64),
        rest_vertices=data["rest_vertices"].astype(np.float64),
        faces=data["faces"].astype(np.int64),
        skin_joints=data["skin_joints"].astype(np.int64),
        skin_weights=data["skin_weights"].astype(np.float64),
        rotations=np.tile([1.0, 0.0, 0.0, 0.0], (joints, 1)),
        root_translation=np.zeros(3),
    )

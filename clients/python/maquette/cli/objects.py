"""`maquette objects`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each_or_continue
from maquette.contract import DepthMap, ObjectFormat, ObjectsJob
from maquette.contract.defaults import OBJECTS

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

Media = Annotated[
    list[str] | None, typer.Argument(help="Images, or videos with --multiview; none with --from-job.")
]
DepthAxes = Annotated[Literal["opencv", "opengl", "pytorch3d"], o.field_option(DepthMap, "axes")]
Placed = Annotated[bool, typer.Option("--placed", help="Write the posed mesh drawn over the image.")]
Turntable = Annotated[bool, typer.Option("--turntable", help="Write a video of the turning asset.")]
Simulation = Annotated[bool, typer.Option("--simulation", help="Write URDF and MJCF with meshes.")]
Density = Annotated[float, o.field_option(ObjectsJob, "density")]
LongestSide = Annotated[float | None, o.field_option(ObjectsJob, "longest_side_m", "--longest-side")]
Multiview = Annotated[
    bool, typer.Option("--multiview", help="Reconstruct each object of a video from many frames.")
]
MaxViews = Annotated[int, o.field_option(ObjectsJob, "max_views")]


def objects(
    context: typer.Context,
    images: Media = None,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    from_job: o.FromJob = None,
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    depth: o.DepthFile = None,
    depth_unit: o.DepthUnit = None,
    depth_distance: o.DepthDistance = False,
    depth_axes: DepthAxes = DepthMap.defaults().axes,
    formats: Annotated[str, o.formats_option(ObjectsJob)] = ",".join(OBJECTS.formats),
    placed: Placed = False,
    turntable: Turntable = False,
    simulation: Simulation = False,
    density: Density = OBJECTS.density,
    longest_side: LongestSide = None,
    multiview: Multiview = OBJECTS.multiview,
    max_views: MaxViews = OBJECTS.max_views,
    seed: o.Seed = OBJECTS.seed,
    engine: o.EngineName = OBJECTS.engine,
    strict: o.Strict = False,
    out: o.Out = None,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Reconstruct a mesh, a Gaussian splat and a pose per object."""
    fields: dict[str, Any] = {
        "text": text,
        "boxes": parsing.parse_boxes(box),
        "points": parsing.parse_points(point),
        "threshold": threshold,
        "camera": parsing.parse_camera(camera),
        "depth": _depth_fields(depth, depth_unit, depth_axes, is_distance=depth_distance),
        "formats": parsing.parse_names(formats, ObjectFormat),
        "outputs": parsing.list_enabled({"placed": placed, "turntable": turntable, "simulation": simulation}),
        "density": density,
        "longest_side_m": longest_side,
        "multiview": multiview,
        "max_views": max_views,
        "seed": seed,
        "engine": engine,
    }

    def start(mq: "Maquette", medium: Any) -> "Job[Any]":
        from maquette.cli.job_ids import complete_optional_job_id

        fields["from_job"] = complete_optional_job_id(mq, from_job)
        return mq.objects(None if multiview else medium, video=medium if multiview else None, **fields)

    run_each_or_continue(context, images, start, out, from_job, strict=strict)


def _depth_fields(
    file: Path | None, unit: float | None, axes: str, *, is_distance: bool
) -> dict[str, Any] | None:
    """Return a depth map's file and what its numbers mean."""
    if file is None:
        return None
    measures = "distance" if is_distance else "z"
    return {"media": file, "metres_per_unit": unit, "axes": axes, "measures": measures}

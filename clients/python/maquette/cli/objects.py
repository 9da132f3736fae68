"""`maquette objects`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each_or_continue
from maquette.cli.reconstruction import parse_reconstruction
from maquette.contract import DepthMap, ObjectFormat, ObjectsJob
from maquette.contract.defaults import OBJECTS

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

Media = Annotated[
    list[str] | None, typer.Argument(help="Images, or videos with --multiview; none with --from-job.")
]
Multiview = Annotated[
    bool, typer.Option("--multiview", help="Reconstruct each object of a video from many frames.")
]
MaxViews = Annotated[int, o.field_option(ObjectsJob, "max_views")]
PosesFile = Annotated[
    Path | None,
    o.field_option(
        ObjectsJob,
        "world_from_cam",
        help=o.POSES_HELP + "for --multiview, which else estimates them from the frames.",
    ),
]


def objects(
    context: typer.Context,
    images: Media = None,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    mask: o.MaskFiles = None,
    mask_label: o.MaskLabels = None,
    from_job: o.FromJob = None,
    threshold: o.Thresholds = None,
    camera: o.CameraOption = None,
    depth: o.DepthFile = None,
    depth_unit: o.DepthUnit = None,
    depth_distance: o.DepthDistance = False,
    depth_axes: o.DepthAxes = DepthMap.defaults().axes,
    formats: Annotated[str, o.formats_option(ObjectsJob)] = ",".join(OBJECTS.formats),
    placed: o.Placed = False,
    turntable: o.Turntable = False,
    turntable_size: o.TurntableSize = OBJECTS.turntable_size,
    turntable_seconds: o.TurntableSeconds = OBJECTS.turntable_seconds,
    simulation: o.Simulation = False,
    pointmap: o.Pointmap = False,
    ground: o.GroundFile = None,
    coarse: o.Coarse = False,
    shape_steps: o.ShapeSteps = None,
    shape_guidance: o.ShapeGuidance = None,
    detail_steps: o.DetailSteps = None,
    detail_guidance: o.DetailGuidance = None,
    density: o.Density = OBJECTS.density,
    longest_side: o.LongestSide = None,
    multiview: Multiview = OBJECTS.multiview,
    max_views: MaxViews = OBJECTS.max_views,
    world_from_cam: PosesFile = None,
    seed: o.Seed = OBJECTS.seed,
    engine: o.EngineName = OBJECTS.engine,
    timeout_seconds: o.Timeout = OBJECTS.timeout_seconds,
    strict: o.Strict = False,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Reconstruct a mesh, a Gaussian splat and a pose per object."""
    fields: dict[str, Any] = {
        **parse_reconstruction(context.params),
        "formats": parsing.parse_names(formats, ObjectFormat),
        "multiview": multiview,
        "max_views": max_views,
        "world_from_cam": parsing.read_poses(world_from_cam),
    }

    def start(mq: "Maquette", medium: Any) -> "Job[Any]":
        from maquette.cli.job_ids import complete_optional_job_id

        fields["from_job"] = complete_optional_job_id(mq, from_job)
        return mq.objects(None if multiview else medium, video=medium if multiview else None, **fields)

    run_each_or_continue(context, images, start, out, from_job, strict=strict)

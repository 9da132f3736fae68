"""`maquette scene`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each_or_continue
from maquette.cli.reconstruction import parse_reconstruction
from maquette.contract import DepthMap, SceneFormat, SceneJob
from maquette.contract.defaults import SCENE

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job

Media = Annotated[list[str] | None, typer.Argument(help="Images; none with --from-job.")]
FromJob = Annotated[str | None, o.field_option(SceneJob, "from_job")]


def scene(
    context: typer.Context,
    images: Media = None,
    text: o.Text = None,
    box: o.Boxes = None,
    point: o.Points = None,
    mask: o.MaskFiles = None,
    mask_label: o.MaskLabels = None,
    from_job: FromJob = None,
    threshold: o.Thresholds = None,
    camera: o.CameraOption = None,
    depth: o.DepthFile = None,
    depth_unit: o.DepthUnit = None,
    depth_distance: o.DepthDistance = False,
    depth_axes: o.DepthAxes = DepthMap.defaults().axes,
    formats: Annotated[str, o.formats_option(SceneJob)] = ",".join(SCENE.formats),
    contact: Annotated[bool, o.field_option(SceneJob, "contact")] = SCENE.contact,
    placed: o.Placed = False,
    turntable: o.Turntable = False,
    turntable_size: o.TurntableSize = SCENE.turntable_size,
    turntable_seconds: o.TurntableSeconds = SCENE.turntable_seconds,
    simulation: o.Simulation = False,
    pointmap: o.Pointmap = False,
    ground: o.GroundFile = None,
    coarse: o.Coarse = False,
    shape_steps: o.ShapeSteps = None,
    shape_guidance: o.ShapeGuidance = None,
    detail_steps: o.DetailSteps = None,
    detail_guidance: o.DetailGuidance = None,
    density: o.Density = SCENE.density,
    longest_side: o.LongestSide = None,
    seed: o.Seed = SCENE.seed,
    engine: o.EngineName = SCENE.engine,
    timeout_seconds: o.Timeout = SCENE.timeout_seconds,
    strict: o.Strict = False,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Place the objects and bodies of each image in one camera frame."""
    fields: dict[str, Any] = {
        **parse_reconstruction(context.params),
        "formats": parsing.parse_names(formats, SceneFormat),
        "contact": contact,
    }

    def start(mq: "Maquette", image: Any) -> "Job[Any]":
        from maquette.cli.job_ids import complete_optional_job_id

        return mq.scene(image, from_job=complete_optional_job_id(mq, from_job), **fields)

    run_each_or_continue(context, images, start, out, from_job, strict=strict)

"""`maquette scene`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.batch import run_each
from maquette.contract import SceneFormat, SceneJob
from maquette.contract.defaults import SCENE

if TYPE_CHECKING:
    from maquette.client import Maquette
    from maquette.handles import Job


def scene(
    context: typer.Context,
    images: o.Images,
    text: o.RequiredText,
    threshold: o.Threshold = None,
    camera: o.CameraOption = None,
    formats: Annotated[str, o.formats_option(SceneJob)] = ",".join(SCENE.formats),
    contact: Annotated[bool, o.field_option(SceneJob, "contact")] = SCENE.contact,
    seed: o.Seed = SCENE.seed,
    engine: o.EngineName = SCENE.engine,
    strict: o.Strict = False,
    out: o.Out = None,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Place the objects and bodies of each image in one camera frame."""

    def start(mq: "Maquette", image: Any) -> "Job[Any]":
        return mq.scene(
            image,
            text,
            threshold=threshold,
            camera=parsing.parse_camera(camera),
            formats=parsing.parse_names(formats, SceneFormat),
            contact=contact,
            seed=seed,
            engine=engine,
        )

    run_each(context, images, start, out, strict=strict)

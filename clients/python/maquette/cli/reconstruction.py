"""The options that `maquette objects` and `maquette scene` share, as arguments of the client."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maquette.cli import parsing

# options that the client takes under the same name, and as they are
SAME = (
    *("text", "turntable_size", "turntable_seconds", "density"),
    *("seed", "engine", "timeout_seconds"),
)
OUTPUTS = ("placed", "turntable", "simulation", "pointmap")
GENERATION = ("coarse", "shape_steps", "shape_guidance", "detail_steps", "detail_guidance")


def parse_reconstruction(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the client's arguments from a command's options, as `typer.Context.params` has them."""
    return {
        **{name: options[name] for name in SAME},
        **parsing.parse_thresholds(options["threshold"], options["text"]),
        "boxes": parsing.parse_boxes(options["box"]),
        "points": parsing.parse_points(options["point"]),
        "masks": [parsing.read_mask(file) for file in options["mask"] or ()],
        "mask_labels": [None if label == "-" else label for label in options["mask_label"] or ()],
        "camera": parsing.parse_camera(options["camera"]),
        "depth": _parse_depth(options),
        "ground": None if options["ground"] is None else parsing.read_mask(options["ground"]),
        "outputs": parsing.list_enabled({name: options[name] for name in OUTPUTS}),
        "longest_side_m": options["longest_side"],
        "generation": _parse_generation(options),
    }


def _parse_generation(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the controls that were given; None where none was."""
    given = {name: options[name] for name in GENERATION if options[name] is not None}
    return None if given == {"coarse": False} else given


def _parse_depth(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a depth map's file and what its numbers mean."""
    if options["depth"] is None:
        return None
    return {
        "media": Path(options["depth"]),
        "metres_per_unit": options["depth_unit"],
        "axes": options["depth_axes"],
        "measures": "distance" if options["depth_distance"] else "z",
    }

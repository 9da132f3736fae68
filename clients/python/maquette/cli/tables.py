"""Tables of results; a column that is empty throughout is left out."""

import math
from collections.abc import Iterable, Sequence
from functools import singledispatch

from rich.table import Table

from maquette.contract import (
    BodiesResult,
    BodyResult,
    BodyTrack,
    ConvertResult,
    DatasetResult,
    GroundPlane,
    ObjectResult,
    ObjectsResult,
    SceneNode,
    SceneResult,
    SegmentResult,
    TrackResult,
)

Cells = Sequence[str | None]
# what the table says of people by whether they stand on the floor
STANDS = {True: "on the floor", False: "not on it", None: None}


@singledispatch
def tabulate(result: object) -> Table:
    """Return the table of a result of any kind."""
    raise TypeError(f"no table for {type(result).__name__}")


@tabulate.register
def _(result: SegmentResult) -> Table:
    rows = [
        (
            str(item.index),
            item.label,
            _format_score(item.score),
            _format_box(item.box.xyxy()),
            f"{item.area} px",
            " ".join(item.flags),
        )
        for item in result.instances
    ]
    return _build_table(("#", "label", "score", "box", "area", "flags"), rows)


@tabulate.register
def _(result: TrackResult) -> Table:
    rows = [
        (
            str(track.id),
            track.label,
            _format_score(track.mean_score),
            f"{track.first_frame}–{track.last_frame}",
            str(track.frames),
            " ".join(track.flags),
        )
        for track in result.tracks
    ]
    return _build_table(("id", "label", "score", "frames", "seen in", "flags"), rows)


@tabulate.register
def _(result: ObjectsResult) -> Table:
    rows = [
        (
            str(item.index),
            item.label,
            _format_score(item.silhouette_iou),
            item.scale_source,
            _format_size(item),
            " ".join([*item.files.values(), *item.extras.values()] or [item.mesh, item.splat]),
            " ".join(item.flags),
        )
        for item in result.objects
    ]
    table = _build_table(("#", "label", "silhouette IoU", "scale", "size", "files", "flags"), rows)
    table.caption = _describe_ground(result.ground)
    return table


@tabulate.register
def _(result: BodiesResult) -> Table:
    rows = [_list_body(body.index, body, body.files.values()) for body in result.bodies]
    for track in result.tracks:
        files = [name for names in track.files.values() for name in names]
        spans = " ".join(f"{span.first_frame}–{span.last_frame}" for span in track.spans)
        rows.append(_list_body(track.id, track, files, spans))
    columns = ("#", "frames", "confidence", "reprojection error", "scale", "size", "stands", "steps", "hands")
    table = _build_table((*columns, "files", "flags"), rows)
    table.caption = _describe_floor(result)
    return table


@tabulate.register
def _(result: SceneResult) -> Table:
    rows = [
        (
            node.name,
            node.label,
            node.kind,
            _format_score(node.confidence),
            _format_score(node.silhouette_iou),
            node.scale_source,
            _format_size(node) if node.kind == "object" else None,
            " ".join(node.flags),
        )
        for node in result.nodes
    ]
    columns = ("node", "label", "kind", "confidence", "silhouette IoU", "scale", "size", "flags")
    table = _build_table(columns, rows)
    table.caption = _describe_ground(result.ground)
    return table


@tabulate.register
def _(result: ConvertResult) -> Table:
    rows = [(result.asset, result.source, name, file) for name, file in result.files.items()]
    return _build_table(("asset", "from", "to", "file"), rows)


@tabulate.register
def _(result: DatasetResult) -> Table:
    names = ("clips", "frames", "tracks", "observations", "assets")
    rows = [(name, f"{getattr(result, name):,}") for name in names]
    rows.append(("seconds of video", f"{result.seconds:,.1f}"))
    rows += [(f"clips in {split}", f"{count:,}") for split, count in result.splits.items()]
    rows += [(f"rejected by {gate}", f"{count:,}") for gate, count in result.rejected.items() if count]
    rows += [(name, f"{len(getattr(result, name)):,}") for name in ("unreadable", "failed")]
    return _build_table(("what", "count"), rows)


def _list_body(
    number: int, body: BodyResult | BodyTrack, files: Iterable[str], frames: str | None = None
) -> Cells:
    return (
        str(number),
        frames,
        _format_score(body.confidence),
        f"{body.reprojection_error_px:.1f} px",
        body.scale_source,
        _format_stature(body),
        STANDS[body.grounded],
        str(body.steps) if isinstance(body, BodyTrack) and body.steps is not None else None,
        _name_hands(body) if isinstance(body, BodyResult) else None,
        " ".join(files),
        " ".join(body.flags),
    )


def _name_hands(body: BodyResult) -> str:
    """Name the hands that were read."""
    states = (("left", body.hand_left), ("right", body.hand_right))
    return ", ".join(f"{side} {state}" for side, state in states if state is not None)


def _describe_floor(result: BodiesResult) -> str | None:
    """Say where the floor is, and how the camera looks at it."""
    if result.gravity is None:
        return None
    pitch = math.degrees(math.asin(max(-1.0, min(1.0, result.gravity.direction[2]))))
    words = f"camera {abs(pitch):.0f}° {'below' if pitch >= 0 else 'above'} the horizon"
    words += f" ({result.gravity.source})"
    if result.floor is None:
        return f"no floor, {words}"
    floor = result.floor
    return f"floor {floor.offset_m:.2f} m below the camera, {floor.people} people on it; {words}"


def _describe_ground(ground: GroundPlane | None) -> str | None:
    """Say how far the camera is from the ground plane; without a scale its unit is unknown."""
    if ground is None:
        return None
    unit = "m" if ground.scale_source == "metric" else "units without scale"
    share = f"{ground.inlier_share:.0%} of the mask on it"
    flags = f" ({', '.join(ground.flags)})" if ground.flags else ""
    return f"ground plane {ground.offset:.3g} {unit} from the camera, {share}{flags}"


def _build_table(columns: Sequence[str], rows: Sequence[Cells]) -> Table:
    # the heads of a table without rows say what there could have been
    shown = [place for place in range(len(columns)) if not rows or any(row[place] for row in rows)]
    table = Table(*(columns[place] for place in shown))
    for row in rows:
        table.add_row(*(row[place] or "" for place in shown))
    return table


def _format_size(item: ObjectResult | SceneNode) -> str | None:
    """Return the longest side, which is 1 in an object's own frame; its unit is unknown without a scale."""
    return None if item.scale_source == "relative" else f"{item.pose.scale:.3g} m"


def _format_stature(body: BodyResult | BodyTrack) -> str | None:
    """Return a body's height; not every body model has one."""
    stature = body.parameters.get("stature_m")
    return f"{stature[0]:.2f} m" if stature else None


def _format_box(box: Iterable[float]) -> str:
    return ",".join(f"{value:.0f}" for value in box)


def _format_score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"

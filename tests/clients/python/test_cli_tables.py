"""Tables of the command line show what weakens a result: flags, scale, size."""

import io
from typing import Any

import pytest
from maquette.cli.tables import tabulate
from maquette.console import PlainConsole
from maquette.contract import (
    BodiesResult,
    DatasetResult,
    ObjectsResult,
    SceneResult,
    SegmentResult,
    TrackResult,
)

BOX = {"x0": 1, "y0": 2, "x1": 30, "y1": 40}
RLE = {"size": [48, 64], "counts": "PPP"}
CAMERA = {"fx": 60, "fy": 60, "cx": 32, "cy": 24, "width": 64, "height": 48, "source": "given"}
POSE = {"rotation_wxyz": [1, 0, 0, 0], "translation": [0, 0, 1], "scale": 0.1234}
SIZED = {"width": 64, "height": 48}


def show(result: Any) -> list[str]:
    out = io.StringIO()
    PlainConsole(file=out).print(tabulate(result))
    return out.getvalue().splitlines()


def thing(index: int, source: str, flags: list[str]) -> dict[str, Any]:
    return {
        "index": index,
        "label": "cup",
        "score": 0.9,
        "box": BOX,
        "mask": RLE,
        "mesh": "m.glb",
        "splat": "s.ply",
        "files": {"glb": "m.glb", "ply": "s.ply"},
        "pose": POSE,
        "camera": CAMERA,
        "scale_source": source,
        "confidence": 0.5,
        "silhouette_iou": 0.8,
        "vertices": 3,
        "faces": 1,
        "gaussians": 1,
        "flags": flags,
    }


def person(flags: list[str]) -> dict[str, Any]:
    return {
        "index": 0,
        "box": BOX,
        "mesh": "b.glb",
        "camera": CAMERA,
        "keypoints": [],
        "parameters": {"stature_m": [1.604]},
        "scale_source": "prior",
        "confidence": 0.5,
        "reprojection_error_px": 2.0,
        "flags": flags,
    }


def test_objects_show_scale_size_and_flags() -> None:
    result = ObjectsResult.model_validate(
        {**SIZED, "objects": [thing(0, "metric", ["truncated", "occluded"]), thing(1, "relative", [])]}
    )
    lines = show(result)
    [first] = [line for line in lines if "metric" in line]
    [second] = [line for line in lines if "relative" in line]
    assert "0.123 m" in first and "truncated occluded" in first and "m.glb s.ply" in first
    # one unit of a relative scale is no metre
    assert " m " not in second


@pytest.mark.parametrize(("source", "shown"), [("metric", "1.62 m "), ("relative", "1.62 units")])
def test_the_ground_plane_is_shown_with_its_scale(source: str, shown: str) -> None:
    ground = {"normal": [0, -1, 0], "offset": 1.6201, "scale_source": source, "inlier_share": 0.871}
    objects = {**SIZED, "objects": [thing(0, "relative", [])]}
    scene = {**SIZED, "camera": CAMERA, "nodes": [], "mesh": None, "splat": None}
    for kind, fields in ((ObjectsResult, objects), (SceneResult, scene)):
        text = " ".join(show(kind.model_validate({**fields, "ground": ground})))
        assert shown in text and "87%" in text and "depth_unit_assumed" not in text
        flagged = {**ground, "flags": ["depth_unit_assumed"]}
        assert "depth_unit_assumed" in " ".join(show(kind.model_validate({**fields, "ground": flagged})))
        assert "ground" not in " ".join(show(kind.model_validate(fields)))


@pytest.mark.parametrize("flags", [["truncated"], []])
def test_a_column_is_shown_where_it_says_something(flags: list[str]) -> None:
    result = SegmentResult.model_validate(
        {
            **SIZED,
            "instances": [
                {
                    "index": 0,
                    "label": "cup",
                    "score": 0.9,
                    "box": BOX,
                    "area": 7,
                    "mask": RLE,
                    "prompt": {"kind": "text", "index": 0},
                    "flags": flags,
                }
            ],
        }
    )
    text = "\n".join(show(result))
    assert ("flags" in text, "truncated" in text) == (bool(flags), bool(flags))
    assert "1,2,30,40" in text


def test_tracks_show_flags() -> None:
    result = TrackResult.model_validate(
        {
            **SIZED,
            "frames": 9,
            "frame_rate": 10,
            "time_base": [1, 10],
            "tracks": [
                {
                    "id": 1,
                    "label": "cup",
                    "prompt": {"kind": "text", "index": 0},
                    "first_frame": 0,
                    "last_frame": 8,
                    "frames": 5,
                    "mean_score": None,
                    "flags": ["lost"],
                }
            ],
        }
    )
    [line] = [line for line in show(result) if "cup" in line]
    assert "0–8" in line and "lost" in line and " 5 " in line


def test_scenes_show_scale_size_and_flags() -> None:
    node = {
        "name": "object-000",
        "kind": "object",
        "label": "cup",
        "box": BOX,
        "pose": POSE,
        "scale_source": "prior",
        "confidence": 0.5,
        "silhouette_iou": None,
        "flags": ["floating"],
    }
    body = {**node, "name": "body-000", "kind": "body", "flags": []}
    result = SceneResult.model_validate(
        {**SIZED, "camera": CAMERA, "nodes": [node, body], "mesh": None, "splat": None}
    )
    lines = show(result)
    assert any("prior" in line and "0.123 m" in line and "floating" in line for line in lines)
    assert not any("body-000" in line and "0.123 m" in line for line in lines)


def test_bodies_show_scale_and_flags() -> None:
    text = "\n".join(show(BodiesResult.model_validate({**SIZED, "bodies": [person(["cut_off"])]})))
    assert "prior" in text and "1.60 m" in text and "cut_off" in text
    assert not any(column in text for column in ("frames", "hands", "steps"))


@pytest.mark.parametrize(
    ("hands", "shown"),
    [
        (("open", "fist"), "left open, right fist"),
        (("relaxed", None), "left relaxed"),
        ((None, "open"), "right open"),
    ],
)
def test_bodies_show_the_hands_that_were_read(hands: tuple[str | None, str | None], shown: str) -> None:
    flags = ["age_uncertain", "gravity_disagrees", "mask_disagrees"]
    body = {**person(flags), "hand_left": hands[0], "hand_right": hands[1]}
    [line] = [
        line for line in show(BodiesResult.model_validate({**SIZED, "bodies": [body]})) if "1.60" in line
    ]
    assert shown in line and " ".join(flags) in line
    assert line.count("left") + line.count("right") == sum(hand is not None for hand in hands)


@pytest.mark.parametrize(("steps", "shown"), [(0, " 0 "), (7, " 7 "), (None, None)])
def test_motions_show_steps_floor_and_flags(steps: int | None, shown: str | None) -> None:
    flags = ["contacts_uncertain", "camera_moved"]
    track = {
        **{
            key: value
            for key, value in person(flags).items()
            if key not in ("index", "box", "mesh", "keypoints")
        },
        "id": 4,
        "first_frame": 0,
        "last_frame": 8,
        "frames": 9,
        "filled": 0,
        "files": {},
        "jitter_raw": None,
        "jitter": None,
        "grounded": True,
        "steps": steps,
        "spans": [{"first_frame": 0, "last_frame": 8, "first_seconds": 0, "last_seconds": 0.8}],
    }
    lines = show(BodiesResult.model_validate({**SIZED, "tracks": [track]}))
    [line] = [line for line in lines if "1.60 m" in line]
    assert "on the floor" in line and " ".join(flags) in line
    assert shown in line if shown else not any("steps" in line for line in lines)


def test_datasets_show_what_was_left_out() -> None:
    result = DatasetResult(
        version="0" * 64,
        clips=3,
        frames=1200,
        tracks=4,
        observations=5,
        rejected={"motion": 7, "length": 0},
        unreadable={"a.mp4": "video_broken"},
    )
    text = "\n".join(show(result))
    assert "1,200" in text and "rejected by motion" in text and "rejected by length" not in text
    [line] = [line for line in text.splitlines() if "unreadable" in line]
    assert " 1 " in line

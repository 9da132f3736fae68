"""Example requests of every kind, for the OpenAPI document and its reference pages."""

from typing import Any, NamedTuple

IMAGE = {"id": "3f0a1b5c7d9e2f4a6b8c0d1e3f5a7b9c1d3e5f7a9b0c2d4e6f8a1b3c5d7e9f01"}
VIDEO = {"id": "9b2d4f6a8c0e1f3a5b7c9d1e3f5a7b9c0d2e4f6a8b1c3d5e7f9a0b2c4d6e8f13"}
DEPTH = {"id": "c4e6a8b0d2f41638597a9bbcdde0f1234567890abcdef1234567890abcdef125"}
ASSET = {"id": "5d7f9b1c3e5a7f92b4d6c8eaf0c1d3e5f7091b2d4f6a8c0e2041638597abcd17"}
JOB = "job_18ec9079d7c0b805167fa1cf90ad"


class Example(NamedTuple):
    """A request that the service takes, once its media are uploaded, and what it is for."""

    summary: str
    value: dict[str, Any]


def _job(kind: str, summary: str, **fields: Any) -> Example:
    return Example(summary, {"kind": kind, **fields})


JOBS: dict[str, Example] = {
    "segment_phrases": _job(
        "segment", "Every person and every red car of an image", image=IMAGE, text=["person", "red car"]
    ),
    "segment_prompts": _job(
        "segment",
        "One object by a box, another one by a click, with polygons",
        image=IMAGE,
        boxes=[{"x0": 40, "y0": 60, "x1": 300, "y1": 420}],
        points=[[{"x": 170, "y": 240}, {"x": 20, "y": 20, "label": 0}]],
        outputs=["polygons"],
    ),
    "track_phrases": _job(
        "track", "Every car of a video, with an overlay", video=VIDEO, text=["car"], outputs=["overlay"]
    ),
    "track_prompts": _job(
        "track",
        "An object that is prompted on frame 40, followed both ways",
        video=VIDEO,
        prompts=[{"frame": 40, "box": {"x0": 20, "y0": 30, "x1": 80, "y1": 120}}],
        direction="both",
    ),
    "objects_metric": _job(
        "objects",
        "Each cup in metres, from a depth map of the image",
        image=IMAGE,
        text=["cup"],
        depth={"media": DEPTH, "metres_per_unit": 0.001},
        camera={"fx": 600, "fy": 600, "cx": 320, "cy": 240},
        formats=["glb", "ply"],
    ),
    "objects_from_job": _job(
        "objects",
        "The objects of an earlier segment job, with a turntable",
        from_job=JOB,
        outputs=["turntable"],
    ),
    "objects_multiview": _job(
        "objects", "Each cup from many frames of a video", video=VIDEO, text=["cup"], multiview=True
    ),
    "bodies_image": _job("bodies", "Each person of an image as a rigged mesh", image=IMAGE, max_people=4),
    "bodies_video": _job(
        "bodies", "Each person of a video as a rigged mesh that moves", video=VIDEO, formats=["glb", "bvh"]
    ),
    "scene": _job(
        "scene", "People and chairs of an image in one camera frame", image=IMAGE, text=["person", "chair"]
    ),
    "scene_from_job": _job(
        "scene",
        "The instances of an earlier segment job in metres, with simulation packages",
        from_job=JOB,
        depth={"media": DEPTH, "metres_per_unit": 0.001},
        outputs=["simulation"],
    ),
    "convert": _job("convert", "A splat or a mesh in other formats", asset=ASSET, formats=["ply"]),
    "dataset_regate": _job(
        "dataset",
        "Other bounds for the version of an earlier dataset job",
        from_job=JOB,
        gates={"flicker": {"high": 0.2}},
    ),
    "dataset_review": _job(
        "dataset",
        "Tracks of an earlier dataset job that a person rejects or keeps",
        from_job=JOB,
        reviews=[
            {
                "clip": "0f3a9c2e",
                "track": 2,
                "verdict": "reject",
                "reason": "a reflection",
                "reviewer": "Ada",
            },
            {"clip": "0f3a9c2e", "track": 3, "verdict": "keep", "reviewer": "Ada"},
        ],
    ),
    "dataset": _job(
        "dataset",
        "Clips and tracks of people from videos",
        videos=[VIDEO],
        text=["person"],
        sources=[{"name": "walk.mp4", "licence": "CC-BY-4.0"}],
        clip_seconds=4,
        gates={"motion": {"low": 0.2}},
    ),
}

SESSIONS: dict[str, Example] = {
    "open": Example("A session on a video, with a phrase", {"video": VIDEO["id"], "text": ["person"]}),
}
PROMPTS: dict[str, Example] = {
    "box": Example("Start an object", {"frame": 12, "box": {"x0": 20, "y0": 30, "x1": 80, "y1": 120}}),
    "points": Example(
        "Correct object 1 by a click", {"frame": 20, "object": 1, "points": [{"x": 50, "y": 70, "label": 0}]}
    ),
}
PROPAGATIONS: dict[str, Example] = {
    "next": Example("Track through the next 100 frames", {"max_frames": 100}),
}

LINKS: dict[str, Example] = {"a_day": Example("A link that expires after a day", {"expires_seconds": 86_400})}

KEYS: dict[str, Example] = {
    "viewer": Example(
        "A key that reads, for a month", {"name": "viewer", "scopes": ["read"], "expires_days": 30}
    ),
    "admin": Example("A key that administers alone", {"name": "admin", "scopes": ["admin"]}),
}

ROTATIONS: dict[str, Example] = {
    "an_hour": Example("The old key stays valid for an hour", {"overlap_seconds": 3600})
}

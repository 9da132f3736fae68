"""Datasets of rendered scenes, each rendered twice with one difference whose truth is known.

    python -m scripts.draw_scenes surprises FOLDER --pairs 12 --seed 0
    python -m scripts.draw_scenes edits FOLDER --pairs 12 --seed 0

`surprises` tests world models: until a frame both clips of a pair are equal, then in one of them an object
teleports, changes its colour or vanishes. `surprises.json` says which clip is possible, which is not, and
from which frame. `edits` trains and tests models of edits: in the second clip of a pair an object is moved,
turned, resized, replaced or gone throughout, so its frames are what the edit should look like. Both are
ordinary datasets with exact masks, depth, boxes and cameras; the table `changes` leads from clip to clip.
The same seed gives the same bytes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from maquette.plain_text import print_line

from scripts.drawn_scenes.clips import RenderedClip, plan_clip, render_script
from scripts.drawn_scenes.twins import EDITS, SURPRISES, find_moments, make_twin
from workers.datasets import oriented_boxes
from workers.datasets.changes.frame_state import ClipStates
from workers.datasets.changes.measuring import SceneEdit, measure_changes
from workers.datasets.importers.clip_publishing import publish_clips
from workers.datasets.importers.movi import rows
from workers.datasets.importers.movi.example import MoviExample
from workers.datasets.importers.movi.observations import build_observations
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ChangeRow
from workers.geometry.poses import quaternion_from_matrix

RATE, FRAMES, SIDE = 12.0, 24, 256
LICENCE = "Apache-2.0"
TRUTH = "surprises.json"
# of the image: an object that fills less is too small to surprise
LEAST_AREA = 0.008
# of the image: twins that differ in less at the decisive frame are no pair (the object is hidden by another)
LEAST_DIFFERENCE = 0.003
# of its pixels: an object that was moved has to be seen as much in its new place
LEAST_SEEN = 0.6
# levels of a colour by which a pixel differs
DIFFERENT = 24
# pairs of frames of an edit that are compared
COMPARED = 4

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
Folder = Annotated[Path, typer.Argument(help="Folder of the new dataset.")]
Pairs = Annotated[int, typer.Option(min=1, max=10_000, help="Pairs of clips.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all scenes.")]
Side = Annotated[int, typer.Option(min=64, max=1024, help="Pixels of the square frames.")]
Frames = Annotated[int, typer.Option(min=12, max=240, help="Frames of a clip.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A pair: which clip is possible, which is not, from which frame, and what happens to which track."""

    kind: str
    possible: str
    impossible: str
    frame: int
    seconds: float
    track: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Twins:
    """Two renderings of a scene that differ in one object from a frame on."""

    name: str
    operation: str
    first: RenderedClip
    second: RenderedClip
    frame: int
    index: int


@app.command()
def surprises(
    folder: Folder, pairs: Pairs = 12, seed: Seed = 0, side: Side = SIDE, frames: Frames = FRAMES
) -> None:
    """Pairs of clips of which one shows what cannot be."""
    clips, truth = [], []
    for number in range(pairs):
        kind = SURPRISES[number % len(SURPRISES)]
        twins = _draw_twins(f"surprise-{seed}-{number}", kind, [seed, number], (side, frames))
        possible, impossible = (_build_clip(twins, part, "test") for part in ("possible", "impossible"))
        clips += [_with_changes(possible, impossible, twins, [twins.frame]), impossible]
        truth.append(
            Surprise(
                kind=kind,
                possible=possible.id,
                impossible=impossible.id,
                frame=twins.frame,
                seconds=twins.frame / RATE,
                track=twins.index + 1,
                label=twins.first.labels[twins.index],
            )
        )
    manifest = publish_clips(clips, folder, "scripts.draw_scenes")
    content = {"dataset_version": manifest.version, "pairs": [asdict(item) for item in truth]}
    (folder / TRUTH).write_text(json.dumps(content, indent=1) + "\n")
    print_line(f"{pairs} pairs in {folder}, truth in {TRUTH}, version {manifest.version[:12]}")


@app.command()
def edits(
    folder: Folder, pairs: Pairs = 12, seed: Seed = 0, side: Side = SIDE, frames: Frames = FRAMES
) -> None:
    """Pairs of clips of which the second shows the first with one object edited."""
    clips = []
    for number in range(pairs):
        operation = EDITS[number % len(EDITS)]
        twins = _draw_twins(f"edit-{seed}-{number}", operation, [seed, number], (side, frames))
        before, after = (_build_clip(twins, part, "train") for part in ("before", "after"))
        seen = [row.frame for row in before.track_observations(twins.index + 1)]
        compared = sorted({seen[round(place)] for place in np.linspace(0, len(seen) - 1, COMPARED)})
        clips += [_with_changes(before, after, twins, compared), after]
    manifest = publish_clips(clips, folder, "scripts.draw_scenes")
    print_line(f"{pairs} pairs in {folder}, version {manifest.version[:12]}")


def _draw_twins(name: str, operation: str, seed: list[int], shape: tuple[int, int]) -> _Twins:
    """Render scenes until one has an object to which the operation can be done in sight."""
    side, frames = shape
    is_surprise = name.startswith("surprise")
    for attempt in range(100):
        rng = np.random.default_rng([20_261_130, *seed, attempt])
        script = plan_clip(int(rng.integers(1 << 31)), frames=frames, size=(side, side), moving_camera=True)
        first = render_script(script)
        middle = range(frames // 3, 2 * frames // 3)
        for frame, index in find_moments(first.ids, round(LEAST_AREA * side * side), middle)[:2]:
            start = frame if is_surprise else 0
            second = render_script(make_twin(script, operation, index, rng, start))
            differing = np.abs(first.frames[frame].astype(int) - second.frames[frame]).max(axis=2) > DIFFERENT
            if differing.mean() >= LEAST_DIFFERENCE and _is_seen(operation, first, second, frame, index):
                return _Twins(
                    name=name, operation=operation, first=first, second=second, frame=start, index=index
                )
    raise RuntimeError(f"no scene of {name} shows {operation}")


def _is_seen(operation: str, first: RenderedClip, second: RenderedClip, frame: int, index: int) -> bool:
    """Whether what is moved is in sight in its new place."""
    before, after = (int((clip.ids[frame] == index + 1).sum()) for clip in (first, second))
    return operation not in ("teleport", "move") or after >= LEAST_SEEN * before


def _build_clip(twins: _Twins, part: str, split: str) -> SceneClip:
    """One of two renderings as a clip of the record; both are one session."""
    rendered = twins.second if part in ("impossible", "after") else twins.first
    name = f"{twins.name}-{part}"
    example = _build_example(rendered, name)
    observations = build_observations(example)
    group = {"session": twins.name, "split_group": hashlib.sha256(twins.name.encode()).hexdigest()}
    tables = {
        "frames": rows.build_frame_rows(example),
        "cameras": rows.build_camera_rows(example),
        "tracks": rows.build_track_rows(example, observations),
        "observations": observations,
    }
    source = replace(rows.build_source_row(example, split), **group)
    return SceneClip.from_tables(replace(rows.build_clip_row(example, split), **group), source, tables)


def _build_example(clip: RenderedClip, name: str) -> MoviExample:
    count, objects = clip.world_from_object.shape[:2]
    corners = np.empty((objects, count, 8, 3))
    quaternions = np.empty((objects, count, 4))
    for frame in range(count):
        for index in range(objects):
            pose = clip.world_from_object[frame, index]
            quaternions[index, frame] = quaternion_from_matrix(pose[:3, :3])
            corners[index, frame] = oriented_boxes.compute_corners(
                pose[:3, 3], clip.sizes[index], quaternions[index, frame]
            )
    return MoviExample(
        digest=hashlib.sha256(name.encode() + clip.frames.tobytes()).hexdigest(),
        video=clip.frames,
        ids=clip.ids.astype(np.int64),
        intrinsics=clip.intrinsics,
        world_from_cam=clip.world_from_cam,
        depth=clip.depth.astype(np.float64),
        corners=corners,
        quaternions=quaternions,
        labels=clip.labels,
        rate=RATE,
        rate_assumed=False,
        name=name,
        licence=LICENCE,
        camera_source="given",
        intrinsics_source="given",
        scale_source="metric",
    )


def _with_changes(clip: SceneClip, other: SceneClip, twins: _Twins, frames: list[int]) -> SceneClip:
    """The clip with rows that lead from some of its frames to those of its twin."""
    edit = SceneEdit(operation=twins.operation, track=twins.index + 1)
    one, two = ClipStates.from_clip(clip), ClipStates.from_clip(other)
    changes: list[ChangeRow] = []
    for frame in frames:
        changes += measure_changes(one.at(frame), two.at(frame), edit)
    tables = {
        "frames": clip.frames,
        "cameras": clip.cameras,
        "tracks": clip.all_tracks,
        "observations": clip.observations,
        "changes": changes,
    }
    return SceneClip.from_tables(clip.row, clip.source, tables)


if __name__ == "__main__":
    app()

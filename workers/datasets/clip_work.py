"""One clip from pictures to shards: the stages in their order, and where each row comes from."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.datasets import parquet
from workers.datasets.appearance import crops, encoding
from workers.datasets.boxes3d import lifting
from workers.datasets.boxes3d.lifting import Box3d, ClipCamera
from workers.datasets.cameras import clip_camera
from workers.datasets.cameras.clip_camera import CameraPoses, PoseSolver
from workers.datasets.captions import composed, described, scoring
from workers.datasets.gates import scores3d, track_scores
from workers.datasets.manifest import FileEntry
from workers.datasets.protocols import Captioner, CropEncoder, InverseDynamics, TrackSource, Workspace
from workers.datasets.records import ClipRecord
from workers.datasets.schema import (
    TABLES,
    ActionRow,
    CameraRow,
    ClipRow,
    ConceptRow,
    DecisionRow,
    FeatureRow,
    ObservationRow,
    ScoreRow,
    TrackRow,
)
from workers.datasets.settings import TRACK_SIZE, DatasetSettings
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.source import KnownBox, Source
from workers.datasets.stages import actions
from workers.datasets.stages.keys import StageKey, hash_json, hash_rows
from workers.datasets.stages.measure import ClipMeasurer, TrackedClip, TrackObservation
from workers.datasets.stopwatch import Stopwatch
from workers.engines.protocols import ObjectEngine
from workers.formats.rle import decode_mask
from workers.geometry.cameras import Camera

PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class Components:
    """Who does the work; what is None is left out, and its absence shows in the rows."""

    track_source: TrackSource
    objects: ObjectEngine | None = None
    solver: PoseSolver | None = None
    encoder: CropEncoder | None = None
    captioner: Captioner | None = None
    dynamics: InverseDynamics | None = None
    clock: Stopwatch = field(default_factory=Stopwatch)

    @property
    def on_gpu(self) -> bool:
        """Whether clips are followed on a GPU."""
        return self.track_source.info.device.startswith("cuda")


class ClipWork:
    """Everything about one clip."""

    def __init__(
        self,
        workspace: Workspace,
        components: Components,
        settings: DatasetSettings,
        source: Source,
        plan: ClipPlan,
    ) -> None:
        self._workspace, self._components, self._settings = workspace, components, settings
        self._source, self._plan = source, plan

    def key(self) -> str:
        """The key of its record."""
        return hash_json([part.digest() for part in self.stage_keys()])

    def stage_keys(self) -> list[StageKey]:
        """What the clip's stages depend on; their digests together are the key of its record."""
        settings, info = self._settings, self._components.track_source.info
        mine: tuple[str, ...] = (self._source.sha256, self._plan.id)
        if (depth := self._source.info.depth) is not None:
            mine += (str(depth.media.id),)
        known = hash_rows([self._source.info.model_dump_json(exclude={"name", "licence", "consent"})])
        phrases = {"phrases": list(settings.phrases), "threshold": settings.threshold}
        engine = {"engine": f"{info.name}/{info.version}", "track_size": TRACK_SIZE}
        weights = dict(info.weights)
        encoder = self._components.encoder
        teller = None if self._components.captioner is None else self._components.captioner.info
        dynamics = self._components.dynamics
        return [
            StageKey("cameras", (*mine, known), {"solver": _solver_name(self._components.solver)}),
            StageKey("tracks", mine, {**phrases, **engine, "size": settings.size}, weights),
            StageKey("gates", mine, settings.policy.as_json()),
            StageKey("boxes3d", (*mine, known)),
            StageKey(
                "appearance",
                mine,
                {"crops": settings.crops, "encoder": None if encoder is None else encoder.name},
                {} if encoder is None else encoder.weights,
            ),
            # made later, of the clips that have something to lift
            StageKey("assets", mine, {"seed": settings.seed, "engine": None}),
            StageKey(
                "actions",
                (*mine, known),
                {"dynamics": None if dynamics is None else dynamics.name},
                {} if dynamics is None else dynamics.weights,
            ),
            StageKey(
                "captions",
                mine,
                {
                    "engine": composed.ENGINE,
                    "captioner": None if teller is None else f"{teller.name}/{teller.version}",
                },
                {} if teller is None else dict(teller.weights),
            ),
        ]

    def run(self, base: ClipRow, frames: Iterable[DecodedFrame]) -> ClipRecord:
        """Do the work; `frames` are the kept frames."""
        with closing(self._source.depths(self._plan.first, self._plan.frames[-1])) as depths:
            follower = ClipMeasurer(
                self._source,
                self._plan,
                self._components.track_source.tracks(self._source, self._plan),
                depths,
                self._settings.size,
                TRACK_SIZE,
                self._settings.crops,
                self._components.clock,
            )
            for frame in frames:
                follower.step(frame)
        followed = follower.finish()
        height, width = followed.size
        camera = clip_camera.build_camera(self._source, width, height)
        with self._components.clock("cameras"):
            poses = self._poses(followed, camera)
        camera = poses.camera or camera
        with self._components.clock("boxes3d"):
            lifted = self._lift(followed, camera, poses)
        tracks, scores, decisions = self._judge(followed, lifted)
        kept = [(track, followed.seen[track.track]) for track in tracks if track.kept]
        camera_rows = clip_camera.build_camera_rows(self._plan.id, camera, poses, len(followed.frames))
        clip = replace(
            base,
            frames=len(followed.frames),
            width=width,
            height=height,
            camera_source=poses.source,
            intrinsics_source=camera.source,
            scale_source=poses.scale,
            flags=_flags(camera, poses, bool(kept)),
        )
        with self._components.clock("captions"):
            told = described.caption_clip(self._components.captioner, clip, followed, tracks, camera_rows)
        scores += scoring.build_caption_scores(told)
        decided = self._settings.policy.decide(scoring.build_caption_scores(told))
        if decided:
            told = [replace(row, kept=by.passed) for row, by in zip(told, decided, strict=True)]
        rows: dict[str, Sequence[Any]] = {
            "frames": followed.frames,
            "cameras": camera_rows,
            "observations": _observations(self._plan.id, kept, lifted),
            "features": self._features(followed, kept, (width, height)),
            "actions": self._actions(followed, camera_rows),
            "clips": [clip],
            "tracks": tracks,
            "concepts": self._concepts(followed, tracks),
            "captions": told,
            "assets": [],
            "scores": scores,
            "decisions": decisions + decided,
        }
        with self._components.clock("shards"):
            return self._record(rows)

    def _poses(self, followed: TrackedClip, camera: Camera) -> CameraPoses:
        given = clip_camera.load_given_poses(self._source, self._plan)
        if given is not None:
            return given
        if followed.still:
            poses = clip_camera.make_static_poses(len(followed.frames))
            # the world of a camera that stands still is its own frame: depth gives it its scale
            return replace(poses, scale="metric") if self._source.has_depth else poses
        if self._components.solver is not None:
            solved = self._components.solver(
                [row.jpeg for row in followed.frames], camera, partial(_hidden, followed)
            )
            if solved is not None:
                return solved
        return CameraPoses(None, "unknown", None, None)

    def _lift(self, followed: TrackedClip, camera: Camera, poses: CameraPoses) -> dict[int, dict[int, Box3d]]:
        view = ClipCamera(camera.matrix(), poses.matrices, poses.scale)
        known: dict[int, dict[int, KnownBox]] = {}
        if self._source.truth.boxes is not None:
            for local, index in enumerate(self._plan.frames):
                for track, box in self._source.truth.boxes(index).items():
                    known.setdefault(track, {})[local] = box
        return {
            track: lifting.lift_track(seen, followed.labels[track], view, known.get(track))
            for track, seen in followed.seen.items()
        }

    def _judge(
        self, followed: TrackedClip, lifted: Mapping[int, Mapping[int, Box3d]]
    ) -> tuple[list[TrackRow], list[ScoreRow], list[DecisionRow]]:
        pixels = followed.size[0] * followed.size[1]
        flat = track_scores.score_tracks(self._plan.id, followed.courses, pixels)
        tracks, scores, decisions = [], [], []
        for track in sorted(followed.seen):
            seen = followed.seen[track]
            mine = flat[track] + scores3d.score_track_3d(self._plan.id, track, seen, lifted[track])
            judged = self._settings.policy.decide(mine)
            tracks.append(self._track(followed, track, seen, lifted[track], judged))
            scores += mine
            decisions += judged
        return tracks, scores, decisions

    def _track(
        self,
        followed: TrackedClip,
        track: int,
        seen: Sequence[TrackObservation],
        lifted: Mapping[int, Box3d],
        judged: Sequence[DecisionRow],
    ) -> TrackRow:
        failed = tuple(row.gate for row in judged if not row.passed)
        prompt, phrases = followed.prompts[track], self._settings.phrases
        given = [item.score for item in seen if item.score is not None]
        sizes = [box.size for box in lifted.values()]
        views = followed.crops.get(track)
        best = views[0].frame if views else max(seen, key=lambda item: item.area).frame
        flags = {flag for item in seen for flag in item.flags} | {
            flag for box in lifted.values() for flag in box.flags
        }
        return TrackRow(
            clip=self._plan.id,
            track=track,
            concept=phrases[prompt] if prompt < len(phrases) else None,
            label=followed.labels[track],
            first_frame=seen[0].frame,
            last_frame=seen[-1].frame,
            frames=len(seen),
            mean_score=float(np.mean(given)) if given else None,
            mean_area=float(np.mean([item.area for item in seen])),
            visible_fraction=len(seen) / (seen[-1].frame - seen[0].frame + 1),
            size=tuple(float(value) for value in np.median(sizes, axis=0)) if sizes else None,
            scale_source=next(iter(lifted.values())).scale_source if lifted else None,
            reference_frame=best,
            kept=not failed,
            failed=failed,
            flags=tuple(sorted(flags)),
        )

    def _features(
        self,
        followed: TrackedClip,
        kept: Sequence[tuple[TrackRow, Sequence[TrackObservation]]],
        size: tuple[int, int],
    ) -> list[FeatureRow]:
        found: list[FeatureRow] = []
        for track, _ in kept:
            found += crops.build_crop_rows(
                self._plan.id, track.track, followed.crops.get(track.track, ()), *size
            )
        if self._components.encoder is not None:
            found += encoding.encode_crops(self._components.encoder, found)
        return found

    def _actions(self, followed: TrackedClip, camera_rows: Sequence[CameraRow]) -> list[ActionRow]:
        found = actions.build_actions(self._source, self._plan, camera_rows)
        if self._components.dynamics is not None:
            with self._components.clock("actions"):
                found += actions.infer_actions(
                    self._components.dynamics, self._plan, map(described.decode_image, followed.frames)
                )
        return found

    def _concepts(self, followed: TrackedClip, tracks: Sequence[TrackRow]) -> list[ConceptRow]:
        info = self._components.track_source.info
        engine = f"{info.name}/{info.version}"
        return [
            ConceptRow(
                clip=self._plan.id,
                phrase=phrase,
                found=sum(track.concept == phrase for track in tracks),
                kept=sum(track.concept == phrase and track.kept for track in tracks),
                engine=engine,
            )
            for phrase in self._settings.phrases
        ]

    def _record(self, rows: Mapping[str, Sequence[Any]]) -> ClipRecord:
        made = {
            "cameras": rows["cameras"],
            "tracks": rows["observations"],
            "gates": rows["decisions"],
            "boxes3d": rows["observations"],
            "appearance": rows["features"],
            "assets": rows["assets"],
            "actions": rows["actions"],
            "captions": rows["captions"],
        }
        lineage = [key.lineage(self._plan.id, hash_rows(made[key.stage])) for key in self.stage_keys()]
        shards = {}
        for name, table in TABLES.items():
            if not table.per_clip or not rows[name]:
                continue
            data = parquet.write(table.row, rows[name])
            file = f"{name}-{self._plan.id}.parquet"
            stored = self._workspace.store(file, "table", PARQUET, data)
            shards[name] = FileEntry(
                name=file, sha256=stored, bytes=len(data), rows=len(rows[name]), clip=self._plan.id
            )
        light = {name: list(rows[name]) for name in rows if not TABLES[name].per_clip}
        return ClipRecord(self._plan.id, shards, (), {**light, "lineage": lineage})


def _observations(
    clip: str,
    kept: Sequence[tuple[TrackRow, Sequence[TrackObservation]]],
    lifted: Mapping[int, Mapping[int, Box3d]],
) -> list[ObservationRow]:
    found = []
    for track, seen in kept:
        for item in seen:
            box = lifted[track.track].get(item.frame)
            x0, y0, x1, y1 = item.box
            found.append(
                ObservationRow(
                    clip=clip,
                    frame=item.frame,
                    track=track.track,
                    x0=x0,
                    y0=y0,
                    x1=x1,
                    y1=y1,
                    score=item.score,
                    mask_height=item.mask["size"][0],
                    mask_width=item.mask["size"][1],
                    mask_counts=item.mask["counts"],
                    area=item.area,
                    depth=item.depth,
                    center_cam=box.center_cam if box else None,
                    rotation_cam=box.rotation_cam if box else None,
                    center_world=box.center_world if box else None,
                    rotation_world=box.rotation_world if box else None,
                    size=box.size if box else None,
                    scale_source=box.scale_source if box else None,
                    box3d_source=box.source if box else None,
                    box3d_confidence=box.confidence if box else None,
                    flags=tuple(sorted({*item.flags, *(box.flags if box else ())})),
                )
            )
    return sorted(found, key=lambda row: (row.frame, row.track))


def _hidden(followed: TrackedClip, frame: int) -> NDArray[np.bool_]:
    """Where anything was followed in a frame, with a rim: it may move on its own."""
    out = np.zeros(followed.size, np.uint8)
    for seen in followed.seen.values():
        for item in seen:
            if item.frame == frame:
                out |= decode_mask(item.mask)
    return np.asarray(cv2.dilate(out, np.ones((5, 5), np.uint8)) > 0)


def _flags(camera: Camera, poses: CameraPoses, found: bool) -> tuple[str, ...]:
    flags = {
        "camera_assumed": camera.source == "assumed",
        "camera_unknown": poses.source == "unknown",
        "nothing_found": not found,
    }
    return tuple(name for name, true in flags.items() if true)


def _solver_name(solver: PoseSolver | None) -> str | None:
    return None if solver is None else getattr(solver, "name", type(solver).__name__)

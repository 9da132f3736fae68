"""Scores the tracks of a clip, decides which are kept, and writes their observations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workers.datasets.boxes3d.size_priors import is_implausible_size
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.gates.scores3d import score_track_3d
from workers.datasets.gates.track_scores import score_tracks
from workers.datasets.observations import TrackedClip, TrackObservation
from workers.datasets.oriented_boxes import Box3d
from workers.datasets.schema import ConceptRow, DecisionRow, ObservationRow, ScoreRow, TrackRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.stages.base import ClipStage
from workers.engines.protocols import EngineInfo


class TrackGateStage(ClipStage):
    """Adds the rows of `tracks`, `concepts`, `scores` and `decisions`, and the observations of all tracks.

    `engine` is the one that tracked.
    """

    name = "gates"
    version = "9"

    def __init__(self, settings: DatasetSettings, engine: EngineInfo) -> None:
        self._policy, self._phrases = settings.policy, settings.phrases
        self._engine = f"{engine.name}/{engine.version}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The policy."""
        return self._policy.as_json()

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Score every track, and keep those that pass all gates."""
        tracked = batch.tracked
        pixels = tracked.size[0] * tracked.size[1]
        flat = score_tracks(batch.clip, tracked.stats, pixels, batch.task.plan.times)
        tracks: list[TrackRow] = []
        scores: list[ScoreRow] = []
        decisions: list[DecisionRow] = []
        for track, observations in sorted(tracked.observations.items()):
            boxes = batch.boxes[track]
            own = flat[track] + score_track_3d(
                batch.clip, track, observations, boxes, tracked.stats[track].growths
            )
            decided = self._policy.decide(own)
            failed = tuple(row.gate for row in decided if not row.passed)
            tracks.append(self._build_track(batch.clip, track, tracked, boxes, failed))
            scores += own
            decisions += decided
        batch = batch.with_rows(
            tracks=tracks,
            concepts=self._build_concepts(batch.clip, tracks, was_searched=tracked.was_searched),
            scores=scores,
            decisions=decisions,
        )
        clip = batch.clip_row
        if not batch.kept_tracks:
            flag = (
                "tracks_rejected" if tracks else "nothing_found" if tracked.was_searched else "not_searched"
            )
            clip = replace(clip, flags=(*clip.flags, flag))
        return batch.with_rows(
            clips=[clip],
            observations=_build_observations(batch, batch.kept_tracks),
            rejected_observations=_build_observations(batch, batch.rejected_tracks),
        )

    def _build_track(
        self,
        clip: str,
        track: int,
        tracked: TrackedClip,
        boxes: Mapping[int, Box3d],
        failed: tuple[str, ...],
    ) -> TrackRow:
        observations, prompt = tracked.observations[track], tracked.prompts[track]
        scores = [item.score for item in observations if item.score is not None]
        sizes = [box.size for box in boxes.values()]
        first, last = observations[0].frame, observations[-1].frame
        flags = {flag for item in observations for flag in item.flags}
        flags |= {flag for box in boxes.values() for flag in box.flags}
        flags |= set(tracked.track_flags.get(track, ()))
        size = tuple(float(value) for value in np.median(sizes, axis=0)) if sizes else None
        scale_source = next(iter(boxes.values())).scale_source if boxes else None
        if size and scale_source == "metric" and is_implausible_size(max(size), tracked.labels[track]):
            flags.add("size_implausible")
        return TrackRow(
            clip=clip,
            track=track,
            concept=self._phrases[prompt] if prompt < len(self._phrases) else None,
            label=tracked.labels[track],
            first_frame=first,
            last_frame=last,
            frames=len(observations),
            mean_score=float(np.mean(scores)) if scores else None,
            mean_area=float(np.mean([item.area for item in observations])),
            visible_fraction=len(observations) / (last - first + 1),
            size=size,
            scale_source=scale_source,
            reference_frame=_choose_reference(tracked, track),
            kept=not failed,
            failed=failed,
            flags=tuple(sorted(flags)),
        )

    def _build_concepts(
        self, clip: str, tracks: Sequence[TrackRow], *, was_searched: bool
    ) -> list[ConceptRow]:
        """A row per phrase; phrases that were searched for in vain are negatives."""
        rows = []
        for phrase in self._phrases:
            own = [track.kept for track in tracks if track.concept == phrase]
            missing = "absent" if was_searched else "unknown"
            presence = "present" if any(own) else "rejected" if own else missing
            rows.append(
                ConceptRow(
                    clip=clip,
                    phrase=phrase,
                    found=len(own),
                    kept=sum(own),
                    engine=self._engine,
                    presence=presence,
                )
            )
        return rows


def _choose_reference(tracked: TrackedClip, track: int) -> int:
    """The frame of the best crop, or without crops the one with the largest mask."""
    crops = tracked.crops.get(track)
    if crops:
        return crops[0].frame
    return max(tracked.observations[track], key=lambda item: item.area).frame


def _build_observations(
    batch: ClipBatch, tracks: Sequence[tuple[TrackRow, Sequence[TrackObservation]]]
) -> list[ObservationRow]:
    """The rows of some tracks, by frame and then by track."""
    rows = [
        _build_observation(batch.clip, track.track, item, batch.boxes[track.track].get(item.frame))
        for track, observations in tracks
        for item in observations
    ]
    return sorted(rows, key=lambda row: (row.frame, row.track))


def _build_observation(clip: str, track: int, item: TrackObservation, box: Box3d | None) -> ObservationRow:
    x0, y0, x1, y1 = item.box
    return ObservationRow(
        clip=clip,
        frame=item.frame,
        track=track,
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

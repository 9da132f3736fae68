"""Writes captions of the clip and its kept tracks, and checks what they state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workers.datasets.captions.composed import ENGINE, compose_captions
from workers.datasets.captions.engine_captions import describe_with_engine
from workers.datasets.captions.scoring import build_caption_scores, score_captions
from workers.datasets.clip_batch import ClipBatch
from workers.datasets.gates.policy import GatePolicy
from workers.datasets.protocols import Captioner
from workers.datasets.schema import CaptionRow
from workers.datasets.stages.base import ClipStage


class CaptionStage(ClipStage):
    """Adds the rows of `captions`, and their scores and decisions.

    A plug-in runs on the worker that has the clip's frames: its stage declares no GPU of its own.
    """

    name = "captions"
    version = "4"

    def __init__(self, captioner: Captioner | None, policy: GatePolicy) -> None:
        self._captioner, self._policy = captioner, policy

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The version of composed captions, and the engine that is plugged in."""
        info = None if self._captioner is None else self._captioner.info
        return {"engine": ENGINE, "captioner": None if info is None else f"{info.name}/{info.version}"}

    @property
    def weights(self) -> Mapping[str, str]:
        """Those of the engine that is plugged in."""
        return {} if self._captioner is None else dict(self._captioner.info.weights)

    def run(self, batch: ClipBatch) -> ClipBatch:
        """Caption, score and decide; raises DatasetError `captions_mismatch`."""
        captions = self._write(batch)
        scores = build_caption_scores(captions)
        decisions = self._policy.decide(scores)
        if decisions:
            captions = [
                replace(row, kept=decision.passed) for row, decision in zip(captions, decisions, strict=True)
            ]
        return batch.with_rows(
            captions=captions,
            scores=[*batch.rows["scores"], *scores],
            decisions=[*batch.rows["decisions"], *decisions],
        )

    def _write(self, batch: ClipBatch) -> list[CaptionRow]:
        """Scored captions; an engine's come first, for readers who want one caption take the first."""
        clip, tracked, tracks = batch.clip_row, batch.tracked, batch.rows["tracks"]
        rows = compose_captions(
            clip, tracks, tracked.observations, tracked.crops, was_searched=tracked.was_searched
        )
        if self._captioner is not None:
            frames, observations = tracked.frames, tracked.observations
            rows = describe_with_engine(self._captioner, frames, tracks, observations) + rows
        return score_captions(rows, clip, tracks, tracked.observations, tracked.crops, batch.rows["cameras"])

"""Reads a source in order: for its survey piece by piece, or clip by clip."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from media.sandbox import DecodedFrame
from workers.datasets.clip_plan import ClipPlan
from workers.datasets.shots.dissolves import LOOKBACK
from workers.datasets.shots.survey import Survey, SurveyState, survey_frames
from workers.datasets.source import FrameStream, Source, SourceFrames


class SurveyReader:
    """A source that is surveyed in pieces of so many frames; nothing is decoded before the first is read."""

    def __init__(self, source: Source, piece: int) -> None:
        self._source, self._piece = source, piece
        self._opened: SourceFrames | None = None
        self._state = SurveyState()

    def read(self, start: int, report: Callable[[int], None]) -> Survey:
        """The piece that begins at frame `start`; empty at the end of the source."""
        if self._opened is None:
            # frames before show what has changed
            before = min(start, LOOKBACK)
            self._opened = self._source.open(start - before, None)
            for frame in islice(self._opened.frames, before):
                self._state.skip(frame.pixels)
        frames = islice(self._opened.frames, self._piece)
        return survey_frames(frames, self._opened.time_base, report, self._state)

    def close(self) -> None:
        """Free the decoder."""
        if self._opened is not None:
            self._opened.close()


class ClipReader:
    """Reads the clips of a source in one pass up to frame `last`; nothing is decoded before it is needed."""

    def __init__(self, source: Source, last: int) -> None:
        self._source, self._last = source, last
        self._frames: FrameStream | None = None
        self._is_finished = False

    def read(self, plan: ClipPlan) -> Iterator[DecodedFrame]:
        """The kept frames of a clip that starts after all that were read, with their times in the plan."""
        times = dict(zip(plan.frames, plan.pts, strict=True))
        if self._frames is None:
            self._frames = self._source.open(plan.first, self._last - plan.first + 1).frames
        for frame in self._frames:
            self._is_finished = frame.index == self._last
            if frame.index in times:
                yield replace(frame, pts=times[frame.index])
            if frame.index >= plan.last:
                return

    def close(self) -> None:
        """Free the decoder; one that has delivered all frames is read to its end, and can be used again."""
        if self._frames is not None:
            if self._is_finished:
                next(self._frames, None)
            self._frames.close()

"""Walks through a source that can stop and go on: one for the survey, one for the clips."""

from collections.abc import Callable, Iterator
from itertools import islice

from media.sandbox import DecodedFrame
from workers.datasets.shots.clip_planning import ClipPlan
from workers.datasets.shots.dissolves import LOOKBACK
from workers.datasets.shots.survey import Survey, SurveyState, survey_frames
from workers.datasets.source import FrameStream, Source, SourceFrames

# frames between two checkpoints of a survey
PIECE = 4096


class SurveyReader:
    """A source that is surveyed piece by piece: a long one is not begun again from its first frame."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._opened: SourceFrames | None = None
        self._past = SurveyState()

    def __enter__(self) -> "SurveyReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            self._opened.close()

    def look(self, start: int, told: Callable[[int], None]) -> Survey:
        """The piece that begins at frame `start`; empty at the end of the source."""
        if self._opened is None:
            # frames before are needed to see what changed
            seen = min(start, LOOKBACK)
            self._opened = self._source.open(start - seen, None)
            for frame in islice(self._opened.frames, seen):
                self._past.pass_over(frame.pixels)
        return survey_frames(islice(self._opened.frames, PIECE), self._opened.time_base, told, self._past)


class ClipReader:
    """One walk through a source that hands out its clips; nothing is decoded before the first is wanted."""

    def __init__(self, source: Source, last: int) -> None:
        self._source, self._last = source, last
        self._frames: FrameStream | None = None
        self._done = False

    def clip(self, item: ClipPlan) -> Iterator[DecodedFrame]:
        """The kept frames of a clip that starts after all that were handed out."""
        if self._frames is None:
            self._frames = self._source.open(item.first, self._last - item.first + 1).frames
        for frame in self._frames:
            self._done = frame.index == self._last
            if frame.index >= item.first and (frame.index - item.first) % item.step == 0:
                yield frame
            if frame.index >= item.last:
                return

    def close(self) -> None:
        """Free the decoder; one that has given all it was asked for comes to its end, and lives on."""
        if self._frames is not None:
            if self._done:
                next(self._frames, None)
            self._frames.close()

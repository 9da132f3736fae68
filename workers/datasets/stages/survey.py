"""Surveys a source in pieces, so that a long one is not begun again from its first frame."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from workers.datasets.clip_reader import SurveyReader
from workers.datasets.protocols import Workspace
from workers.datasets.shots.survey import Survey, join_surveys
from workers.datasets.source import Source
from workers.datasets.stages.base import Resources
from workers.datasets.stages.keys import StageKey
from workers.datasets.tasks import SurveyTask

# frames of a piece, after which a survey can be resumed: some 20 seconds of work (docs/scale.md)
PIECE = 4096


class SurveyStage:
    """Adds the survey of a source."""

    name = "survey"
    version = "5"
    resources: Resources = "cpu"

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def key(self, task: SurveyTask) -> StageKey:
        """What the survey of a source depends on."""
        return StageKey(self.name, self.version, (task.source.sha256,))

    def run(self, batch: SurveyTask) -> SurveyTask:
        """Survey every frame; pieces that an interrupted run finished come from the cache."""
        return replace(batch, survey=join_surveys(list(self._survey_pieces(batch))))

    def _survey_pieces(self, task: SurveyTask) -> Iterator[Survey]:
        with closing(SurveyReader(task.source, PIECE)) as reader:
            number = 0
            while True:
                piece = self._survey_piece(task, reader, number)
                yield piece
                if len(piece) < PIECE:
                    return
                number += 1

    def _survey_piece(self, task: SurveyTask, reader: SurveyReader, number: int) -> Survey:
        key = replace(self.key(task), parameters={"piece": number, "frames": PIECE}).digest()
        cached = self._workspace.get_cached(key)
        if cached is not None:
            return Survey.decode(cached)
        start = number * PIECE

        def report(done: int) -> None:
            source: Source = task.source
            self._workspace.report_progress(self.name, start + done, source.frame_count, task.message)

        piece = reader.read(start, report)
        # after the last one the survey itself is kept
        if len(piece) == PIECE:
            self._workspace.put_cached(key, piece.encode())
        return piece

"""The survey of one source, piece by piece, so that a long one is not begun again from its first frame."""

from workers.datasets import clip_reader
from workers.datasets.clip_reader import SurveyReader
from workers.datasets.protocols import Workspace
from workers.datasets.shots.survey import Survey, join_surveys
from workers.datasets.source import Source
from workers.datasets.stages.keys import StageKey
from workers.datasets.stopwatch import Stopwatch

STAGE = "survey"


def survey_source(
    workspace: Workspace, clock: Stopwatch, source: Source, message: str | None = None
) -> Survey:
    """Look at every frame; pieces that were looked at before are recalled."""
    parts: list[Survey] = []
    with clock(STAGE), SurveyReader(source) as pieces:
        while not parts or len(parts[-1]) == clip_reader.PIECE:
            key = StageKey(
                STAGE, (source.sha256,), {"piece": len(parts), "frames": clip_reader.PIECE}
            ).digest()
            known = workspace.get_cached(key)
            start = len(parts) * clip_reader.PIECE

            def told(done: int, start: int = start) -> None:
                workspace.report_progress(STAGE, start + done, source.frame_count, message)

            found = Survey.decode(known) if known is not None else pieces.look(start, told)
            if known is None:
                workspace.put_cached(key, found.encode())
            parts.append(found)
    return join_surveys(parts)

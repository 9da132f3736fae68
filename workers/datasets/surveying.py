"""The survey of one source, piece by piece, so that a long one is not begun again from its first frame."""

from workers.datasets import reels
from workers.datasets.ports import Ports
from workers.datasets.reels import Pieces
from workers.datasets.source import Source
from workers.datasets.stages.keys import StageKey
from workers.datasets.stages.survey import Survey, joined
from workers.datasets.stopwatch import Stopwatch

STAGE = "survey"


def surveyed(ports: Ports, clock: Stopwatch, source: Source, message: str | None = None) -> Survey:
    """Look at every frame; pieces that were looked at before are recalled."""
    parts: list[Survey] = []
    with clock(STAGE), Pieces(source) as pieces:
        while not parts or len(parts[-1]) == reels.PIECE:
            key = StageKey(STAGE, (source.sha256,), {"piece": len(parts), "frames": reels.PIECE}).digest()
            known = ports.recall(key)
            start = len(parts) * reels.PIECE

            def told(done: int, start: int = start) -> None:
                ports.progress(STAGE, start + done, source.frame_count, message)

            found = Survey.decode(known) if known is not None else pieces.look(start, told)
            if known is None:
                ports.remember(key, found.encode())
            parts.append(found)
    return joined(parts)

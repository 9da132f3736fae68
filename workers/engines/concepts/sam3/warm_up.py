"""One blank picture through a loaded engine: what cannot run there ends the start, not a user's job."""

import numpy as np

from workers.engines.protocols import ConceptEngine, VisualPrompt

SIDE = 64


def warm_up(engine: ConceptEngine) -> None:
    """Embed a picture, look for a phrase and answer a box; raises whatever the engine raises.

    Kernels are compiled and chosen on the first picture, and memory is reserved.
    """
    handle = engine.embed(np.zeros((SIDE, SIDE, 3), np.uint8), "warm-up")
    engine.ground(handle, ["object"])
    engine.segment(handle, [VisualPrompt(box=(SIDE / 4, SIDE / 4, 3 * SIDE / 4, 3 * SIDE / 4))])

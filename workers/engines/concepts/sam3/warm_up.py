"""One blank picture through a loaded engine: what cannot run there ends the start, not a user's job."""

import numpy as np

from workers.engines.protocols import BatchedConceptEngine, ConceptEngine, GroundingQuery, VisualPrompt

SIDE = 64
# images of the batch that warms up
BATCH = 2


def warm_up(engine: ConceptEngine) -> None:
    """Embed a picture, look for a phrase and answer a box; raises whatever the engine raises.

    Kernels are compiled and chosen on the first picture, and memory is reserved. An engine that accepts
    batches also gets a batch, for which other kernels are chosen.
    """
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    handle = engine.embed(blank, "warm-up")
    engine.ground(handle, ["object"])
    engine.segment(handle, [VisualPrompt(box=(SIDE / 4, SIDE / 4, 3 * SIDE / 4, 3 * SIDE / 4))])
    if isinstance(engine, BatchedConceptEngine):
        handles = engine.embed_batch([engine.prepare(blank, f"warm-up-{number}") for number in range(BATCH)])
        queries = [GroundingQuery(each, ("object",)) for each in handles]
        for query, raw in zip(queries, engine.ground_batch(queries), strict=True):
            engine.finish(query, raw)

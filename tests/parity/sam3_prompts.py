"""Prompts on frames of the made-up videos, and the engine that they go to."""

from typing import Any

import numpy as np

from tests.parity.sam3_runs import CLICK, FIRST, LIVELY, PHRASES, SEED
from tests.parity.sam3_tiny import SIZE, tiny_loaded, tiny_model
from workers.engines.concepts.sam3.settings import Sam3Settings
from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts
from workers.engines.protocols import FrameResult, Removal, TimedPrompt, TrackPrompts, VisualPrompt

OTHER = VisualPrompt(box=(90.0, 40.0, 138.0, 85.0))
DRAWN = np.zeros(SIZE, np.bool_)
DRAWN[30:60, 90:130] = True


def lively_engine() -> Sam3Concepts:
    """An engine whose objects are born, reconditioned and removed."""
    settings = Sam3Settings(source="random", max_objects=6, pad_geometry=False)
    return Sam3Concepts(settings, loaded=tiny_loaded(tiny_model(SEED, **LIVELY), settings))


def at(number: int, name: int, click: VisualPrompt) -> TimedPrompt:
    return TimedPrompt(FIRST + number, name, click)


def points(*xyl: tuple[float, float, int]) -> VisualPrompt:
    return VisualPrompt(
        points=np.array([each[:2] for each in xyl], np.float64), labels=np.array([each[2] for each in xyl])
    )


def clicked(*clicks: TimedPrompt, objects: int = 1, removals: tuple[Removal, ...] = ()) -> TrackPrompts:
    return TrackPrompts(objects=objects, visual_prompts=clicks, removals=removals)


def find_mask(result: FrameResult, name: int) -> Any:
    actual = [item.mask for item in result.objects if item.id == name]
    return actual[0] if actual else np.zeros(SIZE, np.bool_)


EVERYTHING = TrackPrompts(
    PHRASES,
    objects=2,
    visual_prompts=(
        at(3, 1, CLICK),
        at(9, 2, VisualPrompt(mask=DRAWN)),
        at(19, 1, points((30.0, 45.0, 1), (60.0, 10.0, 0))),
        at(19, 2, OTHER),
        at(30, 2, points((100.0, 50.0, 0))),
    ),
    removals=(Removal(FIRST + 33, 1),),
)

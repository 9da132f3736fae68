"""Scores of clips, from the survey of their source: what clip gates go by, before any engine has run."""

import numpy as np

from workers.datasets.clip_plan import ClipPlan
from workers.datasets.schema import ScoreRow
from workers.datasets.shots.frame_times import FrameTimes
from workers.datasets.shots.survey import Survey

STAGE = "survey"
NEAR_DUPLICATE = "near_duplicate"
# seconds that motion is stated for: frames of usual videos are so far apart
MOTION_INTERVAL = 1 / 24


def score_clip(
    plan: ClipPlan, survey: Survey, times: FrameTimes, duplicate_distance: float
) -> list[ScoreRow]:
    """duration seconds; timestamps share of frames whose times cannot be right; luminance, sharpness, motion
    as in `Survey`; near_duplicate bits; text_area share.

    `motion` is the change per 1/24 s, whatever the rate of the source; it is null for a clip of one
    frame, `text_area` where no frame of the clip was searched for text.
    """
    inside = slice(plan.first, plan.last + 1)
    motion = survey.motion[plan.first + 1 : plan.last + 1]
    text = survey.text[inside][np.isfinite(survey.text[inside])]
    # changes are small against their range, and so about proportional to time
    steps = MOTION_INTERVAL / times.interval if times.interval else 1.0
    scores: list[tuple[str, float | None, str]] = [
        ("duration", plan.length, "seconds"),
        ("timestamps", float(times.broken[inside].mean()), "share"),
        ("luminance", float(survey.luminance[inside].mean()), "0..255"),
        ("sharpness", float(np.median(survey.sharpness[inside])), "variance"),
        ("motion", float(motion.mean()) * steps if len(motion) else None, "0..255"),
        (NEAR_DUPLICATE, duplicate_distance, "bits of 64"),
        ("text_area", float(np.median(text)) if len(text) else None, "share"),
    ]
    return [
        ScoreRow(clip=plan.id, track=None, stage=STAGE, name=name, value=value, unit=unit)
        for name, value, unit in scores
    ]

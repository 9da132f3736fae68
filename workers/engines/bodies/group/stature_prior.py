"""What is known of a person's stature before the floor is: adults and children, and faces.

A mixture over the natural logarithm of the stature in metres, tabulated so that a search can look it up.
"""

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.group.cues import PersonCue
from workers.engines.bodies.group.stature import ADULT_METRES

Floats = NDArray[np.float64]
# Logarithms of statures (m) of the tables: 0.3 m to 5 m, beyond anybody's.
LOG_STATURES = np.linspace(np.log(0.3), np.log(5.0), 480)
# Deviation of the logarithm of adults' statures: 7 and 6.5 cm within each sex.
ADULT_DEVIATION = 0.06
# Children from one year to fifteen, and their share among people (World Population Prospects 2022: 0.25).
CHILD_METRES, CHILD_SHARE = (0.75, 1.58), 0.25
# Logarithms of the sizes of faces and of heads in masks (`head_size`): their means for adults, by how much
# they grow for each metre that a child is shorter, their deviations, and the density of one that was misread,
# so that no single one decides. Means and deviations lie between those of 306 drawn people through BlazePose
# (faces -0.11, 0.10; heads 0.18, 0.10) and of 18 adults of photos (0.00, 0.07; 0.23, 0.10). Six
# schoolchildren have faces of 0.06 to 0.42 and heads of 0.39 to 0.63.
FACE_ADULT, FACE_PER_METRE, FACE_DEVIATION, FACE_OUTLIER = -0.05, 0.35, 0.10, 0.06
HEAD_ADULT, HEAD_PER_METRE, HEAD_DEVIATION, HEAD_OUTLIER = 0.19, 0.45, 0.10, 0.03
# Statures (m) of a school class or a team of children, whose people are of one age: the share of such groups,
# the share of their people who are of that age, and the deviation of the logarithm within it. A group of
# children is one coincidence, not one for each child. Chosen; the deviation is from WHO growth references.
COHORTS = tuple(np.arange(0.85, 1.5, 0.1).tolist())
COHORT_SHARE, IN_COHORT, COHORT_DEVIATION, MIN_COHORT = 0.3, 0.85, 0.08, 3
# Deviation of the logarithm of a height that is given: it is taken as exact as shoes allow.
KNOWN_DEVIATION = 0.01


def tabulate_stature_density(cue: PersonCue, cohort: float | None = None) -> Floats:
    """The density over the logarithm of the stature at LOG_STATURES (N,); it need not integrate to one.

    With a `cohort`, of people most of whom are children of that stature in metres.
    """
    if cue.known is not None:
        return _normal(LOG_STATURES, np.log(cue.known), KNOWN_DEVIATION)
    statures = np.exp(LOG_STATURES)
    adult = (1 - CHILD_SHARE) * _normal(LOG_STATURES, np.log(ADULT_METRES), ADULT_DEVIATION)
    low, high = CHILD_METRES
    # a soft upper end: growth does not stop at one height
    ends = 1 / (1 + np.exp((statures - high) / 0.03)) / (1 + np.exp((low - statures) / 0.03))
    child = CHILD_SHARE * ends * statures / (high - low)
    shorter = np.maximum(ADULT_METRES - statures, 0.0)
    as_adult, as_child = (_rate_head(cue, metres) for metres in (np.zeros_like(shorter), shorter))
    if cohort is not None:
        peers = _normal(LOG_STATURES, np.log(cohort), COHORT_DEVIATION)
        adult, child = (1 - IN_COHORT) * adult, (1 - IN_COHORT) * child + IN_COHORT * peers
    density: Floats = adult * as_adult + child * as_child
    return density


def _rate_head(cue: PersonCue, shorter: Floats) -> Floats:
    """Likelihoods (N,) of a person's face and head at so many metres less than an adult."""
    face, head = FACE_ADULT + FACE_PER_METRE * shorter, HEAD_ADULT + HEAD_PER_METRE * shorter
    of_face = _normal(np.array(cue.face), face, FACE_DEVIATION) + FACE_OUTLIER
    of_head = _normal(np.array(cue.head), head, HEAD_DEVIATION) + HEAD_OUTLIER
    likelihood: Floats = of_face**cue.face_weight * of_head**cue.head_weight
    return likelihood


def _normal(x: Floats, mean: Floats | float, deviation: float) -> Floats:
    density: Floats = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    return density

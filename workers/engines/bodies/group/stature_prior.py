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
# What shows a child, as logarithms (`head_size`): the face, and in the mask the head's size, its crown and
# neck. Their means for adults, by how much they grow for each metre that a child is shorter and with the nod,
# and their covariance, as they err together. Of 719 drawn people through BlazePose whose head is seen (seeds
# 3000 to 3019 of `bodies.scenes`); the means lie between those and adults of photos (faces 0.0, heads 0.2),
# whose difference is in the covariance, and heads grow by a tenth more: real children's grow by half more
# (WHO: 52 cm about the head at 1.2 m).
ADULT_SIGNS = np.array([-0.056, 0.161, -2.422, 0.010])
SIGNS_PER_METRE = np.array([0.270, 0.376, 0.402, 0.052])
SIGNS_PER_NOD = np.array([-0.052, -0.218, -0.172, 0.145])
SIGN_COVARIANCE = np.array(
    [
        [0.0101, 0.0006, 0.0007, 0.0006],
        [0.0006, 0.0094, 0.0060, -0.0024],
        [0.0007, 0.0060, 0.0070, -0.0005],
        [0.0006, -0.0024, -0.0005, 0.0049],
    ]
)
# Likelihood of a face, and of a head in a mask, that was misread, as a share of the likeliest one's: so no
# single one decides. Chosen.
FACE_OUTLIER, HEAD_OUTLIER = 0.015, 0.0075
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
    seen = np.array([cue.face, cue.head.size, cue.head.crown, cue.head.neck])
    weights = np.array([cue.face_weight, *[cue.head.weight] * 3])
    expected = ADULT_SIGNS + SIGNS_PER_NOD * cue.nod + shorter[:, None] * SIGNS_PER_METRE
    errors = (seen - expected) * np.sqrt(weights)
    face, head = ([k for k in part if weights[k] > 0] for part in ((0,), (1, 2, 3)))
    both = _rate_signs(errors, [*face, *head])
    of_face, of_head = _rate_signs(errors, face), _rate_signs(errors, head)
    likelihood: Floats = both + FACE_OUTLIER * of_head + HEAD_OUTLIER * of_face + FACE_OUTLIER * HEAD_OUTLIER
    return likelihood


def _rate_signs(errors: Floats, chosen: list[int]) -> Floats:
    """Likelihoods (N,) of errors (N, 4) of the chosen signs together, 1 where there are none."""
    some = errors[:, chosen]
    squared = (some @ np.linalg.inv(SIGN_COVARIANCE[np.ix_(chosen, chosen)]) * some).sum(axis=1)
    return np.asarray(np.exp(-squared / 2))


def _normal(x: Floats, mean: Floats | float, deviation: float) -> Floats:
    density: Floats = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    return density

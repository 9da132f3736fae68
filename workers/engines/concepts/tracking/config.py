"""Every threshold of the default tracker, in one place.

What was measured: "Set on the clips" marks values that were chosen together on the rendered clips 100 to 119
(`scripts/drawn_scenes/clips.py`), when the foreground prior, adaptive key frames and search by colour were
added. On those clips mean IoU rose from 0.711 to 0.859 and IDF1 from 0.810 to 0.928; on clips 0 to 19, which
were not used, they are 0.862 and 0.936 (docs/benchmarks/concepts.md). The effect of each value alone is not
recorded. "Chosen, not measured" marks values for which no experiment is recorded; they were the same before
and after.

Units: colours are in grey levels (0 to 255), scores and shares in 0 to 1. "Working pixels" are those of the
frame scaled to `work_side`, "flow pixels" those of the frame scaled to `flow_side`.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrameConfig:
    """When the detector and MobileSAM run again (`key_frames.py`); intervals are in frames."""

    # Frames between an object's corrections at first and after a correction that changed its mask; between
    # key frames the detector alone looks for new objects at this distance. Set on the clips. A shorter
    # interval of 4 frames after large changes was given up: on clips 104 to 111 it gave a mean IoU of 0.857
    # instead of 0.854, for a quarter more key frames of a bedroom video.
    interval: int = 5
    # Longest interval, and the step by which it grows after each correction that changed little: each key
    # frame costs an encoding. Set on the clips.
    max_interval: int = 10
    interval_step: int = 2
    # IoU between propagated and corrected mask from which a correction changed little. Set on the clips.
    steady_iou: float = 0.92
    # Doubt about an object brings its correction forward to this share of its interval, and a key frame for
    # another object does. Set on the clips.
    early_share: float = 0.5
    # Surroundings that MobileSAM reads around each object on each side, as a share of its box's side. On 18
    # masks of a cluttered scene of 1280 x 720, drifted to an IoU of 0.709, corrections reach 0.829 on the
    # complete frame, 0.811 with this share and 0.798 with twice as much; with the frame scaled to 896 instead
    # of 1024 pixels 0.814 and 0.792.
    region_margin: float = 0.25
    # An object is in doubt when less than this share of its pixels has consistent flow, or when the ratio of
    # its areas in two frames leaves these bounds. Chosen, not measured.
    min_flow_trust: float = 0.4
    min_area_change: float = 0.8
    max_area_change: float = 1.25
    # An object of a phrase is in doubt, too, once it has moved by this many square roots of its usual area
    # since its correction: a mask that lags behind lies over someone else, and takes the other's detection
    # for its own. In a yard at 6 frames per second, 52 of 115 frames become key frames instead of 38
    # (docs/benchmarks/datasets.md). No other value was tried.
    max_travel: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationConfig:
    """How detections start tracks and confirm them (`association.py`, `key_frames.py`)."""

    # Detector score from which a detection starts a track, unless the phrase has a threshold of its own.
    # Chosen, not measured.
    birth_score: float = 0.5
    # Share of the lowest birth score from which a detection can still confirm a track. Chosen, not measured.
    confirm_share: float = 0.6
    # Lowest box IoU of a track and its detection, and what the same label adds to it. Chosen, not measured.
    min_box_iou: float = 0.3
    same_label_bonus: float = 0.05
    # Share of a detection inside a mask's box from which it may be one of two objects under that mask.
    # Chosen; with 0.6 none of 620 exact masks of drawn people is divided by two detections for 0.05 or more.
    inside_share: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationConfig:
    """Moving masks by optical flow (`optical_flow.py`, `mask_propagation.py`)."""

    # Longest side of the frame in which masks are kept, and of the frame on which flow is computed, in
    # pixels: time and memory against detail. Chosen, not measured.
    work_side: int = 640
    flow_side: int = 320
    # Forward and backward flow agree when they cancel to within this many flow pixels plus this share of the
    # flow's length. Chosen, not measured.
    consistency_pixels: float = 1.0
    consistency_share: float = 0.05
    # Fewest flow pixels that say how an object moves; with fewer it keeps its velocity. Chosen, not measured.
    min_pixels: int = 12
    # Share of the object in sight below which its motion is not measured either. Chosen, not measured.
    min_visible_share: float = 0.25
    # Colour difference (RMS, grey levels) along the motion below which the motion is right, and above which
    # another position found by template search is wrong. Chosen, not measured.
    good_match: float = 10.0
    fair_match: float = 20.0
    # The position found has to reduce the difference to this share. Chosen, not measured.
    better_match_share: float = 0.6
    # Radius of the template search in flow pixels beyond the expected position. Chosen, not measured.
    search_radius: int = 32
    # The motion field is smoothed on a grid this many flow pixels wide, by a Gaussian whose sigma is this
    # share of the square root of the object's area, at least one cell. Chosen, not measured.
    grid_step: int = 4
    smoothing_share: float = 0.15
    # Weight (of at most 1) at which the field starts to fall back to the object's mean motion. Chosen, not
    # measured.
    fallback_weight: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibilityConfig:
    """Which part of an object is hidden (`visibility.py`)."""

    # Colour difference (grey levels) along the motion below which a pixel still shows the object. Chosen, not
    # measured.
    max_color_error: float = 18.0
    # Likelihood of the object's colours against its surroundings above which a pixel shows it. Chosen, not
    # measured.
    min_color_likelihood: float = 0.6
    # Side in working pixels of the square that dilates the object to its surroundings. Chosen, not measured.
    surroundings_side: int = 15
    # Side in working pixels of the window in which pixels vote, and the share that has to be visible. Chosen,
    # not measured.
    vote_side: int = 7
    vote_share: float = 0.5
    # Mask IoU above which two masks of different prompts are one object, asked for twice. Chosen, not
    # measured.
    same_object_iou: float = 0.75
    # Grey levels that damp the comparison of two objects' colour differences in a contested region. Chosen,
    # not measured.
    error_damping: float = 5.0
    # Shares of the object's usual area: below the first it is flagged `occluded` and does not update its
    # appearance; up to the second it is compared as a part, from there on as the complete object. Chosen, not
    # measured.
    occluded_share: float = 0.5
    complete_share: float = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class LookalikeConfig:
    """Objects of the same appearance that touch (`lookalikes.py`); lengths are in working pixels."""

    # Bhattacharyya coefficient of two appearances from which colours do not tell them apart. It is 0.98 to
    # 1.00 for drawn equal objects, and 0.87 to 0.89 for two children in a bedroom video, whose colours do.
    min_similarity: float = 0.94
    # Distance of the predicted silhouettes up to which they are moved together: the side of a patch of DIS
    # flow, within which two motions mix.
    reach: int = 8
    # Overlap of the predicted silhouettes, as a share of the smaller one, from which MobileSAM cannot tell
    # them apart, and from which their identity is in doubt. Chosen, not measured.
    contact_share: float = 0.05
    deep_share: float = 0.5
    # Rounds in which each silhouette is fitted once. Chosen, not measured.
    passes: int = 3
    # Prior of the change of velocity, pixels per frame, and how far an offset is searched. Chosen, not
    # measured.
    acceleration: float = 2.0
    search_radius: int = 8
    # Weight of one pixel's evidence in units of the prior's exponent: neighbouring pixels are not
    # independent. Chosen, not measured.
    evidence_weight: float = 0.1
    # Share of an offset by which the velocity of a fully visible object changes. Chosen, not measured.
    velocity_gain: float = 0.3
    # Side of the window in which pixels vote whether they show the group. Chosen, not measured.
    vote_side: int = 5
    # Frames after the contact when motion decides; error of a velocity, pixels per frame; and how much better
    # the objects' own velocities have to fit than the exchanged ones. Chosen, not measured.
    settling_frames: int = 3
    velocity_noise: float = 1.0
    min_motion_ratio: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForegroundPriorConfig:
    """The probability of each pixel before MobileSAM runs (`foreground_prior.py`); odds are natural logs."""

    # How far an edge may be wrong: a share of the object's size (square root of its area), a share of the
    # size that is missing compared with its usual one, and a minimum in working pixels. Set on the clips.
    edge_share: float = 0.12
    missing_share: float = 0.6
    min_edge: float = 2.0
    # Bounds of the log odds of place (inside, outside) and of colour (either way). Set on the clips.
    max_inside_odds: float = 1.5
    min_outside_odds: float = -3.0
    max_color_odds: float = 2.5
    # Log odds of a pixel that another object shows. Set on the clips.
    occupied_odds: float = -4.0
    # Width of the ring of surroundings as a share of the object's size, and the colour likelihood from which
    # a pixel belongs to the object itself instead of the ring. Set on the clips.
    ring_share: float = 0.5
    max_ring_likelihood: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionConfig:
    """What MobileSAM's answer on a key frame changes (`reprompting.py`, `track_update.py`)."""

    # How far an answer may leave its box, as a share of the box's sides. Chosen, not measured.
    box_margin: float = 0.15
    # Score of an answer from which no further prompt is tried. Set on the clips.
    sufficient_score: float = 0.88
    # An answer is accepted when it agrees with the prior at least this share as well as the propagated mask
    # does, or by this soft IoU. Set on the clips.
    min_relative_agreement: float = 0.9
    sufficient_agreement: float = 0.6
    # Most of an answer that other objects may show when no detection supports it. Chosen, not measured.
    max_occupied_share: float = 0.5
    # Weight of the newest observation in an object's usual appearance and area. Chosen, not measured.
    learning_rate: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReidConfig:
    """When two observations show one object (`reid.py`); appearance scores are Bhattacharyya coefficients."""

    # Appearance score of the same object when a class or a place supports it, when nothing but colour does,
    # and below which a mask does not show the object at all. The second: of 43 masks that searches by colour
    # found in clips 100 to 111, the 38 of the object itself have 0.89 to 1.00, the others at most 0.50.
    # Things of the same colour score higher. The first and the third were chosen, not measured.
    same_appearance: float = 0.75
    color_only_appearance: float = 0.85
    min_appearance: float = 0.4
    # Frames after which a lost object is no longer expected where it was heading. Chosen, not measured.
    recent_frames: int = 15
    # Overlap with the expected place, as a share of the new mask, that supports a recently lost object.
    # Chosen, not measured.
    near_share: float = 0.3
    # A known object explains a new mask that it covers by this share, or at this mask IoU. Chosen, not
    # measured.
    explained_share: float = 0.7
    explained_iou: float = 0.4
    # Search by colour: smallest share of the usual area and fewest working pixels of a blob that may be a
    # part of the object. MobileSAM's answer may be half of that share. Set on the clips.
    min_part_share: float = 0.12
    min_blob_pixels: int = 24
    # Largest area of a blob, and of MobileSAM's answer, in usual areas. Chosen, not measured.
    max_blob_ratio: float = 4.0
    max_area_ratio: float = 3.0
    # Colour likelihood of a blob's pixels, blobs examined (largest first) and blobs returned (most alike
    # first). Chosen, not measured.
    min_blob_likelihood: float = 0.5
    examined_blobs: int = 8
    returned_blobs: int = 3
    # Most of MobileSAM's answer that other objects may show. Chosen, not measured.
    max_occupied_share: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeConfig:
    """When a track is lost, and when a lost track is forgotten (`tracker.py`)."""

    # Share of the usual area, and working pixels, below which an object is lost. Chosen, not measured.
    min_visible_share: float = 0.04
    min_visible_pixels: int = 8
    # Key frames in a row without confirmation after which an object is lost: in sight, and occluded. Chosen,
    # not measured.
    max_missed: int = 6
    max_missed_occluded: int = 2
    # Lost objects that are kept for re-identification: a bound on memory. Chosen, not measured.
    max_lost: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """How ids follow objects (`identities.py`, `held_results.py`); the odds are those of `identity/`."""

    # Seconds for which results wait at most until the ids of all their objects are known: memory, and how far
    # results lag behind. The first 20 s of a yard at 6 frames per second have 17, 11, 11 and 11 switches with
    # 0, 1, 2 and 3 s, and 20 later ones 8, 2, 2 and 2 (docs/benchmarks/datasets.md).
    hold_seconds: float = 2.0
    # Seconds after which an object's colours are measured again: time. Chosen, not measured.
    look_interval: float = 0.1
    # Endings that are remembered: a bound on memory. Chosen, not measured.
    max_endings: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """All thresholds of the default tracker."""

    key_frames: KeyFrameConfig = field(default_factory=KeyFrameConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)
    propagation: PropagationConfig = field(default_factory=PropagationConfig)
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    lookalikes: LookalikeConfig = field(default_factory=LookalikeConfig)
    prior: ForegroundPriorConfig = field(default_factory=ForegroundPriorConfig)
    correction: CorrectionConfig = field(default_factory=CorrectionConfig)
    reid: ReidConfig = field(default_factory=ReidConfig)
    lifetime: LifetimeConfig = field(default_factory=LifetimeConfig)
    identities: IdentityConfig = field(default_factory=IdentityConfig)

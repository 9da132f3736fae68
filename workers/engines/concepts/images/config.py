"""Every threshold of the default engine on still images, in one place.

"Chosen, not measured" marks values for which no experiment is recorded. Constants that belong to a network's
weights (input sizes, means) stand beside the network.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionConfig:
    """PicoDet on the complete image and on tiles (`picodet.py`)."""

    # Detector score (0..1) of an instance unless the request sets one. Chosen, not measured.
    default_threshold: float = 0.5
    # Detector score (0..1) below which a box is not even kept. Chosen, not measured.
    min_score: float = 0.2
    # Longest side in pixels above which 2 x 2 tiles are read as well. The network reads 416 pixels, so a
    # smaller image gains little resolution; a tiled image costs 90-130 ms instead of 20-27 ms
    # (docs/benchmarks/concepts.md).
    tile_above: int = 640
    # Side of a tile as a share of the image's side: neighbouring tiles overlap by 20%. Chosen, not measured.
    tile_share: float = 0.6
    # A box that comes within this share of a tile's side of an inner tile border counts as cut and is
    # dropped. Chosen, not measured.
    tile_border_share: float = 0.02
    # Box IoU above which two boxes of one class show one object. Chosen, not measured.
    duplicate_iou: float = 0.55
    # Share of a box inside a better box of its class above which it is a part that a tile border has cut off.
    # Chosen, not measured.
    contained_share: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskDecodingConfig:
    """From a prompt to one of MobileSAM's masks (`mask_decoding.py`, `mask_correction.py`)."""

    # Predicted IoU x stability (0..1) below which a mask is flagged `low_iou` and other candidates are tried.
    # Chosen, not measured.
    low_quality: float = 0.55
    # How far a mask may leave its box, as a share of the box's sides. A user's box is exact; a detector's box
    # is an estimate. Clipping to the user's box raised mean IoU from 0.792 to 0.801 on `scene_id37`
    # (bench/concepts); the detector's margin was chosen, not measured.
    prompt_box_margin: float = 0.0
    detection_box_margin: float = 0.1
    # One point is ambiguous: of part, object and group the largest mask is taken whose quality is within this
    # of the best. Chosen on three points per object of `scene_id37` and `human_object`: mean IoU 0.616 and
    # 0.910, against 0.616 and 0.616 for always the first mask.
    ambiguity_tolerance: float = 0.05
    # Standard deviation, in sides of a box, of the Gaussian that weighs its middle. Of 14 detections on seven
    # photos all masks of things cover at least 0.55 of the middle, walls behind people whom the
    # image cuts off 0.28 to 0.32.
    middle_sigma: float = 0.2
    # Share of the smaller of two masks up to which what they have in common is an uncertain border: one of
    # them is then the ground of the other. Chosen, not measured.
    apart_share: float = 0.1
    # Exponent of the IoU with the mask before a correction: of two masks that obey the points, the one that
    # changes less is slightly better. Chosen, not measured.
    correction_iou_exponent: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class GridConfig:
    """Automatic masks from a grid of points (`automatic_masks.py`; Kirillov et al. 2023, appendix B)."""

    # Points per side of the grid. Segment Anything uses 32; 12 keeps a photo at 1 to 4 s on two cores.
    points_per_side: int = 12
    # Lowest predicted IoU and stability (0..1) of a mask. Segment Anything uses 0.88 and 0.95 for a larger
    # encoder; chosen, not measured.
    min_predicted_iou: float = 0.84
    min_stability: float = 0.88
    # Mask IoU from which two masks are one object. Chosen, not measured.
    duplicate_iou: float = 0.6
    # Smallest and largest area of a mask as a share of the image. Chosen, not measured.
    min_area_share: float = 0.001
    max_area_share: float = 0.85
    # Most masks per image, best first: a bound on time and on the size of a result. Chosen, not measured.
    max_masks: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarConfig:
    """Which candidates of the grid look like the exemplars (`exemplars.py`)."""

    # Appearance similarity (0..1) to the best positive exemplar unless the request sets one. With it, one
    # coin of scikit-image's `coins` finds all 24.
    default_threshold: float = 0.62
    # By how much the similarity to the best positive must exceed that to the best negative. Chosen, not
    # measured.
    negative_margin: float = 0.03
    # Area ratio (smaller to larger) below which two instances are never alike, and the exponent with which
    # the ratio lowers the similarity otherwise. Chosen, not measured.
    min_area_ratio: float = 1 / 6
    area_ratio_exponent: float = 0.2
    # Overlap as a share of the smaller mask from which two masks show one object. Chosen, not measured.
    duplicate_overlap: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeConfig:
    """When an instance has a colour (`attributes.py`)."""

    # Share of an instance's pixels that must have the colour, and the share below which the instance is
    # flagged `color_weak`. Chosen, not measured.
    min_color_share: float = 0.25
    sure_color_share: float = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingConfig:
    """ImageNet names for regions (`region_classifier.py`)."""

    # Probability below which a region stays without a name, and below which its name is flagged `name_weak`.
    # Chosen, not measured.
    min_probability: float = 0.3
    sure_probability: float = 0.6
    # Context on each side of a region, as a share of its longer side: the classifier was trained on complete
    # photos. Chosen, not measured.
    context_share: float = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """All thresholds of the default engine on still images."""

    detection: DetectionConfig = field(default_factory=DetectionConfig)
    decoding: MaskDecodingConfig = field(default_factory=MaskDecodingConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    exemplars: ExemplarConfig = field(default_factory=ExemplarConfig)
    attributes: AttributeConfig = field(default_factory=AttributeConfig)
    naming: NamingConfig = field(default_factory=NamingConfig)

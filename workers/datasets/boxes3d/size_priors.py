"""How large objects of a known name usually are: the longer side of what is seen of them, in metres.

Everyday sizes, not measured, right to about a third. They stand in for a distance where nothing measures
it, and such boxes are always flagged.
"""

METRES: dict[str, float] = {
    "person": 1.65, "bicycle": 1.7, "car": 4.2, "motorcycle": 2.1, "airplane": 35.0, "bus": 11.0,
    "train": 60.0, "truck": 7.0, "boat": 6.0, "traffic light": 0.9, "fire hydrant": 0.75, "stop sign": 0.75,
    "parking meter": 1.2, "bench": 1.6, "bird": 0.25, "cat": 0.45, "dog": 0.7, "horse": 2.3, "sheep": 1.2,
    "cow": 2.3, "elephant": 5.0, "bear": 2.0, "zebra": 2.3, "giraffe": 4.6, "backpack": 0.5, "umbrella": 1.0,
    "handbag": 0.35, "tie": 0.5, "suitcase": 0.65, "frisbee": 0.27, "skis": 1.7, "snowboard": 1.5,
    "sports ball": 0.22, "kite": 1.2, "baseball bat": 0.85, "baseball glove": 0.3, "skateboard": 0.8,
    "surfboard": 2.0, "tennis racket": 0.68, "bottle": 0.26, "wine glass": 0.2, "cup": 0.11, "fork": 0.19,
    "knife": 0.22, "spoon": 0.18, "bowl": 0.16, "banana": 0.18, "apple": 0.08, "sandwich": 0.15,
    "orange": 0.08, "broccoli": 0.15, "carrot": 0.18, "hot dog": 0.16, "pizza": 0.3, "donut": 0.1,
    "cake": 0.25, "chair": 0.9, "couch": 2.0, "potted plant": 0.5, "bed": 2.1, "dining table": 1.6,
    "toilet": 0.75, "tv": 1.0, "laptop": 0.35, "mouse": 0.11, "remote": 0.18, "keyboard": 0.44,
    "cell phone": 0.15, "microwave": 0.5, "oven": 0.75, "toaster": 0.3, "sink": 0.55, "refrigerator": 1.7,
    "book": 0.24, "clock": 0.3, "vase": 0.28, "scissors": 0.18, "teddy bear": 0.35, "hair drier": 0.25,
    "toothbrush": 0.18,
}  # fmt: skip

# metres: what objects without a known name are between; cameras of depth see nothing smaller, and photos of
# single objects show nothing larger. Chosen, not measured.
SMALLEST_M, LARGEST_M = 0.02, 50.0
# beyond this factor of the usual size the unit is more likely wrong than the object unusual: millimetres for
# metres are a factor of 1000, centimetres one of 100, toys one of 10 to 40. Chosen, not measured.
USUAL_FACTOR = 8.0


def is_implausible_size(longest_m: float, label: str | None) -> bool:
    """Whether no object of that name has a longest side of so many metres: a sign of a wrong unit."""
    usual = get_usual_size(label)
    low, high = (SMALLEST_M, LARGEST_M) if usual is None else (usual / USUAL_FACTOR, usual * USUAL_FACTOR)
    return not low <= longest_m <= high


def get_usual_size(label: str | None) -> float | None:
    """Metres for a label, None for one that is not in the table."""
    return None if label is None else METRES.get(label.strip().lower())

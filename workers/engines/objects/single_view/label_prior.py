"""What a label says about an object's shape before its mask is looked at."""

from dataclasses import dataclass
from typing import Literal

ShapeClass = Literal["round", "turned", "box"]
# Thickness of an inflated mask relative to a round one. Guesses about everyday things, not measured.
FLAT, SLIM = 0.3, 0.6
THICKNESS: dict[str, float] = {
    **dict.fromkeys(
        (
            *("tv", "laptop", "keyboard", "cell phone", "remote", "book", "clock", "kite", "frisbee"),
            *("skateboard", "surfboard", "snowboard", "skis", "tie", "scissors", "knife", "fork", "spoon"),
            *("pizza", "stop sign", "plate", "plank", "monitor", "painting", "sign", "door", "window"),
        ),
        FLAT,
    ),
    **dict.fromkeys(("bicycle", "tennis racket", "handbag", "mouse", "scarf", "sandwich"), SLIM),
}
SHAPES: dict[str, ShapeClass] = {
    **dict.fromkeys(("ball", "sports ball", "apple", "orange", "balloon", "egg"), "round"),
    **dict.fromkeys(
        (
            *("bottle", "cup", "mug", "wine glass", "glass", "vase", "bowl", "can", "plate", "jar", "candle"),
            *("frisbee", "pizza", "donut", "cake", "potted plant", "lamp", "bucket", "pot", "fire hydrant"),
        ),
        "turned",
    ),
    **dict.fromkeys(
        (
            *("box", "book", "tv", "microwave", "oven", "refrigerator", "suitcase", "cell phone", "remote"),
            *("toaster", "keyboard", "monitor", "carton", "crate", "brick", "plank", "drawer", "cabinet"),
        ),
        "box",
    ),
}


@dataclass(frozen=True, slots=True)
class LabelPrior:
    """The class of shape that a label names, and its usual thickness; None where nothing is known."""

    shape: ShapeClass | None = None
    thickness: float | None = None

    @classmethod
    def from_label(cls, label: str | None) -> "LabelPrior":
        """The prior of a label such as "book"; without a label nothing is known."""
        word = "" if label is None else label.strip().lower()
        return cls(SHAPES.get(word), THICKNESS.get(word))

    def excludes(self, name: str) -> bool:
        """Whether the label names another class of shape than the hypothesis `name`."""
        return self.shape is not None and self.shape != name

    def expects(self, name: str) -> bool:
        """Whether the label names the class of shape of the hypothesis `name`."""
        return self.shape == name

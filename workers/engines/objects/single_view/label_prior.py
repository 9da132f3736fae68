"""What things of a known name usually are: thin, round, boxes, or solids of revolution."""

from typing import Literal

FLAT = 0.3
SLIM = 0.6
WORDS: dict[str, float] = {
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


def thickness_factor(label: str | None) -> float | None:
    """The factor on the inflated thickness for a label such as "book", or None where nothing is known."""
    return None if label is None else WORDS.get(label.strip().lower())


Expected = Literal["round", "turned", "box"]
SHAPES: dict[str, Expected] = {
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


def expected_shape(label: str | None) -> Expected | None:
    """The simple solid that a label such as "bottle" names, or None where nothing is known."""
    return None if label is None else SHAPES.get(label.strip().lower())

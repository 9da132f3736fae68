"""How thick things of a known name usually are, compared with the round shape of their outline."""

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

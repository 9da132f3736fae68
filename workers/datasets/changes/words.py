"""A change in words, made from nothing but its numbers."""

from collections.abc import Sequence

from workers.datasets.schema import ChangeRow

# the unit of lengths by scale; a prior is a guess of the metric size
UNITS = {"metric": "m", "prior": "m"}
# of the longest part of a step: a part that is shorter is not named
NAMED_PART = 0.4
# right, down and forward as the camera looks, and their opposites
WORLD_WORDS = (
    ("to the right", "to the left"),
    ("down", "up"),
    ("away from the camera", "towards the camera"),
)
IMAGE_WORDS = WORLD_WORDS[:2]
REASONS = {
    "left_image": ("leaves the picture", "comes into the picture"),
    "hidden": ("is hidden", "comes out"),
}


def describe_change(row: ChangeRow, successor: str | None) -> str:
    """One English sentence; `successor` names what is in B."""
    name = f"{'An' if row.label[0] in 'aeiou' else 'A'} {row.label}"
    if row.presence in ("vanished", "appeared"):
        vanishes, appears = REASONS.get(row.reason or "", ("is no longer seen", "appears"))
        return f"{name} {vanishes if row.presence == 'vanished' else appears}."
    if row.presence == "uncertain":
        return f"{name} may be there or not."
    parts = []
    if row.presence == "replaced":
        same = "another" if successor == row.label else f"{'an' if (successor or '')[:1] in 'aeiou' else 'a'}"
        parts.append(f"is replaced by {same} {successor}")
    if row.moved and row.translation is not None:
        parts.append(_describe_step(row, row.translation))
    if row.turned and row.degrees is not None:
        parts.append(f"turns by {row.degrees:.0f} degrees")
    if row.resized and row.factor is not None:
        parts.append(f"becomes {'larger' if row.factor > 1 else 'smaller'} by a factor of {row.factor:.2f}")
    if row.edit == "recolour":
        parts.append("has another colour")
    if not parts:
        if row.moved is None:
            return f"{name} is there."
        # what is not measured may have changed
        is_known = row.turned is not None and row.resized is not None
        return f"{name} stays {'as' if is_known else 'where'} it is."
    return f"{name} {_join(parts)}."


def _describe_step(row: ChangeRow, step: Sequence[float]) -> str:
    """How far and in which directions it moves."""
    longest = max(abs(value) for value in step)
    words = WORLD_WORDS if row.measured_in == "world" else IMAGE_WORDS
    directions = [
        pair[value < 0] for value, pair in zip(step, words, strict=True) if abs(value) >= NAMED_PART * longest
    ]
    where = _join(directions)
    if row.measured_in != "world":
        return f"moves {where} by {100 * longest:.0f}% of the picture"
    length = sum(value * value for value in step) ** 0.5
    return f"moves {length:.2f} {UNITS.get(row.scale_source or '', 'units')} {where}"


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

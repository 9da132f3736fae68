"""What readers and writers of assets leave out, counted by kind."""

from collections import Counter
from collections.abc import Mapping

from maquette.contract.formats import AssetPart

from workers.geometry.gaussians import Gaussians, sanitize

# How many of each kind were left out; readers add to the one that they are given.
Losses = Counter[AssetPart]


def name_flags(losses: Mapping[AssetPart, int]) -> list[str]:
    """The flags of what was left out, such as `gaussians_dropped`, in alphabetical order."""
    return sorted(f"{part}_dropped" for part, count in losses.items() if count)


def sanitize_read(splat: Gaussians, losses: Losses | None) -> Gaussians:
    """The sanitised splat of a file; Gaussians that are not finite or have no rotation are counted."""
    clean = sanitize(splat)
    if losses is not None:
        losses["gaussians"] += len(splat) - len(clean)
    return clean

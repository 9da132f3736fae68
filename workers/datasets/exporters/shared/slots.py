"""Object slots as C-JEPA has them: chosen in frame 0, in an order that means nothing."""

from workers.datasets.exporters.shared.clip_rng import make_clip_rng
from workers.datasets.scene_clip import SceneClip


def choose_slots(clip: SceneClip, seed: int) -> list[int]:
    """The tracks that are visible in frame 0, shuffled for each clip."""
    visible = [row.track for row in clip.frame_observations(0)]
    return [int(track) for track in make_clip_rng(clip, seed).permutation(visible)]

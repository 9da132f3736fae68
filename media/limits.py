"""How much a single medium may cost before it is refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Sizes in pixels, frames, seconds and bytes.

    `memory_bytes` bounds what the decoding process may take beside its own code.

    Images up to the `verify` sizes are decoded when they arrive, so that a broken one is refused at once.
    """

    image_pixels: int = 100_000_000
    video_pixels: int = 36_000_000
    video_frames: int = 1_000_000
    video_seconds: float = 4 * 3600.0
    upload_bytes: int = 4 << 30
    verify_pixels: int = 12_000_000
    verify_bytes: int = 8 << 20
    memory_bytes: int = 4 << 30
    probe_seconds: float = 10.0
    decode_seconds: float = 60.0

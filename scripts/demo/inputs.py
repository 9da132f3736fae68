"""What the demo works on: photos that scikit-image carries, and a video composed from them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image

PHOTOS = Path(skimage.__file__).parent / "data"
WIDTH, HEIGHT, FRAMES, RATE = 480, 320, 48, 12


def photo(name: str) -> Path:
    """A photo by its file name."""
    return PHOTOS / name


def compose_video(
    out: Path, image: Path, mask: NDArray[np.bool_], *, mirrored: bool = False
) -> list[NDArray[np.bool_]]:
    """Move a cut-out of a photo over a blurred wall; gives the exact mask of every frame."""
    pixels = np.asarray(Image.open(image).convert("RGB"))
    ys, xs = np.nonzero(mask)
    cut = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    scale = 0.55 * HEIGHT / (cut[3] - cut[1])
    size = (round((cut[2] - cut[0]) * scale), round((cut[3] - cut[1]) * scale))
    sprite = Image.fromarray(pixels).crop(cut).resize(size, Image.Resampling.LANCZOS)
    alpha = Image.fromarray((mask * 255).astype(np.uint8)).crop(cut).resize(size, Image.Resampling.LANCZOS)
    wall = Image.open(photo("gravel.png")).convert("RGB").resize((WIDTH, WIDTH)).crop((0, 0, WIDTH, HEIGHT))
    masks = []
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        for index in range(FRAMES):
            phase = index / (FRAMES - 1)
            phase = 1 - phase if mirrored else phase
            x = round(-0.15 * size[0] + phase * (WIDTH - 0.7 * size[0]))
            y = round((HEIGHT - size[1]) * (0.5 + 0.4 * np.sin(2 * np.pi * phase)))
            frame = wall.copy()
            frame.paste(sprite, (x, y), alpha)
            exact = Image.new("L", (WIDTH, HEIGHT))
            exact.paste(alpha, (x, y))
            masks.append(np.asarray(exact) > 127)
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return masks

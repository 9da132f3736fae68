"""Files that the page's tests in a browser send: `python -m tests.support.page_inputs KIND FILE`."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tests.support.mannequins import render_mannequin
from tests.support.scenes import make_wall
from workers.formats.splat_ply import write_splat_ply
from workers.geometry.gaussians import Gaussians

LONG_SECONDS, LONG_RATE = 600, 10
WALK_FRAMES, WALK_RATE = 10, 10
MANY_GAUSSIANS = 500_000
LARGE_SIZE = (8660, 5774)
ON_ITS_SIDE = 6  # of EXIF: the first row is the right side of the upright picture


def write_long_video(path: Path) -> None:
    """Ten minutes in which a bright disc crosses a dark picture once."""
    count = LONG_SECONDS * LONG_RATE
    y, x = np.mgrid[0:72, 0:128]

    def draw() -> Iterator[NDArray[np.uint8]]:
        for index in range(count):
            disc = (x - 128 * index / count) ** 2 + (y - 36) ** 2 < 15**2
            yield np.where(disc[..., None], (240, 200, 60), (40, 60, 90)).astype(np.uint8)

    _write_video(path, draw(), LONG_RATE)


def write_walk(path: Path) -> None:
    """A mannequin that moves to the right in front of a wall."""
    person, outline = (
        np.asarray(Image.fromarray(image).resize((240, 320))) for image in render_mannequin(0, 0.3)
    )

    def draw() -> Iterator[NDArray[np.uint8]]:
        for index in range(WALK_FRAMES):
            image = make_wall(size=(320, 480))
            image[:, 12 * index : 12 * index + 240][outline] = person[outline]
            yield image

    _write_video(path, draw(), WALK_RATE)


def write_person(path: Path) -> None:
    """A picture of a standing mannequin."""
    Image.fromarray(render_mannequin(0, 0.3)[0]).save(path)


def write_large_picture(path: Path) -> None:
    """Fifty megapixels stored on their side: blue, and red in the upper left of the upright picture."""
    width, height = LARGE_SIZE
    picture = Image.new("RGB", LARGE_SIZE, (30, 60, 160))
    picture.paste((230, 20, 20), (0, height - height // 3, width // 3, height))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = ON_ITS_SIDE
    picture.save(path, quality=80, exif=exif)


def write_large_splat(path: Path) -> None:
    """Half a million Gaussians on a sphere."""
    rng = np.random.default_rng(16)
    means = rng.normal(size=(MANY_GAUSSIANS, 3))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    splat = Gaussians(
        means=means.astype(np.float32),
        rotations=np.tile(np.array([1, 0, 0, 0], np.float32), (MANY_GAUSSIANS, 1)),
        scales=np.full((MANY_GAUSSIANS, 3), 0.003, np.float32),
        opacities=np.full(MANY_GAUSSIANS, 0.9, np.float32),
        colors=(0.5 + 0.5 * means).astype(np.float32),
    )
    path.write_bytes(write_splat_ply(splat))


def _write_video(path: Path, images: Iterator[NDArray[np.uint8]], rate: int) -> None:
    with av.open(str(path), "w") as container:
        stream = None
        for image in images:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(rate), options={"preset": "ultrafast"})
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        assert stream is not None
        container.mux(stream.encode())


KINDS = {
    "long-video": write_long_video,
    "walk": write_walk,
    "person": write_person,
    "large-picture": write_large_picture,
    "large-splat": write_large_splat,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](Path(sys.argv[2]))

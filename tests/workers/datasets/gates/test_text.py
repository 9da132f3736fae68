"""The text gate: synthetic titles must be caught; captions, patterns and photos must not."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from tests.support.synthetic_datasets import RATE, make_source
from workers.datasets.components import Components
from workers.datasets.gates.policy import DEFAULT
from workers.datasets.local import FolderWorkspace, build_local_pipeline
from workers.datasets.planning import PlannedClips
from workers.datasets.settings import DatasetSettings
from workers.datasets.shots.text import measure_text_area
from workers.datasets.track_sources import OracleTracks
from workers.engines.protocols import Rgb

pytestmark = pytest.mark.slow

SIZE = (640, 360)
# stones, leaves, bricks, squares and cells are rows of like things, and no text
PICTURES = [
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png"),
    *("grass.png", "gravel.png", "motorcycle_left.png", "rocket.jpg", "hubble_deep_field.jpg", "ihc.png"),
    *("chessboard_RGB.png", "moon.png", "color.png"),
]
WORDS = "A caption under the picture, and then some"


def open_image(name: str) -> Image.Image:
    loaded = Image.open(Path(skimage.data.__file__).parent / name).convert("RGB")
    scale = max(SIZE[0] / loaded.width, SIZE[1] / loaded.height)
    grown = loaded.resize((round(loaded.width * scale) + 1, round(loaded.height * scale) + 1))
    return grown.crop((0, 0, *SIZE))


def write_text(image: Image.Image, lines: int, height: int, first: int, colour: str = "white") -> float:
    """Write lines of outlined text into an image; gives the share under their boxes."""
    draw, font, share = ImageDraw.Draw(image), ImageFont.load_default(height), 0.0
    for line in range(lines):
        place, words = (30, first + line * round(height * 1.5)), WORDS[: 1000 // height]
        x0, y0, x1, y1 = draw.textbbox(place, words, font=font)
        draw.text(place, words, fill=colour, font=font, stroke_width=2, stroke_fill="black")
        share += (x1 - x0) * (y1 - y0) / (SIZE[0] * SIZE[1])
    return share


@pytest.mark.parametrize("name", PICTURES)
def test_the_share_is_that_of_what_was_written(name: str) -> None:
    image = open_image(name)
    assert measure_text_area(np.asarray(image)) <= 0.02
    share = write_text(image, 1, 24, 310)
    assert measure_text_area(np.asarray(image)) == pytest.approx(share, rel=0.35)


def test_a_printed_page_is_text() -> None:
    assert measure_text_area(np.asarray(open_image("page.png"))) > 0.3


def clip(name: str, lines: int, height: int, colour: str = "white") -> list[Rgb]:
    """An image that moves under text that stands still."""
    moving = np.asarray(open_image(name))
    image = Image.fromarray(moving)
    write_text(image, lines, height, 40 if lines > 1 else 310, colour)
    still = np.asarray(image)
    text = (still != moving).any(axis=2, keepdims=True)
    return [np.where(text, still, np.roll(moving, 3 * frame, axis=1)) for frame in range(RATE)]


def plan_clips(clips: list[list[Rgb]], folder: Path) -> PlannedClips:
    settings = DatasetSettings(
        clip_seconds=1.0, min_clip_seconds=0.5, policy=DEFAULT.with_bounds({"near_duplicate": (None, None)})
    )
    return build_local_pipeline(FolderWorkspace(folder), Components(OracleTracks(())), settings).plan(
        [make_source(frames) for frames in clips]
    )


def test_titles_are_caught_and_captions_are_let_through(tmp_path: Path) -> None:
    names = ["chelsea.png", "coffee.png", "rocket.jpg", "gravel.png", "motorcycle_left.png", "astronaut.png"]
    faulty = [clip(name, 5, 34, colour) for name, colour in zip(names, ["white", "yellow"] * 3, strict=True)]
    clean = [clip(name, lines, 24) for name in names for lines in (0, 1)]
    actual = plan_clips(faulty + clean, tmp_path)
    passed = [row.passed for row in actual.decisions if row.gate == "text_area"]
    caught = [not ok for ok in passed]
    hits = sum(caught[: len(faulty)])
    recall, precision = hits / len(faulty), hits / max(1, sum(caught))
    assert (precision, recall) == (1.0, 1.0)


def test_a_clip_nobody_looked_at_is_unknown_and_passes(tmp_path: Path) -> None:
    actual = plan_clips([clip("coffee.png", 5, 34) * 3], tmp_path)
    values = [row.value for row in actual.scores if row.name == "text_area"]
    # frames 0 and 32 are looked at, and the second of three clips has frames 12 to 23
    assert [value if value is None else value > 0.15 for value in values] == [True, None, True]
    assert [row.passed for row in actual.decisions if row.gate == "text_area"] == [False, True, False]

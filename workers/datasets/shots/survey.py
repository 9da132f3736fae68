"""One inexpensive pass over every frame: what shots, clip gates and near-duplicates are decided from."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from media.sandbox import DecodedFrame
from workers.datasets.images import resize_area
from workers.datasets.shots.dissolves import DissolveDetector
from workers.datasets.shots.text import measure_text_area

# pixels of the longer side at which frames are surveyed; chosen for speed
SURVEY_SIDE = 128
# pixels of a side of the square that is hashed, as in pHash
HASH_SIDE = 32
# frames from one that is searched for text to the next: text needs more pixels and so more time, and stays
# for seconds
TEXT_EVERY = 32
Floats = NDArray[np.float64]
SERIES = ("pts", "content", "luminance", "sharpness", "motion", "hashes", "text", "dissolves")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Survey:
    """A number per decoded frame and series.

    `content` is the mean change of hue, saturation and value from the frame before (0..255; 0 for the
    first), `luminance` the mean of Rec. 601 luma (0..255), `sharpness` the variance of its Laplacian at 128
    pixels, `motion` the mean absolute luma change from the frame before after one 3x3 blur, `hashes` the
    DCT hash, `text` the share under lines of text, NaN for the frames that are not searched for it,
    `dissolves` which spans that end with a frame look like a dissolve (see `dissolves.py`). `time_base` is
    (numerator, denominator).
    """

    pts: NDArray[np.int64]
    content: Floats
    luminance: Floats
    sharpness: Floats
    motion: Floats
    hashes: NDArray[np.uint64]
    text: Floats
    dissolves: NDArray[np.uint8]
    time_base: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pts)

    def seconds(self) -> Floats:
        """The time of each frame."""
        return np.asarray(self.pts * float(self.time_base[0]) / float(self.time_base[1]), np.float64)

    @property
    def frame_interval(self) -> float:
        """The usual time from a frame to the next, in seconds."""
        seconds = self.seconds()
        return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0

    @property
    def length(self) -> float:
        """Seconds from the first frame to the end of the last."""
        seconds = self.seconds()
        return float(seconds[-1] - seconds[0]) + self.frame_interval if len(seconds) else 0.0

    def encode(self) -> bytes:
        """As npz, without timestamps, so that the same survey gives the same bytes."""
        out = io.BytesIO()
        np.savez(out, time_base=self.time_base, **{name: getattr(self, name) for name in SERIES})
        return out.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> "Survey":
        """What `encode` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return cls(time_base=stored["time_base"], **{name: stored[name] for name in SERIES})


def join_surveys(parts: Sequence[Survey]) -> Survey:
    """The surveys of consecutive pieces of one video as one."""
    series = {name: np.concatenate([getattr(part, name) for part in parts]) for name in SERIES}
    return Survey(time_base=parts[0].time_base, **series)


class SurveyState:
    """What the survey of a frame needs of those before it: the last one for changes, more for dissolves."""

    def __init__(self) -> None:
        self._hsv: NDArray[np.uint8] | None = None
        self._blurred: NDArray[np.uint8] | None = None
        self._detector = DissolveDetector()

    def add(
        self, small: NDArray[np.uint8], luma: NDArray[np.uint8], sharpness: float
    ) -> tuple[float, float, int]:
        """`content`, `motion` and `dissolves` of the next frame (H, W, 3) at the surveyed size."""
        hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
        blurred = cv2.blur(luma, (3, 3))
        content = 0.0 if self._hsv is None else float(np.mean(cv2.absdiff(hsv, self._hsv)))
        motion = 0.0 if self._blurred is None else float(np.mean(cv2.absdiff(blurred, self._blurred)))
        self._hsv, self._blurred = hsv, blurred
        return content, motion, self._detector.add(luma, sharpness)

    def skip(self, image: NDArray[np.uint8]) -> None:
        """Take a frame that was surveyed before."""
        small = downscale(image)
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        self.add(small, luma, measure_sharpness(luma))


def survey_frames(
    frames: Iterable[DecodedFrame],
    time_base: tuple[int, int],
    report: Callable[[int], None] = lambda done: None,
    state: SurveyState | None = None,
) -> Survey:
    """Survey every frame; `report` gets the number of those that are done.

    `state` has taken the frames before the first one of a piece, and takes all of these.
    """
    state = state or SurveyState()
    rows: list[tuple[float, float, float, float, float]] = []
    pts: list[int] = []
    hashes: list[int] = []
    dissolves: list[int] = []
    for frame in frames:
        small = downscale(frame.pixels)
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        sharpness = measure_sharpness(luma)
        content, motion, spans = state.add(small, luma, sharpness)
        text = measure_text_area(frame.pixels) if frame.index % TEXT_EVERY == 0 else float("nan")
        rows.append((content, float(luma.mean()), sharpness, motion, text))
        hashes.append(compute_dct_hash(luma))
        pts.append(frame.pts)
        dissolves.append(spans)
        report(len(pts))
    table = np.array(rows, np.float64).reshape(-1, 5)
    content_series, luminance, sharpness_series, motion_series, text_series = (
        table[:, column].copy() for column in range(5)
    )
    return Survey(
        pts=np.array(pts, np.int64),
        content=content_series,
        luminance=luminance,
        sharpness=sharpness_series,
        motion=motion_series,
        hashes=np.array(hashes, np.uint64),
        text=text_series,
        dissolves=np.array(dissolves, np.uint8),
        time_base=np.array(time_base, np.int64),
    )


def downscale(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame at the surveyed size: its longer side at most 128 pixels."""
    height, width = image.shape[:2]
    scale = SURVEY_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return resize_area(image, size)


def measure_sharpness(luma: NDArray[np.uint8]) -> float:
    """The variance of the Laplacian."""
    return float(cv2.Laplacian(luma, cv2.CV_64F).var())


def compute_dct_hash(luma: NDArray[np.uint8]) -> int:
    """64 signs of the low frequencies against their median, after Zauner's pHash (2010)."""
    square = cv2.resize(luma, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(square)[:8, :8].ravel()
    # the mean of the image says nothing about what it shows
    bits = low > np.median(low[1:])
    bits[0] = False
    return int(np.packbits(bits).view(">u8")[0])

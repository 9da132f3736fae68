"""Captions of an engine that is plugged in."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from workers.datasets.errors import DatasetError
from workers.datasets.images import decode_image
from workers.datasets.observations import TrackObservation
from workers.datasets.protocols import BatchCaptioner, Captioner, MaskedImage
from workers.datasets.schema import CaptionRow, FrameRow, TrackRow
from workers.formats.rle import decode_mask

# images per call of an engine that takes several, as its protocol promises
MOST_IMAGES = 16


def describe_with_engine(
    captioner: Captioner,
    frames: Sequence[FrameRow],
    tracks: Sequence[TrackRow],
    observations: Mapping[int, Sequence[TrackObservation]],
) -> list[CaptionRow]:
    """What an engine says about the clip's middle frame and about the best view of each kept track.

    Where it says nothing there is no row. Raises DatasetError `captions_mismatch`.
    """
    clip, name = frames[0].clip, f"{captioner.info.name}/{captioner.info.version}"
    kept = [track for track in tracks if track.kept]
    numbers = [None, *(track.track for track in kept)]
    texts = _ask(captioner, _select_images(frames, kept, observations))
    return [
        CaptionRow(
            clip=clip,
            track=number,
            kind="engine",
            text=" ".join(text.split()),
            engine=name,
            score=None,
            kept=None,
        )
        for number, text in zip(numbers, texts, strict=True)
        if text.strip()
    ]


def _select_images(
    frames: Sequence[FrameRow],
    kept: Sequence[TrackRow],
    observations: Mapping[int, Sequence[TrackObservation]],
) -> Iterator[MaskedImage]:
    """The middle frame without a mask, then the reference frame of each track with its mask."""
    yield decode_image(frames[len(frames) // 2].jpeg), None
    for track in kept:
        best = next(item for item in observations[track.track] if item.frame == track.reference_frame)
        yield decode_image(frames[best.frame].jpeg), decode_mask(best.mask)


def _ask(captioner: Captioner, images: Iterator[MaskedImage]) -> Iterator[str]:
    """A text per image, several at a time where the engine takes them."""
    if not isinstance(captioner, BatchCaptioner):
        for image, mask in images:
            yield captioner.describe(image) if mask is None else captioner.describe(image, mask)
        return
    while batch := list(islice(images, MOST_IMAGES)):
        texts = captioner.describe_all(batch)
        if len(texts) != len(batch):
            raise DatasetError(
                "captions_mismatch",
                f"{captioner.info.name} returned {len(texts)} texts for {len(batch)} images",
            )
        yield from texts

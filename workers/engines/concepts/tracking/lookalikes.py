"""Look-alikes that touch: neither colours nor flow say whose a pixel is, so they are moved together.

Model (merge and split): while objects of the same appearance touch, each keeps the silhouette and the
velocity it had before and only shifts. The shifts are those whose union explains the region of their common
colours best, against a Gaussian prior around constant velocity; one object after the other is fitted to what
the others leave unexplained. A pixel that several silhouettes claim belongs to the nearest of them, so two
objects never show the same mask.

Once one silhouette has covered much of the other, positions no longer tell which is which: both are flagged
`identity_uncertain` until their motion decides, and for good where it does not.

Units: working pixels, velocities in working pixels per frame.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.engines.concepts.images.color_histograms import (
    ColorBins,
    color_histogram,
    color_likelihood,
    histogram_similarity,
)
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.config import LookalikeConfig
from workers.engines.concepts.tracking.mask_propagation import shift_mask
from workers.engines.concepts.tracking.optical_flow import Floats, pixel_grid
from workers.engines.concepts.tracking.soft_masks import SoftMask, threshold_mask
from workers.engines.concepts.tracking.state import Track
from workers.engines.protocols import Mask
from workers.geometry.boxes import mask_extent

Vector = NDArray[np.float32]


def find_contacts(
    tracks: Sequence[Track], velocities: Sequence[Vector], config: LookalikeConfig
) -> list[list[int]]:
    """Groups of indices of look-alikes that are so near that flow mixes them; each has two or more.

    Marks those whose silhouettes overlap as in contact, and every pair whose overlap is deep as uncertain of
    its identity.
    """
    for track in tracks:
        track.in_contact = False
    pairs = _list_similar_pairs(tracks, velocities, config)
    silhouettes = {
        index: threshold_mask(shift_mask(tracks[index].amodal, velocities[index]))
        for index in sorted({index for pair in pairs for index in pair})
    }
    square = np.ones((2 * config.reach + 1, 2 * config.reach + 1), np.uint8)
    parent = list(range(len(tracks)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for i, j in pairs:
        one, two = tracks[i], tracks[j]
        reach = cv2.dilate(silhouettes[i].astype(np.uint8), square).astype(np.bool_)
        if not (reach & silhouettes[j]).any():
            continue
        parent[root(j)] = root(i)
        smaller = min(mask_area(silhouettes[i]), mask_area(silhouettes[j]))
        overlap = mask_area(silhouettes[i] & silhouettes[j])
        if overlap > config.contact_share * smaller:
            one.in_contact = two.in_contact = True
        if overlap > config.deep_share * smaller:
            _mark_uncertain(one, two, velocities[i], velocities[j])
    groups: dict[int, list[int]] = {}
    for index in range(len(tracks)):
        groups.setdefault(root(index), []).append(index)
    return [members for members in groups.values() if len(members) > 1]


def fit_together(
    tracks: Sequence[Track], velocities: Sequence[Vector], bins: ColorBins, config: LookalikeConfig
) -> list[Vector]:
    """Move the silhouettes of a group to a new frame, and return its new velocities.

    Changes the tracks' `amodal` and `visible`; `bins` (h, w) are the colours of the new frame.
    """
    moved = [shift_mask(track.amodal, velocity) for track, velocity in zip(tracks, velocities, strict=True)]
    evidence = _measure_evidence(tracks, moved, bins, config)
    offsets, amodal = [np.zeros(2, np.float32) for _ in tracks], list(moved)
    for _ in range(config.passes):
        for index, mask in enumerate(moved):
            explained = np.zeros(bins.shape, np.bool_)
            for other, placed in enumerate(amodal):
                if other != index:
                    explained |= threshold_mask(placed)
            free = np.where(explained, np.float32(0), evidence)
            offsets[index] = _best_offset(threshold_mask(mask), free, config)
            amodal[index] = shift_mask(mask, offsets[index])
    shares = _divide([threshold_mask(mask) for mask in amodal])
    is_seen = cv2.blur(evidence, (config.vote_side, config.vote_side)) > 0
    updated = []
    for track, mask, share, velocity, offset in zip(tracks, amodal, shares, velocities, offsets, strict=True):
        track.amodal = mask
        track.visible = np.where(share & is_seen, mask, 0).astype(np.uint8)
        certainty = mask_area(track.visible_mask) / max(mask_area(track.amodal_mask), 1)
        updated.append(np.asarray(velocity + config.velocity_gain * certainty * offset, np.float32))
    return updated


def settle_identities(tracks: Sequence[Track], velocities: Sequence[Vector], config: LookalikeConfig) -> None:
    """Clear the doubt of two look-alikes that have parted and go on as they came.

    It is cleared where their velocities fit those before the contact `min_motion_ratio` times better than
    the exchanged ones (squared errors), and stays where both fit or where the motion has changed.
    """
    by_id = {track.id: (track, velocity) for track, velocity in zip(tracks, velocities, strict=True)}
    for track, velocity in by_id.values():
        other, other_velocity = by_id.get(track.rival, (None, None))
        if other is None or other_velocity is None or track.id > other.id or other.rival != track.id:
            continue
        if track.in_contact or other.in_contact:
            track.frames_apart = other.frames_apart = 0
            continue
        track.frames_apart = other.frames_apart = track.frames_apart + 1
        if track.frames_apart != config.settling_frames:
            continue
        before = np.array([track.entry_velocity, other.entry_velocity])
        after = np.stack([velocity, other_velocity])
        noise = config.velocity_noise**2
        straight = float(np.square(after - before).sum()) + noise
        exchanged = float(np.square(after - before[::-1]).sum()) + noise
        if exchanged > config.min_motion_ratio * straight:
            track.rival = other.rival = 0


def _list_similar_pairs(
    tracks: Sequence[Track], velocities: Sequence[Vector], config: LookalikeConfig
) -> list[tuple[int, int]]:
    """Pairs of indices of different objects with one appearance whose predicted boxes are within reach."""
    boxes: list[NDArray[np.float32] | None] = []
    for track, velocity in zip(tracks, velocities, strict=True):
        silhouette = track.amodal_mask
        shift = np.concatenate([velocity, velocity])
        boxes.append(np.array(mask_extent(silhouette), np.float32) + shift if silhouette.any() else None)
    pairs = []
    for i, one in enumerate(boxes):
        for j in range(i + 1, len(boxes)):
            two = boxes[j]
            if one is None or two is None or tracks[i].shows_same_object(tracks[j]):
                continue
            # one pixel more for the rounding of silhouettes
            gap = np.maximum(one[:2] - two[2:], two[:2] - one[2:]).max()
            is_near = gap <= config.reach + 1
            similarity = histogram_similarity(tracks[i].histogram, tracks[j].histogram) if is_near else 0.0
            if similarity >= config.min_similarity:
                pairs.append((i, j))
    return pairs


def _mark_uncertain(one: Track, two: Track, velocity: Vector, other: Vector) -> None:
    if one.rival == two.id and two.rival == one.id:
        return
    one.rival, two.rival = two.id, one.id
    one.frames_apart = two.frames_apart = 0
    one.entry_velocity = float(velocity[0]), float(velocity[1])
    two.entry_velocity = float(other[0]), float(other[1])


def _measure_evidence(
    tracks: Sequence[Track], silhouettes: Sequence[SoftMask], bins: ColorBins, config: LookalikeConfig
) -> Floats:
    """How much each pixel (h, w) speaks for the group's colours: 1 for certain, -1 for its surroundings."""
    union = np.any([threshold_mask(mask) for mask in silhouettes], axis=0)
    inner = np.ones((2 * config.search_radius + 1, 2 * config.search_radius + 1), np.uint8)
    near = cv2.dilate(union.astype(np.uint8), inner)
    ring = cv2.dilate(near, inner).astype(np.bool_) & ~near.astype(np.bool_)
    own = np.stack([track.histogram for track in tracks]).mean(axis=0)
    likelihood = color_likelihood(bins, own, color_histogram(bins, ring))
    return np.asarray(2 * likelihood - 1, np.float32)


def _best_offset(silhouette: Mask, evidence: Floats, config: LookalikeConfig) -> Vector:
    """The whole-pixel offset (x, y) with the most evidence under the silhouette, less its prior's cost."""
    if not silhouette.any():
        return np.zeros(2, np.float32)
    radius = config.search_radius
    x0, y0, x1, y1 = mask_extent(silhouette)
    padded = cv2.copyMakeBorder(evidence, radius, radius, radius, radius, cv2.BORDER_CONSTANT, value=0)
    window = padded[y0 : y1 + 2 * radius, x0 : x1 + 2 * radius]
    stencil = silhouette[y0:y1, x0:x1].astype(np.float32)
    gain = config.evidence_weight * cv2.matchTemplate(window, stencil, cv2.TM_CCORR)
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    cost = (steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * config.acceleration**2)
    y, x = np.unravel_index(int(np.argmax(gain - cost)), cost.shape)
    return np.array([steps[x], steps[y]], np.float32)


def _divide(silhouettes: Sequence[Mask]) -> list[Mask]:
    """Each silhouette (h, w) without the pixels that lie nearer to the centre of another one."""
    height, width = silhouettes[0].shape
    grid = pixel_grid(height, width)
    distances = np.full((len(silhouettes), height, width), np.inf, np.float32)
    for index, silhouette in enumerate(silhouettes):
        if silhouette.any():
            center = grid[silhouette].mean(axis=0)
            distances[index][silhouette] = np.square(grid[silhouette] - center).sum(axis=1)
    nearest = distances.argmin(axis=0)
    return [silhouette & (nearest == index) for index, silhouette in enumerate(silhouettes)]

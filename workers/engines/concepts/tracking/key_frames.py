"""Key frames: the frames on which the detector and MobileSAM run, correct all tracks and start new ones."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor

from maquette.contract.vocabulary import parse_phrase

from workers.engines.concepts.images.attributes import has_color, sort_by_extreme
from workers.engines.concepts.images.config import ImageConfig
from workers.engines.concepts.images.mobilesam import ImageEmbedding, MobileSam
from workers.engines.concepts.images.picodet import Detection, PicoDet
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.association import (
    match_detections,
    measure_margins,
    measure_merged,
)
from workers.engines.concepts.tracking.config import KeyFrameConfig, TrackerConfig
from workers.engines.concepts.tracking.frame_detection import FrameDetector
from workers.engines.concepts.tracking.reid import is_explained, reidentification_score
from workers.engines.concepts.tracking.reprompting import Reprompter
from workers.engines.concepts.tracking.state import Track, TrackerState, merge_visible_masks
from workers.engines.concepts.tracking.track_update import (
    correct_track,
    find_twin,
    recover_track,
    search_lost_track,
    start_track,
)
from workers.engines.concepts.tracking.working_frame import WorkingFrame
from workers.engines.protocols import Box, TrackPrompts
from workers.geometry.boxes import bounding_box, clip_box, contains_box, enclose_boxes


class KeyFrameProcessor:
    """Runs the detector and MobileSAM on key frames of one video with these prompts."""

    def __init__(
        self,
        sam: MobileSam,
        detector: PicoDet,
        prompts: TrackPrompts,
        config: TrackerConfig,
        images: ImageConfig,
        pool: Executor,
    ) -> None:
        self._pool, self._sam, self._config, self._attributes = pool, sam, config, images.attributes
        self._queries = [parse_phrase(phrase) for phrase in prompts.phrases]
        self._classes = {index: query.classes for index, query in enumerate(self._queries)}
        thresholds = [prompts.threshold(index) for index in range(len(prompts.phrases))]
        default = config.association.birth_score
        self._birth_scores = [default if value is None else value for value in thresholds]
        least = config.association.confirm_share * min(self._birth_scores, default=default)
        self._detector = FrameDetector(detector, self._classes, least, config, images.detection)

    def process(self, state: TrackerState, frame: WorkingFrame) -> None:
        """Correct tracks on a key frame, start new ones and look for lost ones.

        MobileSAM reads the complete frame for objects whose mask is not known. Otherwise it reads the region
        around the tracks that are nearly due, and corrects every track in it.
        """
        state.last_key_frame = state.frames
        tracks = _tracks_in_sight(state)
        detections, matches = self._detect(state, frame, tracks)
        matched = {tracks[row].id: detections[column] for row, column in matches.items()}
        free = [item for index, item in enumerate(detections) if index not in matches.values()]
        lost = [track for track in state.tracks if track.is_lost and track.label is None]
        boxes = {track.id: _prompt_box(track, matched.get(track.id)) for track in tracks}
        early = self._config.key_frames.early_share
        due = [boxes[track.id] for track in tracks if _is_due(state, track, early)]
        for track in tracks:
            if track.id in matched:
                track.score, track.missed = matched[track.id].score, 0
        if free or lost:
            chosen, embedding = tracks, self.embed(frame)
        elif due:
            region = self._surround(due, frame.shape)
            chosen = [track for track in tracks if contains_box(region, boxes[track.id])]
            embedding = self._embed_region(frame, region)
        else:
            return
        reprompter = Reprompter(self._sam, embedding, frame.shape, self._config.correction)
        self._correct_tracks(state, frame, reprompter, chosen, matched)
        for prompt, query in enumerate(self._queries):
            matching = [item for item in free if item.label in query.classes]
            for item in sort_by_extreme(matching, query):
                self._start_or_recover(state, frame, reprompter, item, prompt)
        for track in lost:
            if track.is_lost:
                occupied = merge_visible_masks(state.active_tracks, frame.shape)
                search_lost_track(track, reprompter, frame.bins, occupied, state.frames, self._config)

    def is_due(self, state: TrackerState, doubtful: Collection[int]) -> bool:
        """Whether a track's interval has passed, or, for the ids of `doubtful` ones, a share of it.

        The usual interval counts for objects that only a key frame can find.
        """
        limits = self._config.key_frames
        tracks, elapsed = _tracks_in_sight(state), state.frames - state.last_key_frame
        lost = [track for track in state.tracks if track.is_lost and track.label is None]
        if (lost or not tracks) and elapsed >= limits.interval:
            return True
        early = limits.early_share
        if any(track.id in doubtful for track in lost) and elapsed >= int(early * limits.interval):
            return True
        return any(_is_due(state, track, early if track.id in doubtful else 1.0) for track in tracks)

    def has_new_object(self, state: TrackerState, frame: WorkingFrame) -> bool:
        """Whether a confident detection matches no track."""
        least = min(self._birth_scores, default=0.0)
        tracks = _tracks_in_sight(state)
        confident = [item for item in self._detect(state, frame, tracks)[0] if item.score >= least]
        matches = match_detections(tracks, confident, self._classes, self._config.association)
        return len(matches) < len(confident)

    def embed(self, frame: WorkingFrame) -> ImageEmbedding:
        """The embedding of the complete frame, computed once: for prompts without a prior mask."""
        if not frame.image.embeddings:
            frame.image.embeddings.append(self._sam.encode(frame.image.image, fitted=True))
        return frame.image.embeddings[0]

    def _surround(self, boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
        """The box around some boxes and the surroundings of each, in a frame of (h, w)."""
        share = self._config.key_frames.region_margin
        return clip_box(enclose_boxes([_grow_box(box, share) for box in boxes]), shape)

    def _embed_region(self, frame: WorkingFrame, region: Box) -> ImageEmbedding:
        """The embedding of a region in working pixels, or that of the complete frame where it exists."""
        if frame.image.embeddings:
            return frame.image.embeddings[0]
        sx, sy = frame.image.size[1] / frame.shape[1], frame.image.size[0] / frame.shape[0]
        pixels = region[0] * sx, region[1] * sy, region[2] * sx, region[3] * sy
        return self._sam.encode_region(frame.image.image, pixels)

    def _detect(
        self, state: TrackerState, frame: WorkingFrame, tracks: Sequence[Track]
    ) -> tuple[list[Detection], dict[int, int]]:
        """The detections of a frame, and which of them is which track, by index.

        Each track's margin then says how certain they leave it.
        """
        found = self._detector.detect(frame.image, state.frames, tracks, frame.shape)
        matches = match_detections(tracks, found, self._classes, self._config.association)
        margins = measure_margins(tracks, found, self._classes, matches)
        merged = measure_merged(tracks, found, self._classes, self._config.association)
        for track, margin, share in zip(tracks, margins, merged, strict=True):
            track.margin, track.merged = margin, share
        return found, matches

    def _correct_tracks(
        self,
        state: TrackerState,
        frame: WorkingFrame,
        reprompter: Reprompter,
        chosen: Sequence[Track],
        matched: Mapping[int, Detection],
    ) -> None:
        """Correct some tracks, given all detections by track id, and set their next intervals."""
        tracks = _tracks_in_sight(state)
        for track in chosen:
            track.corrected_at = state.frames
        asked = [track for track in chosen if not track.in_contact]
        reprompter.look_ahead(asked, matched, self._pool)
        for track in asked:
            detection = matched.get(track.id)
            others = [other for other in tracks if other is not track and other.prompt == track.prompt]
            occupied = merge_visible_masks(others, frame.shape)
            iou = correct_track(track, reprompter, frame.bins, detection, occupied, self._config)
            track.interval = next_interval(track.interval, iou, self._config.key_frames)

    def _start_or_recover(
        self,
        state: TrackerState,
        frame: WorkingFrame,
        reprompter: Reprompter,
        detection: Detection,
        prompt: int,
    ) -> None:
        """Take a detection of a prompt that matches no track for a lost object, else for a new one."""
        query, config = self._queries[prompt], self._config
        answer = reprompter.segment_box(detection.box)
        mask = answer.mask
        rivals = [track for track in state.active_tracks if track.prompt == prompt]
        touching = [track for track in rivals if track.in_contact]
        known = [track.visible_mask for track in rivals] + [merge_visible_masks(touching, frame.shape)]
        if not mask.any() or any(is_explained(other, mask, config.reid) for other in known):
            return
        if not has_color(frame.work, mask, query, self._attributes):
            return
        missing = [
            track for track in state.tracks if track.prompt == prompt and self._may_be_elsewhere(track)
        ]
        scores = [
            (reidentification_score(track, frame.bins, mask, state.frames, config), track)
            for track in missing
        ]
        score, old = max(scores, key=lambda pair: (pair[0], -pair[1].id), default=(0.0, None))
        if old is not None and score > 0:
            recover_track(old, answer, detection.score, state.frames)
            return
        # an extreme is one object: the first one that was found stays it
        is_free = query.extreme is None or not (rivals or missing)
        if detection.score >= self._birth_scores[prompt] and is_free:
            label, score = detection.label, detection.score
            track = start_track(
                state.take_id(),
                answer.soft,
                frame.bins,
                prompt=prompt,
                label=label,
                score=score,
                frame=state.frames,
                interval=config.key_frames.interval,
            )
            track.twin = find_twin(track, state.active_tracks, config)
            state.tracks.append(track)

    def _may_be_elsewhere(self, track: Track) -> bool:
        """Whether a detection may be this track: it is lost, or only an unconfirmed part is in sight."""
        is_part = mask_area(track.visible_mask) < self._config.visibility.occluded_share * track.area
        return track.is_lost or (is_part and track.missed > 0)


def next_interval(last: int, iou: float, config: KeyFrameConfig) -> int:
    """Frames until a track's next correction, given the IoU of its propagated and corrected masks."""
    if iou >= config.steady_iou:
        return min(last + config.interval_step, config.max_interval)
    return config.interval


def _tracks_in_sight(state: TrackerState) -> list[Track]:
    return [track for track in state.active_tracks if track.visible_mask.any()]


def _prompt_box(track: Track, detection: Detection | None) -> Box:
    """The box around a track's mask and its detection, in working pixels."""
    box = bounding_box(track.visible_mask)
    return box if detection is None else enclose_boxes([box, detection.box])


def _grow_box(box: Box, share: float) -> Box:
    """A box that is larger on each side by a share of its own side."""
    x, y = share * (box[2] - box[0]), share * (box[3] - box[1])
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def _is_due(state: TrackerState, track: Track, share: float) -> bool:
    """Whether a share of the interval has passed since a track was corrected."""
    return state.frames - track.corrected_at >= int(share * track.interval)

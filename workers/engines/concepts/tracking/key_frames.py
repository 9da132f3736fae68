"""Key frames: the frames on which the detector and MobileSAM run, correct all tracks and start new ones."""

from dataclasses import dataclass

from maquette.contract.vocabulary import parse_phrase

from workers.engines.concepts.images.attributes import has_color, sort_by_extreme
from workers.engines.concepts.images.color_histograms import ColorBins, quantize_colors
from workers.engines.concepts.images.config import AttributeConfig
from workers.engines.concepts.images.embedded_image import EmbeddedImage
from workers.engines.concepts.images.mobilesam import ImageEmbedding, MobileSam
from workers.engines.concepts.images.picodet import Detection, PicoDet
from workers.engines.concepts.masks import mask_area
from workers.engines.concepts.tracking.association import match_detections
from workers.engines.concepts.tracking.config import KeyFrameConfig, PropagationConfig, TrackerConfig
from workers.engines.concepts.tracking.optical_flow import downscale, make_flow_image
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
from workers.engines.protocols import Rgb, TrackPrompts


@dataclass(frozen=True, slots=True)
class WorkingFrame:
    """A frame as the tracker reads it: the image, copies in working and flow pixels, colour bins (h, w)."""

    image: EmbeddedImage
    work: Rgb
    flow_image: Rgb
    bins: ColorBins

    @classmethod
    def prepare(cls, image: Rgb, config: PropagationConfig) -> "WorkingFrame":
        """Scale an RGB image (H, W, 3) and quantise its colours."""
        work = downscale(image, config.work_side)
        flow_image = make_flow_image(work, config.flow_side)
        return cls(EmbeddedImage(image), work, flow_image, quantize_colors(work))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in working pixels."""
        return self.bins.shape[0], self.bins.shape[1]


class KeyFrameProcessor:
    """Runs the detector and MobileSAM on key frames of one video with these prompts."""

    def __init__(
        self,
        sam: MobileSam,
        detector: PicoDet,
        prompts: TrackPrompts,
        config: TrackerConfig,
        attributes: AttributeConfig,
    ) -> None:
        self._sam, self._detector, self._config, self._attributes = sam, detector, config, attributes
        self._queries = [parse_phrase(phrase) for phrase in prompts.phrases]
        self._classes = {index: query.classes for index, query in enumerate(self._queries)}
        thresholds = [prompts.threshold(index) for index in range(len(prompts.phrases))]
        default = config.association.birth_score
        self._birth_scores = [default if value is None else value for value in thresholds]

    def process(self, state: TrackerState, frame: WorkingFrame) -> None:
        """Correct the tracks of a state on a key frame, start new ones and look for lost ones."""
        state.last_key_frame = state.frames
        detections = self._detect(frame)
        if not detections and not state.tracks:
            return
        embedding = self.embed(frame)
        reprompter = Reprompter(self._sam, embedding, frame.shape, self._config.correction)
        free = self._correct_tracks(state, frame, reprompter, detections)
        for prompt, query in enumerate(self._queries):
            matching = [item for item in free if item.label in query.classes]
            for item in sort_by_extreme(matching, query):
                self._start_or_recover(state, frame, reprompter, item, prompt)
        for track in state.tracks:
            if track.is_lost and track.label is None:
                occupied = merge_visible_masks(state.active_tracks, frame.shape)
                search_lost_track(track, reprompter, frame.bins, occupied, state.frames, self._config)

    def has_new_object(self, state: TrackerState, frame: WorkingFrame) -> bool:
        """Whether a confident detection matches no track."""
        least = min(self._birth_scores, default=0.0)
        confident = [item for item in self._detect(frame) if item.score >= least]
        matches = match_detections(
            _tracks_in_sight(state), confident, self._classes, self._config.association
        )
        return len(matches) < len(confident)

    def embed(self, frame: WorkingFrame) -> ImageEmbedding:
        """The frame's embedding, computed once."""
        if not frame.image.embeddings:
            side = self._config.key_frames.encoder_side
            frame.image.embeddings.append(self._sam.encode(frame.image.image, side=side, fitted=True))
        return frame.image.embeddings[0]

    def _detect(self, frame: WorkingFrame) -> list[Detection]:
        """The detections of the prompts' classes that can confirm a track, in working pixels."""
        if not self._classes:
            return []
        image = frame.image
        if image.detections is None:
            image.detections = self._detector.detect(image.image)
        sx, sy = frame.shape[1] / image.size[1], frame.shape[0] / image.size[0]
        labels = {label for classes in self._classes.values() for label in classes}
        least = self._config.association.confirm_share * min(self._birth_scores)
        return [
            Detection(
                item.label,
                item.score,
                (item.box[0] * sx, item.box[1] * sy, item.box[2] * sx, item.box[3] * sy),
            )
            for item in image.detections
            if item.label in labels and item.score >= least
        ]

    def _correct_tracks(
        self,
        state: TrackerState,
        frame: WorkingFrame,
        reprompter: Reprompter,
        detections: list[Detection],
    ) -> list[Detection]:
        """Correct all tracks in sight and set the next interval; the detections that match none of them."""
        tracks = _tracks_in_sight(state)
        matches = match_detections(tracks, detections, self._classes, self._config.association)
        worst_iou = 1.0
        for index, track in enumerate(tracks):
            detection = detections[matches[index]] if index in matches else None
            if track.in_contact:
                track.missed = 0 if detection else track.missed
                continue
            others = [other for other in tracks if other is not track and other.prompt == track.prompt]
            occupied = merge_visible_masks(others, frame.shape)
            iou = correct_track(track, reprompter, frame.bins, detection, occupied, self._config)
            worst_iou = min(worst_iou, iou)
        state.interval = next_interval(state.interval, worst_iou, self._config.key_frames)
        return [item for index, item in enumerate(detections) if index not in matches.values()]

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
            recover_track(old, answer, detection.score)
            return
        # an extreme is one object: the first one that was found stays it
        is_free = query.extreme is None or not (rivals or missing)
        if detection.score >= self._birth_scores[prompt] and is_free:
            label, score = detection.label, detection.score
            track = start_track(
                state.next_id, answer.soft, frame.bins, prompt=prompt, label=label, score=score
            )
            track.twin = find_twin(track, state.active_tracks, config)
            state.tracks.append(track)
            state.next_id += 1

    def _may_be_elsewhere(self, track: Track) -> bool:
        """Whether a detection may be this track: it is lost, or only an unconfirmed part is in sight."""
        is_part = mask_area(track.visible_mask) < self._config.visibility.occluded_share * track.area
        return track.is_lost or (is_part and track.missed > 0)


def next_interval(last: int, worst_iou: float, config: KeyFrameConfig) -> int:
    """Frames until the next key frame, given the worst IoU of propagated and corrected masks on this one."""
    if worst_iou >= config.steady_iou:
        return min(last + config.interval_step, config.max_interval)
    return config.interval if worst_iou >= config.unsteady_iou else config.min_interval


def _tracks_in_sight(state: TrackerState) -> list[Track]:
    return [track for track in state.active_tracks if track.visible_mask.any()]

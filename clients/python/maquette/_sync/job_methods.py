# Generated from maquette/_async/job_methods.py by scripts/generate_sync.py: do not edit.
"""The methods of the client that submit jobs."""

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from maquette import inputs
from maquette._sync import uploads
from maquette._sync.jobs import Job, submit_job
from maquette._sync.version_methods import VersionSubmitter
from maquette.contract import (
    Artefact,
    AssetFormat,
    BodiesJob,
    BodyFormat,
    ConvertJob,
    DatasetJob,
    Direction,
    MaskOutput,
    MediaRef,
    ObjectFormat,
    ObjectOutput,
    ObjectPrompt,
    ObjectsJob,
    SceneFormat,
    SceneJob,
    SegmentJob,
    TrackJob,
    TrackOutput,
    VideoExemplar,
    VideoPrompt,
)
from maquette.contract.defaults import BODIES, CONVERT, DATASET, OBJECTS, SCENE, SEGMENT, TRACK
from maquette.errors import invalid_requests
from maquette.inputs import MediaInput, Phrases
from maquette.job_options import (
    BodiesOptions,
    ConvertOptions,
    DatasetJobOptions,
    ObjectsOptions,
    SceneOptions,
    SegmentOptions,
    TrackOptions,
)
from maquette.results import (
    BodiesResult,
    ConvertResult,
    DatasetResult,
    ObjectsResult,
    SceneResult,
    SegmentResult,
    TrackResult,
)


class JobSubmitter(VersionSubmitter):
    """One method per kind of job; each uploads its media, builds the request and submits it.

    `text` is a phrase or a list of phrases; a comma separates phrases in either, as in "person, car".
    """

    def segment(
        self,
        image: MediaInput,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        exemplars: Iterable[Any] | None = None,
        counter_exemplars: Iterable[Any] | None = None,
        prompts: Iterable[Any] | None = None,
        threshold: float | None = None,
        thresholds: Sequence[float | None] = SEGMENT.thresholds,
        frame: int | None = None,
        images: Iterable[Any] | None = None,
        outputs: Iterable[MaskOutput] = SEGMENT.outputs,
        idempotency_key: str | None = None,
        **options: Unpack[SegmentOptions],
    ) -> Job[SegmentResult]:
        """Segment what phrases, boxes (xyxy pixels) and points name; `points` holds one item per object.

        `exemplars` are boxes around examples of a concept: all instances that look like them are segmented,
        except those that look more like `counter_exemplars`; a dict of `box` and `image` is an example in
        another image. `prompts` are dicts of `box`, `points` and `mask` that name one object together. With
        `frame` the image is that frame of a video. `nms_iou` and `fill_area` say how instances of phrases
        and exemplars are cleaned, where the engine can (capability `mask_cleanup`).

        `images` are further images in which phrases are found, many in one pass (capability `image_batch`):
        media, or dicts of an `image` and its own `text` and `thresholds`. `SegmentResult.images` has them.
        """
        with invalid_requests():
            fields = inputs.to_prompt_fields(text, boxes, points, threshold)
            object_prompts = inputs.to_prompts(prompts, ObjectPrompt)
            examples = uploads.upload_exemplars(self._http, exemplars, positive=True)
            examples += uploads.upload_exemplars(self._http, counter_exemplars, positive=False)
            request = SegmentJob(
                image=uploads.upload(self._http, image),
                images=uploads.upload_images(self._http, images),
                exemplars=examples,
                prompts=object_prompts,
                thresholds=list(thresholds),
                frame=frame,
                outputs=list(outputs),
                **fields,
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def track(
        self,
        video: MediaInput,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        prompts: Iterable[Any] | None = None,
        exemplars: Iterable[Any] | None = None,
        threshold: float | None = None,
        thresholds: Sequence[float | None] = TRACK.thresholds,
        start_frame: int | None = None,
        direction: Direction = TRACK.direction,
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = TRACK.outputs,
        idempotency_key: str | None = None,
        **options: Unpack[TrackOptions],
    ) -> Job[TrackResult]:
        """Track objects through a video; boxes and points lie on `start_frame`, the first frame by default.

        `prompts` are dicts of `frame` and `box`, `points` or `mask`: each starts an object on its frame, or
        with the id of an `object` corrects that one (`remove` ends it). `outputs` may add an overlay video,
        PNGs of ids, and YouTube-VIS JSON. `exemplars` are dicts of `frame`, `box` and `phrase`: the box shows
        what the phrase means (engines with the capability `video_exemplars`).
        """
        with invalid_requests():
            fields = inputs.to_prompt_fields(text, boxes, points, threshold)
            video_prompts = inputs.to_prompts(prompts, VideoPrompt)
            examples = inputs.to_prompts(exemplars, VideoExemplar)
            request = TrackJob(
                video=uploads.upload(self._http, video),
                prompts=video_prompts,
                exemplars=examples,
                thresholds=list(thresholds),
                start_frame=start_frame,
                direction=direction,
                max_frames=max_frames,
                outputs=list(outputs),
                **fields,
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def objects(
        self,
        image: MediaInput | None = None,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        masks: Iterable[Any] | None = None,
        from_job: Any = None,
        threshold: float | None = None,
        camera: Any = None,
        depth: Any = None,
        ground: Any = None,
        formats: Iterable[ObjectFormat] = OBJECTS.formats,
        outputs: Iterable[ObjectOutput] = OBJECTS.outputs,
        density: float = OBJECTS.density,
        longest_side_m: float | None = None,
        video: MediaInput | None = None,
        multiview: bool = OBJECTS.multiview,
        world_from_cam: Iterable[Any] | None = None,
        max_views: int = OBJECTS.max_views,
        idempotency_key: str | None = None,
        **options: Unpack[ObjectsOptions],
    ) -> Job[ObjectsResult]:
        """Reconstruct a mesh, a splat and a pose per object; `from_job` continues a segment job.

        `depth` makes them metric: a file or an array (H, W) of z or (H, W, 3) of points, or a dict with one
        as `media` and further fields of `DepthMap`. `outputs` may add the posed mesh over the image (placed),
        a turntable video, a simulation package, and the point map of the image. `generation` is a dict of
        controls (see `Generation`), and `ground` a mask (H, W) of the floor, whose plane is reported, for
        engines that list the capability.

        With `multiview`, each object of a `video` (or of a track job) is reconstructed from up to `max_views`
        frames, whose camera poses are `world_from_cam` (4x4 per frame, in metres) or are estimated.
        """
        with invalid_requests():
            prompts = inputs.to_prompt_fields(text, boxes, points, threshold)
            request = ObjectsJob(
                video=uploads.upload_optional(self._http, video),
                world_from_cam=inputs.to_camera_poses(world_from_cam),
                formats=list(formats),
                outputs=list(outputs),
                density=density,
                longest_side_m=longest_side_m,
                multiview=multiview,
                max_views=max_views,
                **prompts,
                **uploads.upload_fields(self._http, image, masks, from_job, camera, depth, ground),
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def bodies(
        self,
        image: MediaInput | None = None,
        *,
        video: MediaInput | None = None,
        boxes: Iterable[Any] | None = None,
        masks: Iterable[Any] | None = None,
        from_job: Any = None,
        camera: Any = None,
        formats: Iterable[BodyFormat] = BODIES.formats,
        lod: int | None = None,
        vertices: bool = BODIES.vertices,
        max_people: int = BODIES.max_people,
        max_frames: int | None = None,
        smoothing: bool = BODIES.smoothing,
        max_gap_seconds: float = BODIES.max_gap_seconds,
        height_m: float | Sequence[float | None] | None = None,
        world_from_cam: Iterable[Any] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[BodiesOptions],
    ) -> Job[BodiesResult]:
        """Recover a rigged body per person of an image, or an animated one per person of a video.

        Without boxes, masks or a job, people are detected first; `from_job` continues a segment or a track
        job. `height_m` is the height in metres of all people, or one per box or mask. `world_from_cam` holds
        a 4x4 matrix per frame and places a video's bodies in the world. `people` are dicts of `keypoints` and
        hand boxes, one per box or mask, for engines that list `body_prompts`.
        """
        with invalid_requests():
            request = BodiesJob(
                image=uploads.upload_optional(self._http, image),
                video=uploads.upload_optional(self._http, video),
                world_from_cam=inputs.to_camera_poses(world_from_cam),
                boxes=inputs.to_boxes(boxes),
                masks=inputs.to_masks(masks),
                from_job=inputs.to_job_id(from_job),
                camera=inputs.to_intrinsics(camera),
                formats=list(formats),
                lod=lod,
                vertices=vertices,
                max_people=max_people,
                max_frames=max_frames,
                smoothing=smoothing,
                max_gap_seconds=max_gap_seconds,
                height_m=inputs.to_heights(height_m),
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def scene(
        self,
        image: MediaInput | None = None,
        text: Phrases | None = None,
        *,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        masks: Iterable[Any] | None = None,
        from_job: Any = None,
        threshold: float | None = None,
        camera: Any = None,
        depth: Any = None,
        ground: Any = None,
        formats: Iterable[SceneFormat] = SCENE.formats,
        outputs: Iterable[ObjectOutput] = SCENE.outputs,
        contact: bool = SCENE.contact,
        idempotency_key: str | None = None,
        **options: Unpack[SceneOptions],
    ) -> Job[SceneResult]:
        """Place the objects and bodies of an image, or of a segment job, in one camera frame.

        A body gives its scale to the objects; with `contact` they stand on the ground that its feet define.
        Prompts, `depth`, `ground` and `outputs` are those of `objects`.
        """
        with invalid_requests():
            prompts = inputs.to_prompt_fields(text, boxes, points, threshold)
            request = SceneJob(
                formats=list(formats),
                outputs=list(outputs),
                contact=contact,
                **prompts,
                **uploads.upload_fields(self._http, image, masks, from_job, camera, depth, ground),
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def convert(
        self,
        asset: MediaInput,
        formats: Sequence[AssetFormat],
        *,
        y_down: bool = CONVERT.y_down,
        views: Iterable[Any] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ConvertOptions],
    ) -> Job[ConvertResult]:
        """Convert a splat (PLY, SPZ, SOG, GLB) or a mesh (GLB, OBJ, PLY) to other formats.

        A splat also becomes `splat` or `ksplat`, a mesh `stl` or `usdz`, and both become `html`, a page for
        browsers. `asset` is a file, an upload, or an artefact of a job; `dropped` and `flags` of the result
        say what is lost. With `y_down`, PLY, SOG, `splat` and `ksplat` use 3DGS's axes: y down, z forward.

        `views` are dicts of `width`, `height`, `camera` and `world_from_cam`, for which a splat is rendered,
        `anti_aliased` and with `depth` maps on request.
        """
        with invalid_requests():
            if isinstance(asset, Artefact):
                ref = MediaRef(id=asset.sha256)
            else:
                ref = uploads.upload(self._http, asset)
            request = ConvertJob(
                asset=ref,
                formats=list(formats),
                y_down=y_down,
                views=inputs.to_views(views),
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

    def dataset(
        self,
        videos: Sequence[MediaInput],
        text: Phrases,
        *,
        threshold: float | None = None,
        clip_seconds: float = DATASET.clip_seconds,
        size: int = DATASET.size,
        sources: Iterable[Any] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[DatasetJobOptions],
    ) -> Job[DatasetResult]:
        """Make a dataset of clips, tracks and observations from videos, as Parquet shards.

        `sources` holds what is known of each video, as SourceInfo or dict; its `depth` may be a folder of
        numbered 16-bit PNG or TIFF files, a NumPy file, an array (T, H, W), or a dict with one as `media`.
        """
        with invalid_requests():
            refs = [uploads.upload(self._http, video) for video in videos]
            request = DatasetJob(
                videos=refs,
                sources=[uploads.upload_source_info(self._http, info) for info in sources or ()],
                text=inputs.to_phrases(text),
                threshold=threshold,
                clip_seconds=clip_seconds,
                size=size,
                **options,
            )
        return submit_job(self._http, request, idempotency_key)

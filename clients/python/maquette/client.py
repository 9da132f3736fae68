"""The blocking client."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import httpx

from maquette import calls, requests, session_calls
from maquette.contract import (
    Artefact,
    AssetFormat,
    BodyFormat,
    Direction,
    Engine,
    MaskOutput,
    Media,
    MediaRef,
    ObjectFormat,
    ObjectOutput,
    SceneFormat,
    TrackOutput,
)
from maquette.drivers import TIMEOUT, SyncDriver
from maquette.handles import Job
from maquette.inputs import Phrases, Source
from maquette.results import (
    BodiesResult,
    ConvertResult,
    DatasetResult,
    ObjectsResult,
    SceneResult,
    SegmentResult,
    TrackResult,
)
from maquette.sessions import VideoSession
from maquette.settings import ClientSettings


class Maquette:
    """Talks to a Maquette service; close it, or use it in a `with` block.

    `url` and `api_key` default to MAQUETTE_URL and MAQUETTE_API_KEY. Requests that are safe to repeat
    are retried `retries` times. Raises the exceptions of `maquette.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        settings = ClientSettings.load(url, api_key)
        client = httpx.Client(
            base_url=settings.url, headers=settings.headers(), timeout=TIMEOUT, transport=transport
        )
        self._driver = SyncDriver(client, retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._driver.client.close()

    def upload(self, source: Source) -> MediaRef:
        """Send a medium unless the service has it; the reference serves any number of jobs."""
        return self._driver.run(calls.upload_any(source))

    def media(self, ref: MediaRef) -> Media | None:
        """What the service knows of an upload; None for an address, which is fetched later."""
        return self._driver.run(calls.describe(ref))

    def segment(
        self,
        image: Source,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        exemplars: Iterable[Any] | None = None,
        counter_exemplars: Iterable[Any] | None = None,
        prompts: Iterable[Any] | None = None,
        threshold: float | None = None,
        thresholds: Sequence[float | None] = (),
        frame: int | None = None,
        outputs: Iterable[MaskOutput] = (),
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[SegmentResult]:
        """Masks of what phrases, boxes (xyxy pixels) and points name; `points` holds one object each.

        `exemplars` are boxes around things of a kind: all that look like them are found, and nothing that
        looks more like `counter_exemplars`; a dict of `box` and `image` shows a thing in another image.
        `prompts` are dicts of `box`, `points` and `mask` that name one object together. With `frame` the
        image is that frame of a video.
        """
        options |= {"thresholds": list(thresholds), "frame": frame, "outputs": list(outputs)}
        shown = (exemplars, counter_exemplars, prompts)
        built = requests.segment(image, text, boxes, points, *shown, threshold, options)
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def track(
        self,
        video: Source,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        prompts: Iterable[Any] | None = None,
        exemplars: Iterable[Any] | None = None,
        threshold: float | None = None,
        thresholds: Sequence[float | None] = (),
        start_frame: int | None = None,
        direction: Direction = "forward",
        max_frames: int | None = None,
        outputs: Iterable[TrackOutput] = (),
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[TrackResult]:
        """Objects through a video; boxes and points are placed on `start_frame`, the first by default.

        `prompts` are dicts of `frame` and `box`, `points` or `mask`: each starts an object on its frame, or
        with the id of an `object` mends that one (`remove`: ends it). `direction` is forward, backward or
        both; `outputs` may add an overlay film, PNGs of ids, and YouTube-VIS JSON. `exemplars` are dicts of
        `frame`, `box` and `phrase`: a box that shows what a phrase means (engines with `video_exemplars`).
        """
        options |= {
            "thresholds": list(thresholds),
            "start_frame": start_frame,
            "direction": direction,
            "max_frames": max_frames,
            "outputs": list(outputs),
        }
        built = requests.track(video, text, boxes, points, prompts, exemplars, threshold, options)
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def objects(
        self,
        image: Source | None = None,
        *,
        text: Phrases | None = None,
        boxes: Iterable[Any] | None = None,
        points: Iterable[Any] | None = None,
        masks: Iterable[Any] | None = None,
        from_job: Any = None,
        threshold: float | None = None,
        camera: Any = None,
        depth: Any = None,
        formats: Iterable[ObjectFormat] = ("glb", "ply"),
        outputs: Iterable[ObjectOutput] = (),
        density: float = 1000.0,
        longest_side_m: float | None = None,
        video: Source | None = None,
        multiview: bool = False,
        world_from_cam: Iterable[Any] | None = None,
        max_views: int = 24,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[ObjectsResult]:
        """A mesh, a splat and a pose for each object; `from_job` goes on from a segment job.

        `depth` makes them metric: a file or an array (H, W) of z, (H, W, 3) of points, or a dict of it as
        `media`, with `metres_per_unit`, `measures` ("z" or "distance") and `axes` (see `DepthMap`).

        The mesh is always written as GLB and the splat as PLY; `formats` may add spz, sog, khr_glb and obj.
        `outputs` may add the posed mesh over the picture (placed), a turntable film, and a simulation package
        of an even `density` in kg/m³, `longest_side_m` metres long.

        With `multiview`, each object of a `video` (or of a track job) from up to `max_views` frames, whose
        cameras are `world_from_cam` (4x4 in metres, one a frame) or are found.
        """
        options |= {
            "formats": list(formats),
            "outputs": list(outputs),
            "density": density,
            "longest_side_m": longest_side_m,
            "multiview": multiview,
            "max_views": max_views,
        }
        built = requests.objects(
            image,
            text,
            boxes,
            points,
            masks,
            from_job,
            threshold,
            camera,
            depth,
            video,
            world_from_cam,
            options,
        )
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def bodies(
        self,
        image: Source | None = None,
        *,
        video: Source | None = None,
        boxes: Iterable[Any] | None = None,
        masks: Iterable[Any] | None = None,
        from_job: Any = None,
        camera: Any = None,
        formats: Iterable[BodyFormat] = ("glb",),
        lod: int | None = None,
        vertices: bool = False,
        max_people: int = 64,
        max_frames: int | None = None,
        smoothing: bool = True,
        max_gap_seconds: float = 0.5,
        world_from_cam: Iterable[Any] | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[BodiesResult]:
        """A rigged body for each person of an image, or a moving one for each person of a video.

        Without boxes, masks or a job, people are found first; `from_job` goes on from a segment or a track
        job. `world_from_cam` gives a 4x4 matrix for every frame and puts a video's bodies into the world.
        """
        options |= {
            "formats": list(formats),
            "lod": lod,
            "vertices": vertices,
            "max_people": max_people,
            "max_frames": max_frames,
            "smoothing": smoothing,
            "max_gap_seconds": max_gap_seconds,
        }
        built = requests.bodies(image, video, boxes, masks, from_job, camera, world_from_cam, options)
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def scene(
        self,
        image: Source,
        text: Phrases,
        *,
        threshold: float | None = None,
        camera: Any = None,
        formats: Iterable[SceneFormat] = ("glb", "ply"),
        contact: bool = True,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[SceneResult]:
        """Objects and bodies of an image in one camera frame.

        A body gives the scale to the objects too, and with `contact` they stand on the ground it tells.
        """
        options |= {"formats": list(formats), "contact": contact}
        built = requests.scene(image, text, threshold, camera, options)
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def convert(
        self,
        asset: Source,
        formats: Sequence[AssetFormat],
        *,
        y_down: bool = False,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[ConvertResult]:
        """A splat (PLY, SPZ, SOG, GLB) or a mesh (GLB, OBJ, PLY) in other formats.

        `asset` is a file, an upload, or an artefact of an earlier job. With `y_down`, PLY and SOG hold 3DGS's
        axes: y down, z forward.
        """
        built = requests.convert(asset, formats, {"y_down": y_down, **options})
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def dataset(
        self,
        videos: Sequence[Source],
        text: Phrases,
        *,
        threshold: float | None = None,
        clip_seconds: float = 5.0,
        size: int = 256,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job[DatasetResult]:
        """Clips, tracks and observations of videos as Parquet shards.

        `sources` tells what is known of each video, as SourceInfo or dict; its `depth` may be a folder of
        numbered 16-bit PNG or TIFF files, a NumPy file, an array (T, H, W), or a dict with one as `media`.
        """
        built = requests.dataset(videos, text, threshold, clip_seconds, size, options)
        return Job(self._driver.run(calls.submit(built, idempotency_key)), self._driver)

    def session(
        self,
        video: Source,
        *,
        text: Phrases | None = None,
        threshold: float | None = None,
        engine: str = "auto",
        ttl_seconds: int = 3600,
    ) -> VideoSession:
        """Open a session for annotating a video: prompt on any frame, look, propagate, correct."""
        options = {"engine": engine, "ttl_seconds": ttl_seconds}
        opened = session_calls.open_session(video, text, threshold, options)
        return VideoSession(self._driver.run(opened), self._driver)

    def resume_session(self, session_id: str) -> VideoSession:
        """An open session by its id."""
        return VideoSession(self._driver.run(session_calls.get_session(session_id)), self._driver)

    def job(self, job_id: str) -> Job[Any]:
        """A job by its id."""
        return Job(self._driver.run(calls.get(job_id)), self._driver)

    def jobs(self, *, kind: str | None = None, state: str | None = None) -> Iterator[Job[Any]]:
        """All your jobs, newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._driver.run(calls.page(kind, state, cursor, 100))
            for data in page.jobs:
                yield Job(data, self._driver)
            cursor = page.next_cursor
            if cursor is None:
                return

    def engines(self) -> list[Engine]:
        """Which engines can run, and why others cannot."""
        return self._driver.run(calls.engines())

    def read(self, artefact: Artefact) -> bytes:
        """The bytes of an artefact."""
        return self._driver.run(calls.read(artefact))

"""All benches by name. The module of a bench is `bench.` and its name."""

from typing import NamedTuple


class Bench(NamedTuple):
    """A bench: its name and what it measures, in one line."""

    name: str
    summary: str


BENCHES = (
    Bench("bodies.figure", "the figures of docs/bodies.md: bodies from the camera, the side and above"),
    Bench("bodies.fit", "stages and joint errors of the default bodies engine"),
    Bench("bodies.hands", "drawn hands from many sides: which are read, as open, relaxed or fists"),
    Bench("bodies.motion", "smoothing of motions against known ground truth, and its cost per frame"),
    Bench("bodies.real_outputs", "the default bodies engine against four real outputs of SAM 3D Body"),
    Bench("bodies.scenes", "drawn people of all ages on a floor: errors of joints, height, trunk and floor"),
    Bench("bodies.walking", "feet that slide while they stand, on drawn motions, before and after planting"),
    Bench("concepts.crossings", "the default tracker on look-alikes that cross or bounce"),
    Bench("concepts.sam3_batch", "SAM 3 video on random weights: frames in batches against one at a time"),
    Bench(
        "concepts.sam3_phrases", "SAM 3, random weights: the first, further and several phrases on an image"
    ),
    Bench("concepts.sam3_postprocessing", "SAM 3's post-processing against that of transformers"),
    Bench("concepts.sam3_profiles", "SAM 3, random weights: errors and cost of each profile against float32"),
    Bench("concepts.sam3_video", "SAM 3 video on random weights: memory over a long video, bounded and not"),
    Bench("concepts.scene", "mask IoU of the default concept engine on a scene with ground truth"),
    Bench("concepts.scene_over_http", "the same through the SDK and HTTP"),
    Bench("concepts.tracking", "quality and speed of the default tracker on rendered clips"),
    Bench("datasets.captions", "captions against ground truth: true ones kept, wrong ones refused"),
    Bench("datasets.earlier_clips", "cost of taking over the clips of an earlier version, by their number"),
    Bench("datasets.exports", "memory and time of exports by the number of clips and of threads"),
    Bench("datasets.fifty_videos", "a dataset of fifty rendered videos with the default engines"),
    Bench("datasets.finishing", "memory of a job from the records of its clips to its version"),
    Bench("datasets.gate_rates", "gates of tracks at 30, 15 and 6 frames per second, on the same masks"),
    Bench("datasets.ground_truth", "tracks, boxes and cameras of a dataset against rendered clips"),
    Bench("datasets.near_duplicates", "near-duplicates by bit bands against comparing all pairs"),
    Bench("datasets.planning", "memory, time and messages of planning by hours of video"),
    Bench("datasets.readers", "windows and pairs per second: maquette.data, Lance, HDF5, WebDataset"),
    Bench("datasets.real_truth", "tracks and gates on real videos against hand-checked boxes and ids"),
    Bench("datasets.reuse", "cost of deciding a version again, and of jobs that take over earlier clips"),
    Bench("datasets.shots", "cuts and dissolves against PySceneDetect's, on videos with known cuts"),
    Bench("datasets.throughput", "CPU time of a dataset job against a plain loop over the same engine"),
    Bench("datasets.track_rates", "whether gates decide alike about a video that is tracked at 30, 15 and 6"),
    Bench("datasets.track_truth", "ids of the default tracker on real videos against hand-checked truth"),
    Bench("formats.rle_roundtrip", "masks of SA-Co, YouTube-VIS or COCO files through our RLE"),
    Bench("formats.splat_sizes", "bytes, seconds and errors of each splat format"),
    Bench("formats.splats_and_meshes", "reading and writing splats and meshes, beside gsply and trimesh"),
    Bench("gpu.all", "everything that only a GPU can say, in six minutes; writes docs/gpu.md"),
    Bench("objects.figure", "draws the figure of docs/objects.md"),
    Bench("objects.photo_colors", "what the input camera sees of objects from photos, against the photo"),
    Bench("objects.random_shapes", "reconstruction from one view on random shapes and views"),
    Bench("objects.rasterisers", "frames per second of the rasterisers: NumPy, numba, gsplat"),
    Bench("objects.real", "reconstruction from one view on real objects that were held out"),
    Bench("objects.real_conditions", "one view of held-out real objects: depth, size, place, focal length"),
    Bench("objects.real_figure", "draws the figure of real objects that were held out"),
    Bench("objects.real_views", "reconstruction from several views on real objects that were held out"),
    Bench("objects.shapes", "reconstruction from one view on analytic shapes"),
    Bench("objects.stages", "objects per second by stage, and by file of an objects job"),
    Bench("objects.suite", "all object benches in one run: quality or speed"),
    Bench("objects.views", "reconstruction from several views on analytic shapes"),
    Bench("service.batching", "segment jobs that share batches against one at a time, on a fake GPU"),
    Bench("service.collection", "collection in a ledger of a million artefacts: time, memory, longest lock"),
    Bench("service.command_start", "seconds until a command shows its help, beside an idle interpreter"),
    Bench("service.ledger_parts", "what one part of a dataset job costs the ledger"),
    Bench("service.overload", "latencies and memory of the gateway while it is attacked"),
    Bench("service.overhead", "what the service costs around its engines, beside bare applications"),
)

"""Caption engines and inverse dynamics from other packages; captions that do not fit are filtered out."""

import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import invalidate_caches
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.scenes import draw_ball, make_wall
from tests.support.synthetic_datasets import RATE, SETTINGS, make_source
from workers.datasets import plugins
from workers.datasets.appearance.encoding import MOST_CROPS, encode_crops
from workers.datasets.captions.engine_captions import describe_with_engine
from workers.datasets.components import Components
from workers.datasets.errors import DatasetError
from workers.datasets.local import build_dataset
from workers.datasets.observations import TrackObservation
from workers.datasets.protocols import Captioner, MaskedImage
from workers.datasets.reader import Dataset
from workers.datasets.schema import CaptionRow, FeatureRow, FrameRow, TrackRow
from workers.datasets.settings import DatasetSettings
from workers.datasets.source import GroundTruth, Source
from workers.datasets.track_sources import OracleTracks
from workers.datasets.verification import verify
from workers.engines.protocols import EngineInfo, Rgb
from workers.formats.rle import encode_mask
from workers.geometry.boxes import bounding_box

pytestmark = pytest.mark.slow

STEP, FRAMES = 7, 12


def rolling(label: str = "sports ball") -> Source:
    """A large red ball that rolls from the left to the right by seven pixels a frame."""
    frames, masks = [], []
    for index in range(FRAMES):
        image = make_wall(1, (120, 160))
        masks.append({1: draw_ball(image, (60, 40 + STEP * index), 32, (220, 40, 40))})
        frames.append(image)
    return make_source(frames, truth=GroundTruth(lambda frame: masks[frame], {1: label}))


class Says:
    """A caption engine that looks at nothing."""

    info = EngineInfo("says", "captions", "1", "cpu", "Apache-2.0", (), (), weights={"w": "0" * 64})

    def __init__(self, of_track: str, of_clip: str = "") -> None:
        self.of_track, self.of_clip = of_track, of_clip

    def describe(self, image: Rgb, mask: NDArray[np.bool_] | None = None) -> str:
        if mask is None:
            return self.of_clip
        # the mask covers what it is asked about
        assert image[mask].mean(axis=0).argmax() == 0
        return self.of_track


def make_dataset(
    folder: Path, captioner: Captioner | None = None, settings: DatasetSettings = SETTINGS
) -> Dataset:
    settings = replace(settings, phrases=("sports ball",))
    components = Components(OracleTracks(settings.phrases), captioner=captioner, dynamics=Shift())
    build_dataset([rolling()], components, settings, folder / "work", folder / "data")
    data = Dataset(folder / "data")
    assert verify(data.folder) == []
    return data


def judge_caption(folder: Path, text: str) -> CaptionRow:
    [row] = [row for row in make_dataset(folder, Says(text)).rows("captions") if row.kind == "engine"]
    return row


class Shift:
    """Inverse dynamics of one number: how far what is red went, in pixels a second."""

    name = "shift/1"
    weights: dict[str, str] = {}
    names = ("right",)

    def actions(self, frames: Iterable[Rgb], seconds: Sequence[float]) -> NDArray[np.float32]:
        red = [np.nonzero(np.ptp(frame, axis=2) > 60)[1].mean() for frame in frames]
        return (np.diff(red) / np.diff(seconds))[:, None].astype(np.float32)


class Short(Shift):
    """Forgets the last pair of frames."""

    def actions(self, frames: Iterable[Rgb], seconds: Sequence[float]) -> NDArray[np.float32]:
        return super().actions(frames, seconds)[:-1]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("A large red ball that is moving to the right.", 1.0),
        ("A ball.", 1.0),
        ("A tiny blue cup, standing still.", 0.0),
        ("A red cup.", 0.5),
        ("A large red ball that moves to the left.", 0.75),
        ("A red ball to the right of a wall.", 1.0),
        ("Something that nobody knows.", 0.0),
    ],
)
def test_verification_measures_the_facts_of_captions(tmp_path: Path, text: str, score: float) -> None:
    row = judge_caption(tmp_path, text)
    assert row.score == pytest.approx(score)
    assert row.kept == (score >= 0.5)


class SaysMany(Says):
    """Looks at several views at once, and may forget the last one."""

    def __init__(self, forgets: bool = False) -> None:
        super().__init__("", "")
        self.forgets = forgets
        self.asked: list[int] = []

    def describe_all(self, views: Sequence[MaskedImage]) -> Sequence[str]:
        self.asked.append(len(views))
        said = ["a scene" if mask is None else NAMES[tuple(view[mask][0])] for view, mask in views]
        return said[: len(said) - self.forgets]


NAMES = {(40 * (number % 5), 50 * (number // 5), 255): f"thing {number}" for number in range(20)}


def make_squares(count: int) -> tuple[list[FrameRow], list[TrackRow], dict[int, list[TrackObservation]]]:
    """One frame with `count` squares of known colours, each followed."""
    image = np.zeros((40, 200, 3), np.uint8)
    seen: dict[int, list[TrackObservation]] = {}
    tracks = []
    for number, colour in enumerate(list(NAMES)[:count]):
        mask = np.zeros(image.shape[:2], np.bool_)
        mask[:, 10 * number : 10 * number + 8] = True
        image[mask] = colour
        seen[number] = [
            TrackObservation(
                frame=0,
                box=bounding_box(mask),
                score=1.0,
                mask=encode_mask(mask),
                area=320,
                depth=None,
                points=None,
                flags=(),
            )
        ]
        tracks.append(
            TrackRow(
                clip="c",
                track=number,
                concept="x",
                label="x",
                first_frame=0,
                last_frame=0,
                frames=1,
                mean_score=None,
                mean_area=320.0,
                visible_fraction=1.0,
                size=None,
                scale_source=None,
                reference_frame=0,
                kept=True,
                failed=(),
                flags=(),
            )
        )
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return (
        [
            FrameRow(
                clip="c",
                frame=0,
                source_frame=0,
                pts=0,
                jpeg=data.getvalue(),
                jpeg_sha256="",
                depth_png=None,
                depth_unit=None,
            )
        ],
        tracks,
        seen,
    )


def test_an_engine_that_takes_many_views_gets_them_sixteen_at_a_time() -> None:
    engine = SaysMany()
    rows = describe_with_engine(engine, *make_squares(20))
    assert engine.asked == [16, 5]
    assert [(row.track, row.text) for row in rows] == [
        (None, "a scene"),
        *((number, f"thing {number}") for number in range(20)),
    ]


def test_an_engine_that_forgets_a_view_is_refused() -> None:
    with pytest.raises(DatasetError) as raised:
        describe_with_engine(SaysMany(forgets=True), *make_squares(3))
    assert raised.value.code == "captions_mismatch"


class Reds:
    """An encoder of one number: how red a crop is."""

    name, weights = "reds/1", {"w": "0" * 64}

    def __init__(self) -> None:
        self.asked: list[int] = []

    def encode(self, crops: Sequence[Rgb]) -> NDArray[np.float32]:
        self.asked.append(len(crops))
        return np.array([[crop[..., 0].mean()] for crop in crops], np.float32)


def test_crops_are_encoded_so_many_at_a_time_and_keep_their_order() -> None:
    encoder, crops = Reds(), []
    for number in range(MOST_CROPS + 5):
        data = io.BytesIO()
        Image.fromarray(np.full((8, 8, 3), (number, 0, 0), np.uint8)).save(data, "PNG")
        crops.append(
            FeatureRow(
                clip="c",
                track=number,
                frame=0,
                kind="crop",
                encoder=None,
                rank=0,
                x0=0,
                y0=0,
                x1=8,
                y1=8,
                jpeg=data.getvalue(),
                vector=None,
            )
        )
    rows = encode_crops(encoder, crops)
    assert encoder.asked == [MOST_CROPS, 5]
    assert [(row.track, row.vector) for row in rows] == [(n, (float(n),)) for n in range(MOST_CROPS + 5)]


def test_orange_the_fruit_is_not_a_colour(tmp_path: Path) -> None:
    settings = replace(SETTINGS, phrases=("orange",))
    components = Components(OracleTracks(settings.phrases), captioner=Says("An orange."))
    build_dataset([rolling("orange")], components, settings, tmp_path / "work", tmp_path / "data")
    [row] = [row for row in Dataset(tmp_path / "data").rows("captions") if row.kind == "engine"]
    assert row.score == 1.0


def test_composed_captions_are_judged_too_and_true_ones_stay(tmp_path: Path) -> None:
    rows = make_dataset(tmp_path).rows("captions")
    assert len(rows) == 2 and all(row.kind == "composed" for row in rows)
    assert all(row.score == 1.0 and row.kept for row in rows)


def test_a_caption_that_does_not_fit_is_left_out_and_reported(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, Says("A small blue cup.", "A ball on a wall."))
    clip = next(data.clips())
    assert [(row.track, row.kind) for row in clip.captions] == [
        (None, "engine"),
        (None, "composed"),
        (1, "composed"),
    ]
    [bad] = [row for row in clip.all_captions if row.kept is False]
    assert bad.text == "A small blue cup." and bad.engine == "says/1" and bad.score == 0.0
    decided = [row for row in clip.decisions if row.gate == "caption_alignment"]
    assert [(row.track, row.score, row.passed) for row in decided] == [
        (row.track, row.score, row.kept) for row in clip.all_captions
    ]
    # a caption is no reason to lose its track
    assert [track.track for track in clip.tracks] == [1]
    assert data.manifest.rejected == {"caption_alignment": 1}
    assert {"kind": "captions", "name": "says", "version": "1", "weights": {"w": "0" * 64}} in [
        dict(engine) for engine in data.manifest.engines
    ]
    report = (data.folder / "report.html").read_text()
    assert "A small blue cup. (rejected)" in report


def test_a_stricter_bound_leaves_more_out(tmp_path: Path) -> None:
    strict = replace(SETTINGS, policy=SETTINGS.policy.with_bounds({"caption_alignment": (0.9, None)}))
    rows = make_dataset(tmp_path, Says("A large red ball that moves to the left."), strict).rows("captions")
    assert [(row.kind, row.kept) for row in rows if row.track] == [("engine", False), ("composed", True)]


def test_a_dynamics_model_gives_the_actions_between_frames(tmp_path: Path) -> None:
    clip = next(make_dataset(tmp_path).clips())
    rows = [row for row in clip.actions if row.kind == "inferred"]
    assert [row.frame for row in rows] == list(range(FRAMES - 1))
    assert all(row.names == ("right",) for row in rows)
    assert [row.values[0] for row in rows] == pytest.approx([STEP * RATE] * (FRAMES - 1), rel=0.1)


def test_actions_of_the_wrong_shape_are_refused(tmp_path: Path) -> None:
    components = Components(OracleTracks(SETTINGS.phrases), dynamics=Short())
    with pytest.raises(DatasetError) as caught:
        build_dataset([rolling()], components, SETTINGS, tmp_path / "work", tmp_path / "data")
    assert caught.value.code == "actions_mismatch" and "(10, 1)" in caught.value.detail


def test_plug_ins_are_found_by_their_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told_by_test.py").write_text(
        "class Words:\n    def describe(self, image, mask=None):\n        return 'words'\n"
        "class Moves:\n    name, weights, names = 'moves/1', {}, ('go',)\n"
    )
    info = tmp_path / "told_by_test-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: named-by-test\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[maquette.captions]\nwords = told_by_test:Words\n[maquette.actions]\nmoves = told_by_test:Moves\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    invalidate_caches()
    captioner, dynamics = plugins.load_captioner("words"), plugins.load_inverse_dynamics("moves")
    assert captioner is not None and captioner.describe(np.zeros((2, 2, 3), np.uint8)) == "words"
    assert dynamics is not None and dynamics.names == ("go",)
    assert plugins.load_captioner(None) is None and plugins.load_inverse_dynamics(None) is None
    with pytest.raises(DatasetError) as caught:
        plugins.load_captioner("moves")
    assert caught.value.code == "plugin_unknown" and "known: words" in caught.value.detail

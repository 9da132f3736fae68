"""What users pass to the SDK: every usual form is accepted, and any other is refused in words."""

import builtins
import tomllib
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import maquette
import numpy as np
import pytest
from maquette import InvalidRequest, Maquette, MaquetteError, contract, inputs
from maquette._async.job_methods import AsyncJobSubmitter
from maquette.cli.main import app
from maquette.contract import Box, Instance, Intrinsics, Point
from maquette.errors import ExtraMissing
from maquette.html_tables import render_table
from maquette.results import Instance as InstanceResult
from typer.testing import CliRunner

from tests.support.paths import REPOSITORY

BOX = (1.0, 2.0, 3.0, 4.0)
K = [[600, 0, 320], [0, 610, 240], [0, 0, 1]]
MASK = np.eye(4, dtype=bool)


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (None, 0),
        ([], 0),
        (np.zeros((0, 4)), 0),
        (BOX, 1),
        (list(BOX), 1),
        (np.array(BOX), 1),
        (np.array(BOX, np.float32), 1),
        ("1,2,3,4", 1),
        (Box(x0=1, y0=2, x1=3, y1=4), 1),
        ({"x0": 1, "y0": 2, "x1": 3, "y1": 4}, 1),
        ([BOX], 1),
        ((BOX, BOX), 2),
        (np.array([BOX, BOX]), 2),
        ([np.array(BOX), "1,2,3,4", list(map(np.float64, BOX))], 3),
        (iter([BOX]), 1),
    ],
)
def test_boxes_are_accepted_in_every_usual_form(given: Any, count: int) -> None:
    kept = list(given) if isinstance(given, Iterator) else given
    assert [box.xyxy() for box in inputs.to_boxes(kept if kept is given else iter(kept))] == [BOX] * count
    assert [box.xyxy() for box, _ in inputs.to_exemplars(kept)] == [BOX] * count


@pytest.mark.parametrize(
    "given",
    [5, "1,2,3", "a,b,c,d", (1, 2, 3), [(1, 2, 3)], [1, 2, 3, 4, 5], np.zeros(3), np.zeros((2, 3)),
     [[None] * 4], np.zeros((1, 1, 4)), [b"1234"], np.float64(3), object()],
)  # fmt: skip
def test_other_boxes_are_refused_in_words(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"boxes: expected x0, y0, x1, y1 in pixels .*, not ") as caught:
        inputs.to_boxes(given)
    assert caught.value.code == "invalid_request" and caught.value.problem.errors


@pytest.mark.parametrize(
    "given",
    [(600, 610, 320, 240), [600, 610, 320, 240], np.array([600.0, 610, 320, 240]), "600,610,320,240", K,
     np.array(K), {"fx": 600, "fy": 610, "cx": 320, "cy": 240}, Intrinsics(fx=600, fy=610, cx=320, cy=240)],
)  # fmt: skip
def test_cameras_are_accepted_in_every_usual_form(given: Any) -> None:
    assert inputs.to_intrinsics(given) == Intrinsics(fx=600, fy=610, cx=320, cy=240)


@pytest.mark.parametrize("given", [600, (600, 600), "600", np.eye(4), [[1, 2], [3, 4]], [None] * 4, "a,b"])
def test_other_cameras_are_refused_in_words(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="camera: expected fx, fy, cx, cy in pixels, a dict of them"):
        inputs.to_intrinsics(given)


@pytest.mark.parametrize(
    "given",
    [(3, 4), [(3, 4)], np.array([3, 4]), np.array([[3, 4]]), "3,4", {"x": 3, "y": 4}, Point(x=3, y=4),
     [[(3, 4)]], iter([(3, 4)])],
)  # fmt: skip
def test_points_are_accepted_in_every_usual_form(given: Any) -> None:
    assert inputs.to_points(given) == [[Point(x=3, y=4)]]


@pytest.mark.parametrize("given", [5, [5], [(1, 2, 3, 4)], [None], "a,b", [["a", "b"]]])
def test_other_points_are_refused_in_words(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="points: expected for each object x, y"):
        inputs.to_points(given)


@pytest.mark.parametrize("given", [MASK, [MASK], MASK[None], MASK.astype(np.uint8), [MASK.tolist()]])
def test_masks_are_accepted_in_every_usual_form(given: Any) -> None:
    [mask] = inputs.to_masks(given)
    assert mask.size == (4, 4) and inputs.to_masks(mask) == inputs.to_masks(mask.model_dump()) == [mask]


@pytest.mark.parametrize("given", [5, np.zeros(4), [np.zeros(4)], "mask.png", [{}, 1][1:]])
def test_other_masks_are_refused_in_words(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="masks: expected for each object an array"):
        inputs.to_masks(given)


def test_a_floor_is_one_mask() -> None:
    mask = inputs.to_ground(MASK)
    assert mask is not None and inputs.to_ground(mask) == inputs.to_ground(mask.model_dump()) == mask
    assert [mask] == inputs.to_masks(MASK) and inputs.to_ground(None) is None
    with pytest.raises(InvalidRequest, match="ground: expected an array"):
        inputs.to_ground(np.zeros(4))


@pytest.mark.parametrize("given", [np.eye(4), [np.eye(3)], [np.eye(4)[:3]], 5, [5]])
def test_other_poses_are_refused_in_words(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"world_from_cam.*: expected a 4x4 matrix per frame"):
        inputs.to_camera_poses(given)
    assert (
        inputs.to_camera_poses([np.eye(4), np.eye(4).tolist()]) == [tuple(map(tuple, np.eye(4).tolist()))] * 2
    )


CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a dict as depth": ("objects", {"boxes": BOX, "depth": {"path": "d.png"}}, "depth: expected a file"),
    "a number as depth": ("objects", {"boxes": BOX, "depth": 5}, "depth: expected a file"),
    "an unknown field of depth": ("objects", {"boxes": BOX, "depth": {"media": b"x", "unit": 1}}, "unit"),
    "an unknown option": ("segment", {"boxes": BOX, "treshold": 0.5}, "treshold"),
    "an option of another type": ("segment", {"boxes": BOX, "seed": "x"}, "seed"),
    "a number as text": ("segment", {"text": 5}, "text: expected a phrase"),
    "numbers as text": ("segment", {"text": [5]}, "text: expected a phrase"),
    "a dict as image": ("segment", {"image": {"path": "a"}, "boxes": BOX}, "image: expected a path"),
    "floats as image": ("segment", {"image": np.zeros((4, 4, 3)), "boxes": BOX}, "image: expected a path"),
    "a box that is turned round": ("segment", {"boxes": (3, 4, 1, 2)}, "x1 > x0"),
    "prompts that are no dicts": ("segment", {"prompts": [BOX]}, "prompts: expected a list of dicts"),
    "a prompt alone": ("segment", {"prompts": {"box": BOX}}, "prompts: expected a list of dicts"),
    "infinite boxes": ("segment", {"boxes": (0, 0, float("inf"), 1)}, "finite"),
}


@pytest.mark.parametrize(("method", "fields", "message"), CALLS.values(), ids=CALLS)
def test_arguments_that_do_not_fit_are_errors_of_the_library(
    method: str, fields: dict[str, Any], message: str
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        size = {"width": 9, "height": 9}
        kinds = {"id": "0" * 64, "kind": "image", "media_type": "image/png", "bytes": 1, **size}
        return httpx.Response(200, json=kinds)

    fields = {"image": b"x", **fields}
    with (
        Maquette("http://service", transport=httpx.MockTransport(answer), retries=0) as mq,
        pytest.raises(MaquetteError, match=message),
    ):
        getattr(mq, method)(fields.pop("image"), **fields)


JOBS = {
    "segment": contract.SegmentJob,
    "track": contract.TrackJob,
    "objects": contract.ObjectsJob,
    "bodies": contract.BodiesJob,
    "scene": contract.SceneJob,
    "convert": contract.ConvertJob,
    "dataset": contract.DatasetJob,
}


@pytest.mark.parametrize("method", JOBS)
def test_every_field_of_a_request_is_a_typed_argument(method: str) -> None:
    parameters = dict(signature(getattr(AsyncJobSubmitter, method)).parameters)
    options: Any = get_type_hints(AsyncJobSubmitter.__dict__[method])["options"].__args__[0]
    typed = set(parameters) | set(get_type_hints(options))
    if method == "dataset":
        # a version is decided again by a method of its own, whose first argument becomes `from_job`
        assert {"job", "reviews"} <= set(signature(AsyncJobSubmitter.regate).parameters)
        typed |= {"from_job", "reviews"}
    assert set(JOBS[method].model_fields) - {"kind"} <= typed
    assert set(get_type_hints(options)) <= set(JOBS[method].model_fields)


def test_masks_without_numpy_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *rest: Any) -> Any:
        if name.split(".")[0] in ("numpy", "PIL"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return importing(name, *rest)

    importing = builtins.__import__
    data = make_instance("cup")
    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr("maquette.rle.import_module", refuse)
    with pytest.raises(ExtraMissing, match=r"pip install 'maquette\[arrays\]'"):
        _ = InstanceResult(data).mask
    with pytest.raises(ExtraMissing, match=r"pip install 'maquette\[arrays\]'"):
        inputs.to_media(object())


def make_instance(label: str) -> Instance:
    mask = {"size": (4, 4), "counts": "14"}
    box, prompt = {"x0": 0, "y0": 0, "x1": 1, "y1": 1}, {"kind": "box", "index": 0}
    fields = {"index": 0, "label": label, "score": 0.5, "box": box, "area": 1, "prompt": prompt}
    return Instance.model_validate({**fields, "mask": mask, "flags": ["low_score"]})


def test_results_show_as_escaped_tables_in_notebooks() -> None:
    hostile = "<script>alert(1)</script>"
    page = InstanceResult(make_instance(hostile))._repr_html_()
    assert "&lt;script&gt;" in page and "<script>" not in page and "low_score" in page
    table = render_table(hostile, [hostile], [[hostile]] * 102)
    assert "<script>" not in table and "and 2 more" in table


def test_the_version_is_known() -> None:
    assert maquette.__version__ and "__version__" in dir(maquette)
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0 and result.stdout == f"maquette {maquette.__version__}\n"


def test_type_checkers_find_the_package() -> None:
    project = tomllib.loads((REPOSITORY / "clients/python/pyproject.toml").read_text())
    settings = project["tool"]["setuptools"]
    # with a folder for the root package, an editable install is a path instead of an import hook
    assert settings["package-dir"] == {"": "."} and settings["package-data"]["maquette"] == ["py.typed"]
    assert (Path(maquette.__file__).parent / "py.typed").is_file()

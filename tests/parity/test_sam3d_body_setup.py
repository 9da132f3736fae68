"""What SAM 3D Body needs before it starts, with the FAKE upstream: checkpoint, rig, settings, estimator."""

import json
from pathlib import Path

import pytest

from tests.parity.sam3d_body_runs import BOXES, CENTRED, MODEL, draw_image, settings
from workers.engines.bodies.mhr.assets import REQUIRED, MhrMissing
from workers.engines.bodies.sam3d.engine import Sam3dBody
from workers.engines.bodies.sam3d.errors import Sam3dBodyUnavailable
from workers.engines.bodies.sam3d.settings import Sam3dBodySettings
from workers.engines.registry import load_engines
from workers.engines.weights import WeightsCorrupt


def test_an_estimator_gives_the_camera_where_none_is_given(tmp_path: Path) -> None:
    """The field-of-view estimator of upstream (MoGe 2) is a fake here."""
    estimated = [[350.0, 0.0, 158.0], [0.0, 360.0, 121.0], [0.0, 0.0, 1.0]]
    (tmp_path / "moge.pt").write_text(json.dumps(estimated))
    chosen = settings(tmp_path).model_copy(update={"fov": tmp_path / "moge.pt"})
    engine = Sam3dBody(chosen, MODEL)
    try:
        (body,) = engine.recover(draw_image(), BOXES[:1])
        assert body is not None and body.camera.source == "estimated"
        assert (body.camera.fx, body.camera.fy, body.camera.cx, body.camera.cy) == (350, 360, 158, 121)
        assert "camera_estimated" in body.flags and "camera_assumed" not in body.flags
        (body,) = engine.recover(draw_image(), BOXES[:1], camera=CENTRED)
        assert body is not None and body.camera == CENTRED
    finally:
        engine.close()
    with pytest.raises(Sam3dBodyUnavailable, match="fov_missing"):
        Sam3dBody(chosen.model_copy(update={"fov": tmp_path / "nothing.pt"}), MODEL)


def test_a_checkpoint_of_more_than_tensors_is_refused(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    # a protocol-0 pickle of os.mkdir(...)
    (tmp_path / "model.ckpt").write_text(f"cos\nmkdir\n(V{tmp_path / 'ran'}\ntR.")
    with pytest.raises(Sam3dBodyUnavailable, match=r"checkpoint_unsafe.*os\.mkdir|posix\.mkdir"):
        Sam3dBody(chosen, MODEL)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Sam3dBodyUnavailable, match=r"checkpoint_incomplete"):
        Sam3dBody(settings(tmp_path, empty=True), MODEL)


def test_a_pinned_checkpoint_with_other_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match=r"sha256"):
        Sam3dBody(settings(tmp_path).model_copy(update={"sha256": "0" * 64}), MODEL)


@pytest.mark.parametrize("missing", ["model.ckpt", "model_config.yaml"])
def test_without_weights_the_gate_is_named(tmp_path: Path, missing: str) -> None:
    chosen = settings(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(Sam3dBodyUnavailable, match=r"gated.*SAM License.*facebook/sam-3d-body-dinov3"):
        Sam3dBody(chosen, MODEL)


def test_without_a_gpu_the_child_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(Sam3dBodyUnavailable, match=r"no_gpu.*No CUDA GPUs are available"):
        Sam3dBody(settings(tmp_path), MODEL)


def test_without_upstream_the_reason_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Sam3dBodyUnavailable, match=r"upstream_missing"):
        Sam3dBody(settings(tmp_path).model_copy(update={"source": tmp_path}), MODEL)


def test_without_the_rig_there_is_no_engine(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    (tmp_path / REQUIRED[0]).unlink()
    with pytest.raises(MhrMissing, match=r"mhr_model\.pt"):
        Sam3dBody(chosen)


def test_the_suite_says_why_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAQUETTE_SAM3D_BODY_CHECKPOINT", raising=False)
    (descriptions,) = load_engines("sam3d_body").describe()
    assert descriptions["kind"] == "bodies" and descriptions["available"] is False
    assert "gated" in descriptions["why_not"] and "SAM License" in descriptions["why_not"]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_MODE", "hands")
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_PYTHON", "/opt/upstream/bin/python")
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_LOD", "3")
    chosen = Sam3dBodySettings()
    assert (chosen.mode, chosen.python, chosen.lod) == ("hands", "/opt/upstream/bin/python", 3)
    monkeypatch.setenv("MAQUETTE_SAM3D_BODY_MODE", "feet")
    with pytest.raises(ValueError, match=r"MODE\n.*'body', 'hands' or 'full'"):
        Sam3dBodySettings()

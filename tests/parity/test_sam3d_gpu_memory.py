"""The children of SAM 3D Objects and Body report the GPU memory of each call, here from FAKE upstreams."""

from pathlib import Path

import pytest

from tests.parity import sam3d_body_runs as body
from tests.parity import test_sam3d_objects as objects
from tests.support.fake_gpu_memory import GIB
from workers.engines.bodies.sam3d.engine import Sam3dBody
from workers.engines.gpu_memory import MemoryMonitor
from workers.engines.host import host
from workers.engines.objects.sam3d.engine import Sam3dObjects


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> MemoryMonitor:
    monitor = MemoryMonitor()
    monkeypatch.setattr(host, "MONITOR", monitor)
    return monitor


def test_each_image_of_sam_3d_body(tmp_path: Path, monitor: MemoryMonitor) -> None:
    engine = Sam3dBody(body.settings(tmp_path), body.MODEL)
    try:
        # the weights, before any job
        loaded = {"allocated": 3 * GIB, "reserved": 3 * GIB, "peak": 3 * GIB}
        assert monitor.report() == [{"process": "sam3d_body", **loaded}]
        for people in (3, 1):
            with monitor.job() as peaks:
                engine.recover(body.draw_image(), body.BOXES[:people], camera=body.CENTRED)
            # a GiB for each person
            assert peaks == {"sam3d_body": (3 + people) * GIB}
    finally:
        engine.close()
    assert monitor.report() == []


def test_each_object_of_sam_3d_objects(tmp_path: Path, monitor: MemoryMonitor) -> None:
    engine = Sam3dObjects(objects.settings(tmp_path))
    try:
        with monitor.job() as peaks:
            engine.reconstruct(objects.IMAGE, objects.MASK, camera=objects.CAMERA)
        assert peaks == {"sam3d_objects": 9 * GIB}
    finally:
        engine.close()
    assert monitor.report() == []

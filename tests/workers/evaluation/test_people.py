"""Bodies of 3DPW and EMDB on drawn sequences with known answers."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.oracle_engines import describe_oracle
from tests.support.small_smpl import draw_3dpw, draw_emdb, make_tracks, write_pickle
from workers.engines.bodies.smplx.model import SmplxModel
from workers.engines.protocols import BodyEstimate, Box, EngineInfo
from workers.evaluation.benchmarks import people
from workers.evaluation.catalog import load_benchmark
from workers.evaluation.datasets.array_pickles import read_array_pickle
from workers.evaluation.errors import LayoutError
from workers.evaluation.metrics.bodies import align_similar, score_body
from workers.evaluation.orchestration import run_evaluation
from workers.geometry.cameras import Camera

Floats = NDArray[np.float64]


@dataclass
class OracleBodies:
    """The true bodies of the drawn sequences, scaled about their pelvis, by the order of boxes."""

    folder: Path
    scale: float = 1.0
    lost: int = -1
    info: EngineInfo = field(default_factory=lambda: describe_oracle("bodies"))
    frame: int = 0
    frames: tuple[int, ...] = (0, 1, 2)
    in_triangles: bool = False

    def recover(
        self,
        image: Any,
        boxes: Sequence[Box],
        masks: Any = None,
        *,
        camera: Camera | None = None,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        assert camera is not None and camera.fx == 150
        bodies = [self._pose(person) for person in range(len(boxes))]
        for person, box in enumerate(boxes):
            body = replace(self, scale=1.0)._pose(person)
            pixels = camera.project(body.vertices[::3] if self.in_triangles else body.vertices)
            assert box == pytest.approx((*pixels.min(axis=0), *pixels.max(axis=0)))
        self.frame += 1
        return [None if person == self.lost else body for person, body in enumerate(bodies)]

    def _pose(self, person: int) -> BodyEstimate:
        tracks, frame = (
            make_tracks(2 if (self.folder / "imageFiles").is_dir() else 1),
            self.frames[self.frame],
        )
        gender = ("MALE", "FEMALE")[person] if (self.folder / "imageFiles").is_dir() else "FEMALE"
        posed = SmplxModel.load(self.folder / "smpl" / f"SMPL_{gender}.npz").pose(
            tracks["betas"][person],
            tracks["poses"][person, frame].reshape(24, 3),
            tracks["trans"][person, frame],
        )
        pose = tracks["cameras"][frame]
        vertices, joints = (points @ pose[:3, :3].T + pose[:3, 3] for points in posed)
        centre = joints[0]
        rest: Any = SimpleNamespace(faces=np.arange(3 * len(vertices)).reshape(-1, 3))
        vertices = (vertices - centre) * self.scale + centre
        if self.in_triangles:
            offsets = np.array([[0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0]])
            vertices = (vertices[:, None] + offsets).reshape(-1, 3)
        return BodyEstimate(
            rig=rest,
            vertices=vertices,
            joints=(joints - centre) * self.scale + centre,
            keypoint_names=(),
            keypoints_2d=rest,
            keypoints_3d=rest,
            keypoint_visibility=rest,
            parameters={},
            camera=rest,
            box=(0, 0, 1, 1),
            scale_source="metric",
            confidence=1.0,
            reprojection_error=0.0,
        )


def test_3dpw_scores_a_perfect_oracle_and_one_that_is_lost(tmp_path: Path) -> None:
    draw_3dpw(tmp_path)
    benchmark = load_benchmark("3dpw", tmp_path)
    report = run_evaluation(benchmark, OracleBodies(tmp_path), tmp_path / "perfect")
    assert report.total == 3 and report.scores["found"] == 1
    assert [report.scores[name] for name in ("PA-MPJPE", "MPJPE", "PVE", "conversion")] == pytest.approx(
        [0] * 4, abs=1e-6
    )
    assert "| MPJPE |" in report.to_markdown() and "| 54.8 | SAM 3D Body ViT-H |" in report.to_markdown()
    lost = run_evaluation(
        benchmark,
        OracleBodies(tmp_path, lost=1, info=describe_oracle("bodies", version="2")),
        tmp_path / "lost",
    )
    # two people in two frames and one in the last
    assert lost.scores["found"] == pytest.approx(3 / 5) and lost.scores["PVE"] == pytest.approx(0, abs=1e-6)


def test_emdb_takes_the_good_frames_of_its_part(tmp_path: Path) -> None:
    draw_emdb(tmp_path)
    benchmark = load_benchmark("emdb", tmp_path)
    assert [sample.id for sample in benchmark.samples()] == [
        "P0_09_outdoor_walk/0",
        "P0_09_outdoor_walk/2",
    ]
    perfect = run_evaluation(benchmark, OracleBodies(tmp_path, frames=(0, 2)), tmp_path / "perfect").scores
    assert perfect["MPJPE"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(LayoutError, match="no split 'test'"):
        load_benchmark("emdb", tmp_path, split="test")


@pytest.mark.parametrize("name", ["3dpw", "emdb"])
def test_a_tenth_too_large_costs_a_tenth_of_each_distance_to_the_hips(tmp_path: Path, name: str) -> None:
    is_3dpw = name == "3dpw"
    (draw_3dpw if is_3dpw else draw_emdb)(tmp_path)
    frames = (0, 1, 2) if is_3dpw else (0, 2)
    engine = OracleBodies(tmp_path, scale=1.1, frames=frames)
    scores = run_evaluation(load_benchmark(name, tmp_path), engine, tmp_path / "out").scores
    # the drawn models regress joint j as vertex j; LSP's hips are Human3.6M's joints 4 and 1
    joints = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10] if is_3dpw else list(range(24))
    hips = [1, 4] if is_3dpw else [1, 2]
    spreads, means = [], []
    truth = OracleBodies(tmp_path, frames=frames)
    for truth.frame in range(len(frames)):
        for person in range(2 if is_3dpw and truth.frame < 2 else 1):
            vertices = truth._pose(person).vertices
            away = np.linalg.norm(vertices - vertices[hips].mean(axis=0), axis=1)
            means.append(100 * away[joints].mean())
            spreads.append(100 * away.mean())
    assert scores["MPJPE"] == pytest.approx(np.mean(means)) and scores["PVE"] == pytest.approx(
        np.mean(spreads)
    )
    assert scores["PA-MPJPE"] == pytest.approx(0, abs=1e-6) and scores["found"] == 1


def test_errors_are_those_computed_by_hand() -> None:
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.3, (24, 3))
    joints[2] = -joints[1]
    vertices = rng.normal(0, 0.3, (50, 3))
    vertices[:24] = joints
    regressor = np.eye(24, 50)
    # moving changes nothing; a tenth larger about the middle of the hips is a tenth of each distance to it
    scores = score_body(1.1 * vertices + 5, vertices, regressor, (1, 2))
    assert scores["PA-MPJPE"] == pytest.approx(0, abs=1e-9)
    assert scores["MPJPE"] == pytest.approx(100 * np.linalg.norm(joints, axis=1).mean())
    assert scores["PVE"] == pytest.approx(100 * np.linalg.norm(vertices, axis=1).mean())
    turned = joints @ np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) * 0.5 + 2
    assert np.allclose(align_similar(turned, joints), joints)
    # a mirror image is no similarity
    assert not np.allclose(align_similar(joints * (-1, 1, 1), joints), joints, atol=1e-2)


def test_a_body_of_mhr_is_converted_by_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_emdb(tmp_path)
    engine = OracleBodies(tmp_path, frames=(0, 2), in_triangles=True)
    # every vertex of SMPL is the middle of a triangle of its own
    monkeypatch.setattr(people, "MHR_VERTICES", 3 * 48)
    file = tmp_path / "smpl" / "mhr2smpl_mapping.npz"
    np.savez(file, triangle_ids=np.arange(48), baryc_coords=np.full((48, 3), 1 / 3))
    scores = run_evaluation(load_benchmark("emdb", tmp_path), engine, tmp_path / "out").scores
    assert [scores[name] for name in ("MPJPE", "PVE", "conversion")] == pytest.approx([0, 0, 0], abs=1e-6)
    np.savez(file, triangle_ids=np.arange(1, 49), baryc_coords=np.full((48, 3), 1 / 3))
    with pytest.raises(LayoutError, match="a face that a mesh of 48 faces does not have"):
        again = OracleBodies(tmp_path, frames=(0, 2), in_triangles=True)
        run_evaluation(load_benchmark("emdb", tmp_path), again, tmp_path / "broken")


def test_pickles_run_no_code(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "attacked"),)

    bad = tmp_path / "bad.pkl"
    bad.write_bytes(pickle.dumps({"poses": Attack()}))
    with pytest.raises(LayoutError, match="neither an array nor a value"):
        read_array_pickle(bad)
    assert not (tmp_path / "attacked").exists()
    good = {"a": np.arange(3.0), "b": [np.float64(2)], "c": "text", "d": {"e": np.array(["x"])}}
    write_pickle(tmp_path / "data" / "good.pkl", good)
    read = read_array_pickle(tmp_path / "data" / "good.pkl")
    assert np.array_equal(read["a"], good["a"]) and read["b"] == [2] and read["d"]["e"].tolist() == ["x"]


def test_broken_sequences_say_what_is_wrong(tmp_path: Path) -> None:
    draw_3dpw(tmp_path)
    male, other = tmp_path / "smpl" / "SMPL_MALE.npz", tmp_path / "smpl" / "MALE.npz"
    male.rename(other)
    with pytest.raises(LayoutError, match=r"your SMPL model is missing.*SMPL_MALE\.npz"):
        load_benchmark("3dpw", tmp_path)
    other.rename(male)
    np.save(tmp_path / "smpl" / "J_regressor_h36m.npy", np.eye(17))
    with pytest.raises(LayoutError, match="of another model"):
        load_benchmark("3dpw", tmp_path)
    np.save(tmp_path / "smpl" / "J_regressor_h36m.npy", np.eye(17, 48))
    file = tmp_path / "sequenceFiles" / "test" / "walk_00.pkl"
    data = read_array_pickle(file)
    for change in ({"poses": [np.zeros((2, 72))] * 2}, {"cam_poses": None}, {"genders": ["m"]}):
        file.write_bytes(pickle.dumps({**data, **change}))
        with pytest.raises(LayoutError, match="other types or lengths"):
            load_benchmark("3dpw", tmp_path)
    del data["trans"]
    file.write_bytes(pickle.dumps(data))
    with pytest.raises(LayoutError, match="'trans'"):
        load_benchmark("3dpw", tmp_path)

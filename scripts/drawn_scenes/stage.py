"""The renderer of the MOVi-like clips: textured meshes in a PyBullet world, seen by an OpenCV camera."""

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Rgb = NDArray[np.uint8]

# clipping planes of the renderer, in metres
NEAR, FAR = 0.1, 30.0


class Stage:
    """One PyBullet world without a window."""

    def __enter__(self) -> "Stage":
        import pybullet

        self._bullet: Any = pybullet
        self._client = pybullet.connect(pybullet.DIRECT)
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_: object) -> None:
        self._bullet.disconnect(physicsClientId=self._client)
        self._folder.cleanup()

    def add(self, mesh: trimesh.Trimesh, texture: Rgb, *, smooth: bool) -> int:
        """A body with a texture on each face along its main axis."""
        corners = mesh.vertices[mesh.faces].reshape(-1, 3)
        flat = np.repeat(mesh.face_normals, 3, axis=0)
        normals = mesh.vertex_normals[mesh.faces].reshape(-1, 3) if smooth else flat
        axis = np.abs(flat).argmax(axis=1)
        across = np.where(axis == 0, corners[:, 1], corners[:, 0])
        along = np.where(axis == 2, corners[:, 1], corners[:, 2])
        places = np.stack([across, along], axis=1)
        places -= places.min(axis=0)
        shape = self._bullet.createVisualShape(
            self._bullet.GEOM_MESH,
            vertices=corners.tolist(),
            indices=list(range(len(corners))),
            normals=normals.tolist(),
            uvs=(0.01 + 0.98 * places / places.max()).tolist(),
            rgbaColor=[1, 1, 1, 1],
            specularColor=[0, 0, 0],
            physicsClientId=self._client,
        )
        body = self._bullet.createMultiBody(0, -1, shape, physicsClientId=self._client)
        self.paint(body, texture)
        return int(body)

    def paint(self, body: int, texture: Rgb) -> None:
        """Give a body a texture."""
        file = Path(self._folder.name) / f"{len(list(Path(self._folder.name).iterdir()))}.png"
        cv2.imwrite(str(file), texture[..., ::-1])
        skin = self._bullet.loadTexture(str(file), physicsClientId=self._client)
        self._bullet.changeVisualShape(body, -1, textureUniqueId=skin, physicsClientId=self._client)

    def place(self, body: int, pose: Floats) -> None:
        turn = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        self._bullet.resetBasePositionAndOrientation(
            body, pose[:3, 3].tolist(), turn, physicsClientId=self._client
        )

    def shoot(
        self, world_from_cam: Floats, intrinsics: Floats, size: tuple[int, int], light: list[float]
    ) -> tuple[Rgb, NDArray[np.int64], NDArray[np.float32]]:
        """RGB, body (-1 for nothing) and z-depth of each pixel."""
        height, width = size
        view = np.diag([1.0, -1, -1, 1]) @ np.linalg.inv(world_from_cam)
        # TinyRenderer looks through the lower left corner of a pixel, we through its middle
        x, y = intrinsics[0, 2] - 0.5, intrinsics[1, 2] + 0.5
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 2 * intrinsics[0, 0] / width, 2 * intrinsics[1, 1] / height
        lens[0, 2], lens[1, 2] = 1 - 2 * x / width, 2 * y / height - 1
        lens[2, 2:] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        lens[3, 2] = -1
        _, _, rgba, buffer, bodies = self._bullet.getCameraImage(
            width,
            height,
            view.T.ravel().tolist(),
            lens.T.ravel().tolist(),
            renderer=self._bullet.ER_TINY_RENDERER,
            shadow=1,
            lightDirection=light,
            physicsClientId=self._client,
        )
        buffer = np.asarray(buffer, np.float64).reshape(size)
        depth = FAR * NEAR / (FAR - (FAR - NEAR) * buffer)
        image = np.asarray(rgba, np.uint8).reshape(height, width, 4)[..., :3]
        return image.copy(), np.asarray(bodies).reshape(size), depth.astype(np.float32)

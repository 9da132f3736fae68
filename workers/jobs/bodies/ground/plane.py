"""The ground in the frame of bodies or of a motion: which way is up, and the floor where it is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.engines.protocols import BodyEstimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """`up` (3,) is a unit vector against gravity; the floor are the points x with up · x = `height`, in
    metres, which is None where no floor is known."""

    up: Floats
    height: float | None = None

    @classmethod
    def under(cls, bodies: Sequence[BodyEstimate]) -> "Ground | None":
        """The ground under the bodies of one image; None where not even gravity is known."""
        for body in bodies:
            if body.floor is not None:
                return cls(np.array(body.floor.normal), -body.floor.offset)
        gravity = next((body.gravity for body in bodies if body.gravity is not None), None)
        return None if gravity is None else cls(-np.array(gravity.direction))

    def axes(self) -> Floats:
        """Rows right, down, forward (3, 3): the camera's axes turned until down is gravity's."""
        forward = np.array([0.0, 0.0, 1.0]) - self.up[2] * self.up
        if np.linalg.norm(forward) < 1e-3:
            # the camera looks straight up or down: what is up in its picture lies forward
            forward = np.array([0.0, -1.0, 0.0]) + self.up[1] * self.up
        forward = forward / np.linalg.norm(forward)
        return np.stack([np.cross(-self.up, forward), -self.up, forward])

    def world_from_ground(self) -> Floats:
        """The pose (4, 4) of the ground's frame in a world with y up, whose origin is on the floor below it.

        The world's z points back, against where the camera looks. Without a floor the origin is the camera.
        """
        right, down, forward = self.axes()
        pose = np.eye(4)
        pose[:3, :3] = right, -down, -forward
        pose[1, 3] = 0.0 if self.height is None else -self.height
        return pose

    def seen_from(self, pose: Floats) -> "Ground":
        """The ground of a world in the frame of a camera with `pose` (4, 4), world_from_cam."""
        height = None if self.height is None else self.height - float(self.up @ pose[:3, 3])
        return Ground(pose[:3, :3].T @ self.up, height)

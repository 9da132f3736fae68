"""The node tree of a GLB: which nodes its scene shows, and where."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.glb_accessors import GlbError, Json, get_item

MAX_NODES = 10_000
# A shorter quaternion has no direction that could be trusted.
MIN_QUATERNION_NORM = 1e-6


def find_scene_nodes(document: Json) -> list[int]:
    """The nodes that the default scene shows, parents before children; all nodes where there is no scene.

    Raises GlbError for cycles and for nodes with two parents.
    """
    count = _count_nodes(document)
    scenes = document.get("scenes") or []
    if not scenes:
        return list(range(count))
    shown: list[int] = []
    seen: set[int] = set()
    waiting: list[Any] = list(
        reversed(get_item(document, "scenes", document.get("scene", 0)).get("nodes", ()))
    )
    while waiting:
        index = waiting.pop()
        node = get_item(document, "nodes", index)
        if index in seen:
            raise GlbError("the nodes form a cycle, or one has two parents")
        seen.add(index)
        shown.append(index)
        waiting.extend(reversed(node.get("children", ())))
    return shown


def place_nodes(document: Json) -> list[NDArray[np.float64]]:
    """The 4x4 matrices that map points of each node into the scene; raises GlbError for cycles."""
    nodes: Sequence[Json] = document.get("nodes", [])
    count = _count_nodes(document)
    parents = {child: index for index, item in enumerate(nodes) for child in item.get("children", ())}
    world: dict[int, NDArray[np.float64]] = {}
    for index in range(count):
        chain: list[int] = []
        current: int | None = index
        while current is not None and current not in world:
            if len(chain) >= count:
                raise GlbError("the nodes form a cycle")
            chain.append(current)
            current = parents.get(current)
        matrix = np.eye(4) if current is None else world[current]
        for step in reversed(chain):
            matrix = matrix @ _local_matrix(get_item(document, "nodes", step))
            world[step] = matrix
    return [world[index] for index in range(count)]


def _count_nodes(document: Json) -> int:
    count = len(document.get("nodes", []))
    if count > MAX_NODES:
        raise GlbError(f"{count} nodes; at most {MAX_NODES} are supported")
    return count


def _local_matrix(node: Json) -> NDArray[np.float64]:
    """The node's own 4x4 matrix; its quaternion is normalised, a zero one is refused."""
    if "matrix" in node:
        return _check_finite(np.asarray(node["matrix"], dtype=np.float64).reshape(4, 4).T)
    quaternion = np.asarray(node.get("rotation", (0.0, 0.0, 0.0, 1.0)), dtype=np.float64).reshape(4)
    norm = float(np.linalg.norm(quaternion))
    if not MIN_QUATERNION_NORM < norm < np.inf:
        raise GlbError("the quaternion of a node is zero or not finite")
    x, y, z, w = quaternion / norm
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = rotation * np.asarray(node.get("scale", (1.0, 1.0, 1.0)), dtype=np.float64)
    out[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return _check_finite(out)


def _check_finite(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(matrix).all():
        raise GlbError("the matrix of a node is not finite")
    return matrix

"""Rows of a sparse linear least squares, collected in blocks and solved by the normal equations."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import spsolve

Floats = NDArray[np.float64]
# Added to the diagonal of the normal matrix, so that an unknown without a row is zero.
DAMPING = 1e-9


class SparseRows:
    """Weighted rows over `size` unknowns; deterministic."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._blocks: list[tuple[NDArray[np.int64], Floats, Floats]] = []

    def add(self, columns: NDArray[np.int64], values: Floats, right: Floats | None = None) -> None:
        """Add B blocks of R rows over N unknowns: `columns` (B, N), `values` (B, R, N), `right` (B, R)."""
        self._blocks.append((columns, values, np.zeros(values.shape[:2]) if right is None else right))

    def copy(self) -> "SparseRows":
        """The same rows, to which others can be added."""
        out = SparseRows(self._size)
        out._blocks = list(self._blocks)
        return out

    def solve(self) -> Floats:
        """The unknowns (size,) with the least squared residual."""
        rows, columns, values, rights = [], [], [], []
        count = 0
        for places, block, right in self._blocks:
            number = count + np.arange(block.shape[0] * block.shape[1]).reshape(block.shape[:2])
            rows.append(np.broadcast_to(number[:, :, None], block.shape).ravel())
            columns.append(np.broadcast_to(places[:, None, :], block.shape).ravel())
            values.append(block.ravel())
            rights.append(right.ravel())
            count += number.size
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        matrix = coo_matrix(entries, shape=(count, self._size)).tocsc()
        damping = DAMPING * np.ones(self._size)
        diagonal = np.arange(self._size)
        normal = matrix.T @ matrix + csc_matrix((damping, (diagonal, diagonal)))
        solution: Floats = spsolve(csc_matrix(normal), matrix.T @ np.concatenate(rights))
        return solution

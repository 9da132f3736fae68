"""Any map-style dataset as an iterable one, shared out between workers and ranks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    Base = object
else:
    try:
        # DataLoader knows iterable datasets by this class alone
        from torch.utils.data import IterableDataset as Base
    except ImportError:
        Base = object


class MapDataset(Protocol):
    """What can be asked for sample i."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class ShardedIterable(Base):
    """Iterable over every sample once an epoch; `shuffle` gives each epoch its own order, the same for all.

    Each worker of a DataLoader, and each of `ranks` processes, gets its own part, and together they have
    every sample once. Iterating again goes on to the next epoch; workers of a DataLoader are told by
    `set_epoch`, unless they persist.
    """

    def __init__(
        self, dataset: MapDataset, *, shuffle: bool = False, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} of {ranks}")
        self._dataset, self._shuffle, self._seed = dataset, shuffle, seed
        self._rank, self._ranks, self._epoch = rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        order = np.arange(len(self._dataset))
        if self._shuffle:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(order)
        self._epoch += 1
        worker, workers = _worker()
        part, parts = self._rank + self._ranks * worker, self._ranks * workers
        for index in order[part::parts].tolist():
            yield self._dataset[index]

    def __len__(self) -> int:
        """Samples of this rank."""
        return len(range(self._rank, len(self._dataset), self._ranks))


def _worker() -> tuple[int, int]:
    """Which of how many workers of a DataLoader this process is."""
    if Base is object:
        return 0, 1
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)

"""A map-style dataset as an iterable one, divided among workers and ranks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    Base = object
else:
    try:
        # a DataLoader recognises iterable datasets by this class only
        from torch.utils.data import IterableDataset as Base
    except ImportError:
        Base = object


class MapDataset(Protocol):
    """A dataset whose samples have an index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class ShardedIterable(Base):
    """Iterates over every sample once per epoch; `shuffle` gives each epoch an order of its own.

    Each worker of a DataLoader, and each of `ranks` processes, gets its own part of that order, and together
    they have every sample once. Every iteration begins the next epoch. Workers of a DataLoader that do not
    persist are new copies in every iteration: call `set_epoch` before each.
    """

    def __init__(
        self, dataset: MapDataset, *, shuffle: bool = False, seed: int = 0, rank: int = 0, ranks: int = 1
    ) -> None:
        super().__init__()
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} is not among {ranks} ranks")
        self._dataset, self._shuffle, self._seed = dataset, shuffle, seed
        self._rank, self._ranks, self._epoch = rank, ranks, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch that begins next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        order = np.arange(len(self._dataset))
        if self._shuffle:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(order)
        self._epoch += 1
        worker, workers = _get_worker()
        part, parts = self._rank + self._ranks * worker, self._ranks * workers
        for index in order[part::parts].tolist():
            yield self._dataset[index]

    def __len__(self) -> int:
        """Number of samples of this rank."""
        return len(range(self._rank, len(self._dataset), self._ranks))


def _get_worker() -> tuple[int, int]:
    """The number of this worker of a DataLoader, and how many there are."""
    if Base is object:
        return 0, 1
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)

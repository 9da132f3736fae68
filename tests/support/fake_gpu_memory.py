"""FAKE counters of GPU memory, named and behaving as those of `torch.cuda`."""

from typing import Any

GIB = 2**30
COUNTERS = ("memory_allocated", "memory_reserved", "max_memory_allocated", "reset_peak_memory_stats")


class FakeGpuMemory:
    """One GPU or several; freed memory stays reserved, as torch's allocator keeps it."""

    def __init__(self, devices: int = 1) -> None:
        self._devices = devices
        self._allocated = [0] * devices
        self._reserved = [0] * devices
        self._peak = [0] * devices

    def allocate(self, gib: float, device: int = 0) -> None:
        """Take so much more, or free it where it is negative."""
        self._allocated[device] += int(gib * GIB)
        for most in (self._reserved, self._peak):
            most[device] = max(most[device], self._allocated[device])

    def compute(self, gib: float, device: int = 0) -> None:
        """Take so much for a moment."""
        self.allocate(gib, device)
        self.allocate(-gib, device)

    def attach(self, cuda: Any) -> None:
        """Become the counters of a fake `torch.cuda` that has cards of its own, or none."""
        cuda.is_initialized = cuda.is_available
        for name in COUNTERS:
            setattr(cuda, name, getattr(self, name))

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return self._devices

    def memory_allocated(self, device: int) -> int:
        return self._allocated[device]

    def memory_reserved(self, device: int) -> int:
        return self._reserved[device]

    def max_memory_allocated(self, device: int) -> int:
        return self._peak[device]

    def reset_peak_memory_stats(self, device: int) -> None:
        self._peak[device] = self._allocated[device]

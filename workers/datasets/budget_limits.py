"""What a dataset may take: seconds of workers, seconds of GPUs, dollars."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for an hour of a worker without and with a GPU; None is unknown, and costs are unknown then."""

    cpu_hour: float | None = None
    gpu_hour: float | None = None

    def dollars(self, seconds: float, gpu_seconds: float) -> float | None:
        """What so many seconds of workers cost, those with a GPU among them."""
        cost = 0.0
        for spent, price in ((seconds - gpu_seconds, self.cpu_hour), (gpu_seconds, self.gpu_hour)):
            if spent > 0:
                if price is None:
                    return None
                cost += spent / 3600 * price
        return cost

    def as_json(self) -> dict[str, float | None]:
        """For a plan."""
        return {"cpu_hour": self.cpu_hour, "gpu_hour": self.gpu_hour}


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """None does not limit. Seconds are of all workers together, `gpu_seconds` of those with a GPU."""

    seconds: float | None = None
    gpu_seconds: float | None = None
    dollars: float | None = None
    prices: Prices = field(default_factory=Prices)

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return (self.seconds, self.gpu_seconds, self.dollars) != (None, None, None)

    def reached(self, seconds: float, gpu_seconds: float) -> float | None:
        """The first limit that is reached, None while there is none."""
        spent: Mapping[str, Any] = {
            "seconds": seconds,
            "gpu_seconds": gpu_seconds,
            "dollars": None if self.dollars is None else self.prices.dollars(seconds, gpu_seconds),
        }
        for name, value in spent.items():
            limit: float | None = getattr(self, name)
            if limit is not None and (value is None or value >= limit):
                return limit
        return None

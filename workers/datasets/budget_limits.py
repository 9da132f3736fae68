"""What a dataset may cost: seconds of workers, seconds of GPUs, dollars."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per hour of a worker without and with a GPU; None is unknown, and so are then the costs."""

    cpu_hour: float | None = None
    gpu_hour: float | None = None

    def dollars(self, seconds: float, gpu_seconds: float) -> float | None:
        """What so many seconds of workers cost, `gpu_seconds` of which had a GPU."""
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
        """The first limit that is reached, None while there is none; unknown costs reach any limit."""
        dollars = None if self.dollars is None else self.prices.dollars(seconds, gpu_seconds)
        spent = ((self.seconds, seconds), (self.gpu_seconds, gpu_seconds), (self.dollars, dollars))
        for limit, value in spent:
            if limit is not None and (value is None or value >= limit):
                return limit
        return None

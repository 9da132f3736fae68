"""How a dataset is made: everything that may change its content, and nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from maquette.contract import DatasetJob

from workers.datasets.budget_limits import BudgetLimits, Prices
from workers.datasets.gates.policy import DEFAULT, Bound, GatePolicy

# engines look at no more than this; stored frames are smaller still
TRACK_SIZE = 640


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """Lengths in seconds, sizes in pixels."""

    phrases: tuple[str, ...] = ()
    threshold: float | None = None
    clip_seconds: float = 5.0
    min_clip_seconds: float = 3.0
    trim_seconds: float = 0.3
    frame_rate: float | None = None
    size: int = 256
    policy: GatePolicy = DEFAULT
    shares: Mapping[str, float] = field(default_factory=lambda: {"train": 0.8, "val": 0.1, "test": 0.1})
    crops: int = 3
    assets: int = 0
    seed: int = 0
    max_clips: int | None = None
    limits: BudgetLimits = field(default_factory=BudgetLimits)

    @classmethod
    def from_request(cls, request: DatasetJob, prices: Prices) -> "DatasetSettings":
        """The settings of a request; `prices` matter to a budget of dollars alone."""
        bounds: dict[str, Bound] = {name: (bound.low, bound.high) for name, bound in request.gates.items()}
        return cls(
            tuple(request.text),
            request.threshold,
            request.clip_seconds,
            request.min_clip_seconds,
            request.trim_seconds,
            request.frame_rate,
            request.size,
            DEFAULT.with_bounds(bounds) if bounds else DEFAULT,
            request.splits.model_dump(),
            request.crops,
            request.assets,
            request.seed,
            request.max_clips,
            BudgetLimits(
                request.max_seconds,
                request.max_gpu_seconds,
                request.max_dollars,
                Prices() if request.max_dollars is None else prices,
            ),
        )

    @property
    def least_seconds(self) -> float:
        """The shortest clip: nobody who asks for shorter clips than the minimum means to get none."""
        return min(self.min_clip_seconds, self.clip_seconds)

    @property
    def clip_policy(self) -> GatePolicy:
        """The policy, with the shortest clip as a bound unless the job has one of its own."""
        # a frame more or less is no reason to lose a clip
        return (
            self.policy
            if "duration" in self.policy.bounds
            else self.policy.with_min_duration(0.99 * self.least_seconds)
        )

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "policy": self.policy.as_json(), "shares": dict(self.shares)}

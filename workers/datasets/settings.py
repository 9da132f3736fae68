"""How a dataset is made: everything that can change its content, and nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

from maquette.contract import DatasetJob

from workers.datasets.budget_limits import BudgetLimits, Prices
from workers.datasets.frame_rates import to_rational_rate
from workers.datasets.gates.policy import DEFAULT, Bound, GatePolicy

# pixels of the longer side of the frames that engines see, unless stored frames are larger; chosen, not
# measured
TRACK_SIZE = 640


# of the shortest clip: a frame more or less is no reason to lose a clip
DURATION_SLACK = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSettings:
    """What a job asks for; names and values go into the manifest.

    `clip_seconds`, `min_clip_seconds` and `trim_seconds` (cut off at cuts) are seconds, `frame_rate` is
    frames per second (None keeps all; see `grid_rate`), `size` is pixels of the longer side of stored
    frames. `threshold` is None for the engine's own, `shares` are those of the splits,
    `group_by_name` keeps videos without a session whose names differ only by a number in one split, `crops`,
    `assets` and `changes` (pairs of frames) count per track, per dataset and per clip.
    """

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
    changes: int = 0
    seed: int = 0
    max_clips: int | None = None
    group_by_name: bool = True
    limits: BudgetLimits = field(default_factory=BudgetLimits)

    @classmethod
    def from_request(cls, request: DatasetJob, prices: Prices) -> "DatasetSettings":
        """The settings of a request; `prices` only matter to a budget in dollars."""
        bounds: dict[str, Bound] = {name: (bound.low, bound.high) for name, bound in request.gates.items()}
        limits = BudgetLimits(
            seconds=request.max_seconds,
            gpu_seconds=request.max_gpu_seconds,
            dollars=request.max_dollars,
            prices=Prices() if request.max_dollars is None else prices,
        )
        return cls(
            phrases=tuple(request.text),
            threshold=request.threshold,
            clip_seconds=request.clip_seconds,
            min_clip_seconds=request.min_clip_seconds,
            trim_seconds=request.trim_seconds,
            frame_rate=request.frame_rate,
            size=request.size,
            policy=DEFAULT.with_bounds(bounds) if bounds else DEFAULT,
            shares=request.splits.model_dump(),
            crops=request.crops,
            assets=request.assets,
            changes=request.changes,
            seed=request.seed,
            max_clips=request.max_clips,
            group_by_name=request.group_by_name,
            limits=limits,
        )

    @property
    def grid_rate(self) -> Fraction | None:
        """The exact frames per second of all clips; None keeps every frame."""
        return None if self.frame_rate is None else to_rational_rate(self.frame_rate)

    @property
    def least_seconds(self) -> float:
        """The shortest clip: who asks for clips shorter than the minimum does not mean to get none."""
        return min(self.min_clip_seconds, self.clip_seconds)

    @property
    def clip_policy(self) -> GatePolicy:
        """The policy, with the shortest clip as a bound unless the job sets one of its own."""
        if "duration" in self.policy.bounds:
            return self.policy
        return self.policy.with_min_duration(DURATION_SLACK * self.least_seconds)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        rate = self.grid_rate
        content = asdict(self)
        if not self.changes:
            # what earlier releases did not have leaves their keys and hashes as they were
            del content["changes"]
        return {
            **content,
            "policy": self.policy.as_json(),
            "shares": dict(self.shares),
            "grid_rate": None if rate is None else [rate.numerator, rate.denominator],
        }

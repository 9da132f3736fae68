"""What came of the parts of a dataset job, and their kinds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from workers.datasets.failures import Failure

# kinds of parts are stored in the ledger and shown in progress, so their spelling stays
FETCH, SURVEY, ASSETS = "dataset.fetch", "dataset.survey", "dataset.assets"
# stages of a clip that are handed over to other workers, and those that finish it
HANDED_OVER, CLIPS = "dataset.follow", "dataset.clips"
# when every attempt at such a part lost its worker, what it is about is left out; without a fetched video
# nothing is known that could be left out
SPARED = frozenset({SURVEY, HANDED_OVER, CLIPS, ASSETS})


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """The output of one part as bytes, with its seconds per stage.

    Without data, either `limit` is the limit of the budget that left it out, or it failed in a way that
    does not pass. `on_gpu` says that its worker held a GPU.
    """

    data: bytes
    stages: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    on_gpu: bool = False
    failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is data."""
        return self.limit is None and self.failure is None

    def encode(self) -> bytes:
        """One line of JSON, then the data."""
        head = {"stages": dict(self.stages), "limit": self.limit, "on_gpu": self.on_gpu}
        if self.failure is not None:
            head["failure"] = self.failure.as_json()
        return json.dumps(head).encode() + b"\n" + self.data

    @classmethod
    def decode(cls, content: bytes) -> "PartOutcome":
        """What `encode` wrote."""
        line, _, data = content.partition(b"\n")
        head = json.loads(line)
        failure = Failure(**head["failure"]) if "failure" in head else None
        return cls(data, head["stages"], head["limit"], head["on_gpu"], failure)

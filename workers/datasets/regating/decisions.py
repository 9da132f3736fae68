"""Decides the stored scores of a clip again, each with its old bounds unless there are new ones."""

from collections.abc import Mapping, Sequence

from workers.datasets.gates.policy import Bound, GatePolicy
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, DecisionRow, ScoreRow

NO_POLICY = "none"


class ClipPolicy:
    """The policy that decided a clip, with some bounds replaced.

    Bounds come from the clip's own decisions: the clips of a joined dataset may have had different ones.
    """

    def __init__(self, clip: SceneClip, bounds: Mapping[str, Bound]) -> None:
        measured = {row.name for row in clip.scores}
        decided = [row for row in clip.decisions if row.gate in measured]
        name = decided[0].policy if decided else NO_POLICY
        old = GatePolicy(name, {row.gate: (row.low, row.high) for row in decided})
        self.policy = old.with_bounds(bounds) if bounds else old
        # the budget, and failures: no score decides these
        self.others = [row for row in clip.decisions if row.gate not in {*measured, REVIEW_GATE}]

    @property
    def name(self) -> str:
        """The name of the policy with its new bounds."""
        return self.policy.name

    def decide(self, scores: Sequence[ScoreRow]) -> list[DecisionRow]:
        """The decisions over some scores of the clip."""
        return self.policy.decide(scores)


def list_failed(decisions: Sequence[DecisionRow]) -> tuple[str, ...]:
    """The gates that were not passed, in their order."""
    return tuple(row.gate for row in decisions if not row.passed)

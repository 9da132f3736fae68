"""The report of an evaluation: JSON for programs, Markdown for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workers.evaluation.benchmark import Published, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Scores with all that is needed to judge them; there are none while other shards are at work.

    `total` counts the samples of the dataset's folder, `full_size` those of the published benchmark (None
    where that is unknown). `changed` has the paper's value of every setting that was changed. Published
    figures are those of the models named, on the complete benchmark.
    """

    benchmark: str
    version: int
    scores: Scores
    published: Sequence[Published]
    notes: Sequence[str]
    settings: Mapping[str, Any]
    changed: Mapping[str, Any]
    scored: int
    total: int
    full_size: int | None
    refused: int
    failed: Mapping[str, str]
    dataset: Mapping[str, Any]
    engine: Mapping[str, Any]
    code: Mapping[str, Any] = field(default_factory=dict)
    finished_at: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every sample of the benchmark is in the scores, as far as their number is known."""
        return self.scored == self.total == (self.full_size or self.total)

    def to_json(self) -> dict[str, Any]:
        """As `report.json` holds it."""
        return asdict(self) | {"complete": self.is_complete}

    def to_markdown(self) -> str:
        """The scores beside the published figures, and under them what a reader must know."""
        by_metric: dict[str, list[Published]] = {}
        for figure in self.published:
            by_metric.setdefault(figure.metric, []).append(figure)
        rows = [f"# {self.benchmark}", "", "| metric | this run | published | of | source |"]
        rows.append("|---|---|---|---|---|")
        for metric, value in self.scores.items():
            own = "–" if value is None else f"{value:.4g}"
            others = [_cells(figure) for figure in by_metric.get(metric, ())] or [("–", "", "")]
            rows += [f"| {metric} | {own} | {' | '.join(cells)} |" for cells in others]
        return "\n".join([*rows, "", *self._facts(), ""])

    def _facts(self) -> list[str]:
        engine, code = self.engine, self.code
        commit = code.get("commit") or "unknown"
        facts = [
            f"- samples: {self.scored} of {self.full_size or self.total}"
            + ("" if self.is_complete else "; **incomplete: not comparable with published figures**"),
            f"- refused by the engine: {self.refused}; failed: {len(self.failed)}",
            f"- engine: {engine['name']} {engine['version']} on {engine['device']}",
            f"- settings: {_join(self.settings)}",
            f"- code: maquette-server {code.get('maquette_server')}, commit {commit}",
            f"- dataset: sha256 {self.dataset['sha256']}",
        ]
        if self.changed:
            facts.insert(4, f"- **not the paper's settings**, which are: {_join(self.changed)}")
        return facts + [f"- {note}" for note in self.notes]

    def write(self, folder: Path) -> None:
        """Write `report.json` and `report.md`, each at once."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        for name, content in (("report.json", text), ("report.md", self.to_markdown())):
            partial = folder / f"{name}.partial"
            partial.write_text(content, encoding="utf-8")
            partial.replace(folder / name)


def _cells(figure: Published) -> tuple[str, str, str]:
    return f"{figure.value:g}", figure.model, figure.source


def _join(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())

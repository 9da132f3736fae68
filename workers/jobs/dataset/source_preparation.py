"""Brings the videos of a job here and surveys them, before clips are planned."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from maquette.contract import DatasetJob, MediaRef
from maquette.skipping import record_reason

from workers.datasets.budget_limits import Prices
from workers.datasets.failures import Failure
from workers.datasets.shots.survey import Survey
from workers.datasets.source import Source
from workers.datasets.stages.keys import hash_json
from workers.datasets.stages.survey import SurveyStage
from workers.datasets.tasks import SurveyTask
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.origins import Origin, find_upload
from workers.jobs.dataset.outcomes import FETCH, SURVEY, PartOutcome
from workers.jobs.dataset.part_collector import PartCollector
from workers.jobs.dataset.stage_placement import find_cpu_queue
from workers.jobs.dataset.workspace import JobWorkspace, open_source


class SourcePreparation:
    """Fetches and surveys videos by parts of the job; needs no engine.

    `unreadable` has the names of videos that are left out, with the code why. `prices` are those of the
    worker that planned the job, which hold for all of its parts.
    """

    def __init__(
        self, context: JobContext, workspace: JobWorkspace, collector: PartCollector, prices: Prices
    ) -> None:
        self._context, self._collector, self._prices = context, collector, prices
        self._stage = SurveyStage(workspace)
        self._queue = find_cpu_queue(context)
        self._origins: dict[str, Origin] = {}
        # the sha256 of the outcome of each survey: together they do not fit into memory
        self._surveys: dict[str, str] = {}
        # the same by their keys
        self._results: dict[str, str] = {}
        self.unreadable: dict[str, str] = {}
        self._failures: list[Failure] = []

    def prepare(self, origins: Sequence[Origin], request: DatasetJob) -> list[Source]:
        """The videos that can be read to their end; raises JobProblem when there are none, or Parked.

        A strict request raises it for the first video that cannot be read.
        """
        self.unreadable, self._failures = dict(request.skipped), []
        sources = self._fetch(origins, request)
        return self._survey(sources, self._find_earlier(sources, request), strict=request.strict)

    def keep_surveys(self) -> None:
        """Let later jobs take the surveys over."""
        kept = {key: sha256 for key, sha256 in self._results.items() if self._context.keep(sha256)}
        self._context.put_results(kept)

    def read_survey(self, source: Source) -> Survey:
        """The survey of a prepared source."""
        return Survey.decode(PartOutcome.decode(self._context.get(self._surveys[source.sha256])).data)

    def build_request(self, source: Source) -> dict[str, Any]:
        """What the request of every part about a source holds."""
        origin = self._origins[source.sha256].as_brief_json()
        return {"origin": origin, "sha256": source.sha256, "prices": self._prices.as_json()}

    def _fetch(self, origins: Sequence[Origin], request: DatasetJob) -> list[Source]:
        """The videos of a request; those that are not here yet are fetched, each by a part."""
        requests = {
            hash_json(asdict(origin)): {"origin": asdict(origin), "prices": self._prices.as_json()}
            for origin in origins
            if find_upload(request, origin) is None
        }
        parts = self._collector.collect(FETCH, self._queue, list(requests), requests.values())
        fetched = iter(json.loads(part.outcome.data) for part in parts)
        for origin in origins:
            uploaded = find_upload(request, origin)
            result = next(fetched) if uploaded is None else {"sha256": uploaded}
            if "sha256" in result:
                self._origins[result["sha256"]] = origin
            else:
                failure = Failure(result["code"], result.get("detail", "it cannot be read"))
                self._leave_out(origin.choose_name(request), failure, strict=request.strict)
        if not self._origins:
            if request.buckets:
                raise JobProblem("bucket_empty", f"none of {len(self.unreadable)} videos can be read")
            raise JobProblem(self._failures[0].code, self._failures[0].detail)
        return [
            open_source(self._context, MediaRef(id=sha256), origin.load_info(request))
            for sha256, origin in self._origins.items()
        ]

    def _find_earlier(self, sources: Sequence[Source], request: DatasetJob) -> dict[str, str]:
        """The surveys that earlier jobs have made of the same videos, by key; a trial measures its own.

        Those of videos with depth are made again, which counts the depth maps.
        """
        if not request.reuse or request.max_clips is not None:
            return {}
        keys = [self._compute_key(source) for source in sources if source.info.depth is None]
        earlier: dict[str, str] = {}
        for result in self._context.find_results(keys):
            if result.key not in earlier and self._context.keep(result.sha256):
                earlier[result.key] = result.sha256
        return earlier

    def _compute_key(self, source: Source) -> str:
        return self._stage.key(SurveyTask(source)).digest()

    def _survey(self, sources: Sequence[Source], earlier: Mapping[str, str], *, strict: bool) -> list[Source]:
        keys = {source.sha256: self._compute_key(source) for source in sources}
        missing = [source for source in sources if keys[source.sha256] not in earlier]
        requests = {keys[source.sha256]: self.build_request(source) for source in missing}
        made = dict(earlier)
        parts = self._collector.collect(SURVEY, self._queue, list(requests), requests.values())
        for source, part in zip(missing, parts, strict=True):
            if part.outcome.failure is None:
                made[keys[source.sha256]] = part.sha256
            else:
                self._leave_out(source.info.name or source.sha256, part.outcome.failure, strict=strict)
        self._results = made
        self._surveys = {source: made[key] for source, key in keys.items() if key in made}
        if not self._surveys:
            raise JobProblem(self._failures[0].code, self._failures[0].detail)
        return [source for source in sources if source.sha256 in self._surveys]

    def _leave_out(self, name: str, failure: Failure, *, strict: bool) -> None:
        if strict:
            raise JobProblem(failure.code, f"{name}: {failure.detail}")
        record_reason(self.unreadable, name, failure.code)
        self._failures.append(failure)

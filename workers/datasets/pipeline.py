"""From videos to a dataset's files: survey all, plan, gate cheaply, work clip by clip, then write."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from media.sandbox import DecodedFrame
from workers.datasets import budget, reels, splits
from workers.datasets.clip_work import ClipWork, Tools
from workers.datasets.ports import Ports
from workers.datasets.records import ClipRecord
from workers.datasets.reels import Pieces, Reel
from workers.datasets.schema import ClipRow, DecisionRow, ScoreRow, SourceRow
from workers.datasets.settings import Settings
from workers.datasets.source import Source
from workers.datasets.stages import duplicates
from workers.datasets.stages.duplicates import Neighbours
from workers.datasets.stages.keys import StageKey, digest
from workers.datasets.stages.scaling import fitted
from workers.datasets.stages.shots import ClipPlan, plan
from workers.datasets.stages.survey import Survey, joined

STAGE = "survey"
# more shots than one source can have
SHOTS = 1 << 32


@dataclass(frozen=True, slots=True)
class Planned:
    """What the cheap look decided, before any engine has run; `seconds` of video were looked at."""

    sources: tuple[SourceRow, ...]
    plans: tuple[ClipPlan, ...]
    clips: tuple[ClipRow, ...]
    scores: tuple[ScoreRow, ...]
    decisions: tuple[DecisionRow, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Built:
    """All that is known when the last clip is done."""

    planned: Planned
    records: tuple[ClipRecord, ...]
    budget_reached: bool = False


class Pipeline:
    """Makes one dataset. Interrupted at any point and run again, it makes the same one."""

    def __init__(self, ports: Ports, tools: Tools, settings: Settings) -> None:
        self._ports, self._tools, self._settings = ports, tools, settings

    def run(self, sources: Sequence[Source]) -> Built:
        """Do everything but write; raises DatasetError, MediaError, or what `progress` raises."""
        seconds = budget.Seconds(self._settings.max_seconds, self._tools.clock)
        unique = list({source.sha256: source for source in sources}.values())
        planned = self.plan(unique)
        records = tuple(self._work(unique, planned, seconds))
        reached = len(records) < sum(clip.kept for clip in planned.clips)
        if reached:
            assert self._settings.max_seconds is not None
            clips, left = budget.left_out(
                planned.clips,
                {record.clip for record in records},
                self._settings.max_seconds,
                self._settings.policy.name,
            )
            planned = replace(planned, clips=tuple(clips), decisions=(*planned.decisions, *left))
        return Built(planned, records, reached)

    def plan(self, sources: Sequence[Source]) -> Planned:
        """Survey every source, cut it into clips, and judge them by what is cheap."""
        surveys = [self._survey(source, index, len(sources)) for index, source in enumerate(sources)]
        plans: list[ClipPlan] = []
        shots = []
        for index, (source, seen) in enumerate(zip(sources, surveys, strict=True)):
            count, found = plan(source, index, seen, self._settings)
            plans += found
            shots.append(count)
        signatures = np.array([duplicates.signature(surveys[p.source], p) for p in plans], np.uint64)
        shot_of = np.array([item.source * SHOTS + item.shot for item in plans], np.int64)
        low, _ = self._settings.policy.bounds.get("near_duplicate", (None, None))
        near = duplicates.neighbours(shot_of, signatures.reshape(-1, 3), low or 0.0)
        groups = self._groups(sources, plans, near)
        scores, decisions, clips = [], [], []
        for index, item in enumerate(plans):
            mine = clip_scores(item, surveys[item.source], near.distances[index])
            judged = self._settings.clip_policy.decide(mine)
            kept = all(row.passed for row in judged)
            source = sources[item.source]
            text = duplicates.written(signatures[index])
            clips.append(self._clip(source, item, groups[source.sha256], text, kept))
            scores += mine
            decisions += judged
        rows = tuple(
            self._source(source, groups[source.sha256], seen, count)
            for source, seen, count in zip(sources, surveys, shots, strict=True)
        )
        most = self._settings.max_clips
        chosen = budget.spread(clips, most)
        clips, spent = budget.left_out(clips, chosen, float(most or 0), self._settings.policy.name)
        seconds = sum(seen.length for seen in surveys)
        return Planned(rows, tuple(plans), tuple(clips), tuple(scores), tuple(decisions + spent), seconds)

    def _survey(self, source: Source, index: int, count: int) -> Survey:
        message = f"video {index + 1} of {count}"
        parts: list[Survey] = []
        with self._tools.clock(STAGE), Pieces(source) as pieces:
            while not parts or len(parts[-1]) == reels.PIECE:
                key = StageKey(STAGE, (source.sha256,), {"piece": len(parts), "frames": reels.PIECE}).digest()
                known = self._ports.recall(key)
                start = len(parts) * reels.PIECE

                def told(done: int, start: int = start) -> None:
                    self._ports.progress(STAGE, start + done, source.frame_count, message)

                found = Survey.decode(known) if known is not None else pieces.look(start, told)
                if known is None:
                    self._ports.remember(key, found.encode())
                parts.append(found)
        return joined(parts)

    def _groups(
        self, sources: Sequence[Source], plans: Sequence[ClipPlan], near: Neighbours
    ) -> dict[str, str]:
        names = [source.sha256 for source in sources]
        linked = [(names[plans[a].source], names[plans[b].source]) for a, b in near.links]
        return splits.groups(names, {source.sha256: source.info.session for source in sources}, linked)

    def _work(
        self, sources: Sequence[Source], planned: Planned, seconds: budget.Seconds
    ) -> Iterator[ClipRecord]:
        wanted = [(p, c) for p, c in zip(planned.plans, planned.clips, strict=True) if c.kept]
        total = sum(len(item.frames) for item, _ in wanted)
        lifts, done, worked = self._settings.assets, 0, 0
        # where time once ran out, a run that goes on stops too
        ended = digest([budget.GATE, self._settings.as_json(), [item.id for item, _ in wanted]])
        known_end = None if self._settings.max_seconds is None else self._ports.recall(ended)
        last = len(wanted) if known_end is None else int(known_end)
        of_source: dict[int, list[tuple[ClipPlan, ClipRow]]] = defaultdict(list)
        for item, clip in wanted:
            of_source[item.source].append((item, clip))
        for index, source in enumerate(sources):
            mine = of_source[index]
            reel = Reel(source, max((item.last for item, _ in mine), default=0))
            with closing(reel):
                for item, clip in mine:
                    if worked == last or seconds.spent:
                        self._ports.remember(ended, str(worked).encode())
                        return
                    worked += 1
                    work = ClipWork(self._ports, self._tools, self._settings, source, item)
                    key = digest([[part.digest() for part in work.stage_keys()], lifts > 0 and lifts])
                    known = self._ports.recall(key)
                    if known is not None:
                        record = ClipRecord.decode(known)
                        seconds.add(record.seconds)
                    else:
                        begun = self._tools.clock.now()
                        frames = self._told(reel.clip(item), done, total)
                        record = work.run(clip, frames, lifts)
                        record = replace(record, seconds=self._tools.clock.now() - begun)
                        self._ports.remember(key, record.encode())
                    done += len(item.frames)
                    lifts -= sum(row.kind == "mesh" for row in record.rows["assets"])
                    yield record

    def _told(self, frames: Iterator[DecodedFrame], done: int, total: int) -> Iterator[DecodedFrame]:
        for count in itertools.count(1):
            with self._tools.clock("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame
            self._ports.progress("clips", done + count, total)

    def _clip(self, source: Source, item: ClipPlan, group: str, signature: str, kept: bool) -> ClipRow:
        width, height = fitted(source.width, source.height, self._settings.size)
        count = len(item.frames)
        elapsed = item.end - item.start
        return ClipRow(
            item.id,
            source.sha256,
            source.info.session,
            group,
            splits.split_of(group, self._settings.shares),
            item.shot,
            item.first,
            item.last,
            item.step,
            count,
            item.start,
            item.end,
            (count - 1) / elapsed if elapsed > 0 else None,
            width,
            height,
            "unknown",
            "assumed" if source.info.camera is None else "given",
            None,
            signature,
            kept,
            (),
        )

    def _source(self, source: Source, group: str, seen: Survey, shots: int) -> SourceRow:
        info = source.info
        return SourceRow(
            source.sha256,
            info.name,
            source.width,
            source.height,
            len(seen),
            source.frame_rate,
            int(seen.time_base[0]),
            int(seen.time_base[1]),
            info.licence,
            info.consent,
            info.attribution,
            info.session,
            group,
            splits.split_of(group, self._settings.shares),
            shots,
            ("time_assumed",) if info.time_assumed else (),
        )


def clip_scores(item: ClipPlan, seen: Survey, distance: float) -> list[ScoreRow]:
    """What the cheap gates go by; the text area is not measured, and says so by null."""
    inside = slice(item.first, item.last + 1)
    moving = seen.motion[item.first + 1 : item.last + 1]

    def row(name: str, value: float | None, unit: str) -> ScoreRow:
        return ScoreRow(item.id, None, STAGE, name, value, unit)

    return [
        row("duration", item.length, "seconds"),
        row("luminance", float(seen.luminance[inside].mean()), "0..255"),
        row("sharpness", float(np.median(seen.sharpness[inside])), "variance"),
        row("motion", float(moving.mean()) if len(moving) else None, "0..255"),
        row("near_duplicate", distance, "bits of 64"),
        row("text_area", None, "share"),
    ]

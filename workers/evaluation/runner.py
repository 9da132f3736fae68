"""Answers sample after sample, keeps each answer, and goes on where an earlier run ended."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.evaluation.benchmark import Benchmark, Record, Sample
from workers.evaluation.errors import EngineFailing, LayoutError, SettingError
from workers.evaluation.store import RecordStore

log = logging.getLogger(__name__)

# Samples that fail in a row until the run ends: single samples may be broken, ten in a row mean the engine.
# Chosen, not measured.
MAX_FAILURES = 10
# Seconds between two lines of progress.
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count` parts of the samples, counted from 1."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `i/n`; raises SettingError."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise SettingError(f"a shard is i/n with 1 <= i <= n, not {text!r}")
        return cls(int(index), int(count))

    def choose(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """Every n-th sample, so that all shards see the same mixture."""
        return samples[self.index - 1 :: self.count]


@dataclass(slots=True)
class RunSummary:
    """What one run did: samples answered now and found from before, and errors by sample."""

    answered: int = 0
    resumed: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def run_samples(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    engine: Any,
    store: RecordStore,
    say: Callable[[str], None] = log.info,
) -> RunSummary:
    """Answer every sample that has no record yet.

    A sample that fails is reported and left out, and tried again by the next run. Raises EngineFailing when
    `MAX_FAILURES` in a row fail, LayoutError where the dataset is broken.
    """
    summary, in_a_row, last = RunSummary(), 0, time.monotonic()
    for number, sample in enumerate(samples, start=1):
        if store.get(sample) is not None:
            summary.resumed += 1
            continue
        try:
            store.put(sample, benchmark.answer(sample, engine))
        except (LayoutError, MemoryError):
            raise
        except Exception as error:
            log.exception("sample %s failed", sample.id)
            summary.failed[sample.id] = f"{type(error).__name__}: {error}"
            in_a_row += 1
            if in_a_row == MAX_FAILURES:
                raise EngineFailing(f"{in_a_row} samples in a row failed, the last with {error}") from error
            continue
        in_a_row, summary.answered = 0, summary.answered + 1
        if time.monotonic() - last >= PROGRESS_SECONDS:
            say(f"{number} of {len(samples)} samples")
            last = time.monotonic()
    return summary


def collect_records(samples: Sequence[Sample], store: RecordStore) -> dict[str, Record]:
    """The records of all samples that have one, by their ids, whichever run or shard made them."""
    found = ((sample.id, store.get(sample)) for sample in samples)
    return {name: record for name, record in found if record is not None}

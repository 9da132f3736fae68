"""What the parts of a dataset job cost the ledger: all parked at once, then claimed and completed one by one.

python -m bench run service.ledger_parts [--parts 24000] [--completed 200] [--url DATABASE]
"""

import argparse
import json
import tempfile
from pathlib import Path

from bench.report import Report
from bench.timing import Stopwatch
from storage.ledger import Database, Part, Submission, WorkerSeconds, jobs, leases, parts

KIND = "dataset.clips"
# as long as the request of a real part: the plan of a clip of five seconds lists some 120 timestamps
PLAN = json.dumps({"plan": list(range(300))})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", type=int, default=24_000)
    parser.add_argument("--completed", type=int, default=200, help="parts that are claimed and completed")
    parser.add_argument("--url", help="an empty database; by default SQLite in a temporary folder")


def run(options: argparse.Namespace, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(options.url or f"sqlite:///{Path(folder) / 'ledger.db'}")
        db.migrate()
        submission = Submission("t", "dataset", "auto", "default", "{}", "h", 86_400)
        job = leases.claim(db, jobs.submit(db, submission)[0].id, "w", 600)
        assert job is not None
        rows = [Part(KIND, f"{number:064x}", "default", PLAN) for number in range(options.parts)]
        watch = Stopwatch()
        leases.park(db, job, rows)
        parked = watch.lap()
        for _ in range(options.completed):
            row = leases.claim(db, parts.list_unannounced(db, job.id)[0][0], "w", 600)
            assert row is not None
            leases.complete(db, row, "a" * 64, WorkerSeconds(1.0, 0.0), [])
        completed = watch.lap() / options.completed
        db.close()
    report.add(
        {
            "park_seconds": round(parked.wall, 2),
            "ms_per_part": round(1e3 * completed.wall, 2),
            "cpu_ms_per_part": round(1e3 * completed.cpu, 2),
        }
    )

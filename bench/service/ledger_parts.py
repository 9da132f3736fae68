"""What the ledger takes for the parts of one job: parked, then claimed and done one after the other.

python -m bench run service.ledger_parts --parts 24000 --done 200
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from storage.ledger import Database, Part, Submission, WorkerSeconds, jobs, leases, parts

KIND = "dataset.clips"


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", type=int, default=24_000)
    parser.add_argument("--done", type=int, default=200)
    parser.add_argument("--url", help="a ledger of its own; SQLite in a scratch folder without")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        db = Database(options.url or f"sqlite:///{Path(folder) / 'ledger.db'}")
        db.migrate()
        submission = Submission("t", "dataset", "auto", "default", "{}", "h", 86_400)
        job = leases.claim(db, jobs.submit(db, submission)[0].id, "w", 600)
        assert job is not None
        # a clip of five seconds tells some 120 times
        request = json.dumps({"plan": list(range(300))})
        made = [Part(KIND, f"{number:064x}", "default", request) for number in range(options.parts)]
        begun = time.perf_counter()
        leases.park(db, job, made)
        parked = time.perf_counter() - begun
        begun, busy = time.perf_counter(), time.process_time()
        for _ in range(options.done):
            row = leases.claim(db, parts.unannounced(db, job.id)[0][0], "w", 600)
            assert row is not None
            leases.complete(db, row, "a" * 64, WorkerSeconds(1.0, 0.0), [])
        done, cpu = time.perf_counter() - begun, time.process_time() - busy
        db.close()
    told: dict[str, float] = {"parts": options.parts, "park_seconds": round(parked, 2)}
    told |= {
        "ms_a_part": round(1000 * done / options.done, 2),
        "cpu_ms_a_part": round(1000 * cpu / options.done, 2),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()

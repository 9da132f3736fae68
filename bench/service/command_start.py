"""What a command costs before it does anything, as a multiple of an interpreter that does nothing.

python -m bench run service.command_start [--rounds 7]
"""

import argparse
import resource
import subprocess
import sys
import time

from bench.report import Report
from bench.timing import Timing, median

CLIENT = "import sys; sys.argv = ['maquette', *{words!r}]; from maquette.cli import main; main()"
SERVER = "import sys; sys.argv = ['maquette-server', *{words!r}]; from service.main import main; main()"
COMMANDS = {
    "python -c pass": "pass",
    "maquette --help": CLIENT.format(words=["--help"]),
    "maquette dataset --help": CLIENT.format(words=["dataset", "--help"]),
    "maquette segment --help": CLIENT.format(words=["segment", "--help"]),
    "maquette-server --help": SERVER.format(words=["--help"]),
    "maquette-server keys --help": SERVER.format(words=["keys", "--help"]),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=7)


def run(options: argparse.Namespace, report: Report) -> None:
    timings: dict[str, list[Timing]] = {name: [] for name in COMMANDS}
    # in turns, so that what else the machine does falls on all of them alike; the first round fills caches
    for number in range(options.rounds + 1):
        for name, code in COMMANDS.items():
            timing = _start(code)
            if number > 0:
                timings[name].append(timing)
    idle, *_ = (median(mine) for mine in timings.values())
    columns = {"command": "", "ms": ".0f", "CPU ms": ".0f", "ratio": ".1f", "CPU ratio": ".1f"}
    table = report.table("", columns)
    for name, mine in timings.items():
        middle = median(mine)
        table.add(name, 1e3 * middle.wall, 1e3 * middle.cpu, middle.wall / idle.wall, middle.cpu / idle.cpu)


def _start(code: str) -> Timing:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Timing(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

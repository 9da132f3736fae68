"""Lists and runs benches.

python -m bench list
python -m bench run NAME [--out FOLDER] [options of the bench]
"""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from bench.registry import BENCHES
from bench.report import Report

OUT = Path("build/bench")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; `arguments` are those of the process by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Lists and runs benches.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the name of every bench and what it measures")
    run = commands.add_parser(
        "run", help="run one bench; `run NAME --help` lists its options", add_help=False
    )
    run.add_argument("name", choices=[bench.name for bench in BENCHES], metavar="NAME")
    chosen, options = parser.parse_known_args(arguments)
    if chosen.command == "list":
        list_benches()
    else:
        run_bench(chosen.name, options)


def list_benches() -> None:
    """Print the name of every bench and what it measures."""
    width = max(len(bench.name) for bench in BENCHES)
    for bench in BENCHES:
        print(f"{bench.name:{width}}  {bench.summary}")


def run_bench(name: str, arguments: Sequence[str]) -> None:
    """Run a bench with the options in `arguments`, and write its report."""
    try:
        module = importlib.import_module(f"bench.{name}")
    except ImportError as error:
        raise SystemExit(f"{name} does not run here: {error} (bench/README.md has what it needs)") from None
    parser = argparse.ArgumentParser(
        prog=f"python -m bench run {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder of the report (default: {OUT})")
    if hasattr(module, "add_options"):
        module.add_options(parser)
    options = parser.parse_args(arguments)
    given = {name: value for name, value in vars(options).items() if name != "out"}
    report = Report(bench=name, options=given)
    module.run(options, report)
    written = report.write(options.out)
    print(f"\nwritten: {', '.join(map(str, written))}")


if __name__ == "__main__":
    main()

"""Runs a bench.

python -m bench list
python -m bench run NAME [options of the bench]
"""

import argparse
import importlib
import sys

from bench.registry import BENCHES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Lists and runs benches.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="print the names of all benches and what they measure")
    run = commands.add_parser("run", help="run one bench; its own --help lists its options", add_help=False)
    run.add_argument("name", choices=[bench.name for bench in BENCHES])
    chosen, options = parser.parse_known_args()
    if chosen.command == "list":
        width = max(len(bench.name) for bench in BENCHES)
        for bench in BENCHES:
            print(f"{bench.name:{width}}  {bench.summary}")
        return
    sys.argv = [f"python -m bench run {chosen.name}", *options]
    importlib.import_module(f"bench.{chosen.name}").main()


if __name__ == "__main__":
    main()

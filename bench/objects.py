"""All that is measured of objects, in one run: how true they are, and what they cost.

    python bench/objects.py truth    the tables of docs/objects.md: one view, then arcs of 30 to 360 degrees
    python bench/objects.py speed    files beside the best libraries, stages, rasterisers, refining

Runs the scripts beside it, one after the other, and prints what each prints under its command.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MANY = ["objects_views.py", "--views", "16", "--side", "192"]
RUNS: dict[str, list[list[str]]] = {
    "truth": [
        ["objects_shapes.py"],
        ["objects_shapes.py", "--views", "other"],
        ["objects_shapes.py", "--views", "held"],
        ["objects_shapes.py", "--label"],
        ["objects_shapes.py", "--depth"],
        MANY,
        [*MANY, "--arcs", "360", "--paint", "speckle,lamp,flat"],
        [*MANY, "--arcs", "360", "--noise", "4", "--exposure", "0.1"],
    ],
    "speed": [
        ["objects_io.py"],
        ["objects_stages.py"],
        ["rasterisers.py"],
        [*MANY, "--arcs", "360", "--refine"],
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=sorted(RUNS))
    parser.add_argument("--engine", default="default", help="whose truth: default or sam3d_objects")
    options = parser.parse_args()
    for run in RUNS[options.what]:
        if options.what == "truth":
            run = [*run, "--engine", options.engine]
        print(f"\n## python bench/{' '.join(run)}\n", flush=True)
        code = subprocess.run([sys.executable, HERE / run[0], *run[1:]], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

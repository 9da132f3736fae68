"""All that is measured of objects, in one run: how true they are, and what they cost.

    python -m bench run objects.suite truth  the tables of docs/objects.md
    python -m bench run objects.suite speed  files beside the best libraries, stages, rasterisers, refining

Runs the benches beside it, one after the other, and prints what each prints under its command.
"""

import argparse
import subprocess
import sys

MANY = ["objects.views", "--views", "16", "--side", "192"]
RUNS: dict[str, list[list[str]]] = {
    "truth": [
        ["objects.shapes"],
        ["objects.shapes", "--views", "other"],
        ["objects.shapes", "--views", "held"],
        ["objects.shapes", "--label"],
        ["objects.shapes", "--depth"],
        MANY,
        [*MANY, "--arcs", "360", "--paint", "speckle,lamp,flat"],
        [*MANY, "--arcs", "360", "--noise", "4", "--exposure", "0.1"],
    ],
    "speed": [
        ["formats.splats_and_meshes"],
        ["objects.stages"],
        ["objects.rasterisers"],
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
        print(f"\n## python -m bench run {' '.join(run)}\n", flush=True)
        code = subprocess.run([sys.executable, "-m", "bench", "run", *run], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

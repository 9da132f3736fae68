"""All object benches in one run: how true reconstructions are, or what they cost.

    python -m bench run objects.suite truth  the tables of docs/objects.md
    python -m bench run objects.suite speed  files beside other libraries, stages, rasterisers, refining

Runs the benches one after the other in processes of their own, and prints what each prints under its command.
"""

import argparse
import subprocess
import sys

VIEWS = ["objects.views", "--views", "16", "--side", "192"]
RUNS: dict[str, list[list[str]]] = {
    "truth": [
        ["objects.shapes"],
        ["objects.shapes", "--views", "other"],
        ["objects.shapes", "--views", "held"],
        ["objects.shapes", "--label"],
        ["objects.shapes", "--depth"],
        VIEWS,
        [*VIEWS, "--arcs", "360", "--paint", "speckle,lamp,flat"],
        [*VIEWS, "--arcs", "360", "--noise", "4", "--exposure", "0.1"],
    ],
    "speed": [
        ["formats.splats_and_meshes"],
        ["objects.stages"],
        ["objects.rasterisers"],
        [*VIEWS, "--arcs", "360", "--refine"],
    ],
}


def main() -> None:
    """Run the benches of one kind; exits with the code of the first that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(RUNS))
    parser.add_argument("--engine", default="default", help="engine of `truth`: default or sam3d_objects")
    options = parser.parse_args()
    for arguments in RUNS[options.kind]:
        if options.kind == "truth":
            arguments = [*arguments, "--engine", options.engine]
        print(f"\n## python -m bench run {' '.join(arguments)}\n", flush=True)
        command = [sys.executable, "-m", "bench", "run", *arguments]
        code = subprocess.run(command, check=False).returncode
        if code:
            sys.exit(code)

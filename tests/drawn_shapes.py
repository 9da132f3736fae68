"""The analytic shapes of the benches and their judge: `bench.judge` compares with every other side."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import objects_shapes as bench

__all__ = ["bench"]

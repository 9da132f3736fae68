"""MHR's assets: fetch and check the pinned archive, and make the level-of-detail mappings of `models/`.

    python scripts/models/mhr_assets.py pull DEST [--source URL-or-zip]
    python scripts/models/mhr_assets.py mappings mhr-1.0.1.tar.gz

The mappings come from the source distribution of `mhr` 1.0.1 (Apache-2.0). A vertex of LOD n is a point of a
triangle of LOD 1: `triangles` uint16 (N,), `weights` float32 (N, 2) of its first two corners, the third being
what is left of 1. Against the float64 original this moves a vertex by less than a micrometre.
"""

import argparse
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.models.manifest import file_sha256, record  # noqa: E402
from workers.engines.bodies.mhr.assets import pull  # noqa: E402
from workers.engines.bodies.mhr.lods import COUNTS, NATIVE  # noqa: E402

SDIST_SHA256 = "53eb3c2f58b3207ac55d979ca9e71f919b5a6b3c04a1704501a91549c451867e"
MEMBER = "mhr-1.0.1/tools/mhr_LOD_conversion/lod1_to_lod{lod}_mapping.npz"
TRIANGLES = 36874


def mappings(sdist: Path) -> None:
    """Write `models/mhr_lod{n}.npz` and their lines in the manifest."""
    if file_sha256(sdist) != SDIST_SHA256:
        raise SystemExit(f"{sdist} is not the source distribution of mhr 1.0.1")
    with tarfile.open(sdist) as archive:
        for lod in range(len(COUNTS)):
            if lod == NATIVE:
                continue
            member = archive.extractfile(MEMBER.format(lod=lod))
            assert member is not None
            data = member.read()
            with np.load(io.BytesIO(data), allow_pickle=False) as source:
                triangles, weights = source["triangle_ids"], source["baryc_coords"]
            assert triangles.shape == (COUNTS[lod],) and weights.shape == (COUNTS[lod], 3)
            assert triangles.min() >= 0 and triangles.max() < TRIANGLES
            assert np.abs(weights.sum(axis=1) - 1).max() < 1e-12 and weights.min() > -1e-9
            target = ROOT / "models" / f"mhr_lod{lod}.npz"
            np.savez_compressed(
                target, triangles=triangles.astype(np.uint16), weights=weights[:, :2].astype(np.float32)
            )
            record(
                target,
                source=f"PyPI mhr 1.0.1 (sdist), {MEMBER.format(lod=lod).partition('/')[2]}",
                source_sha256=hashlib.sha256(data).hexdigest(),
                licence="Apache-2.0",
                script="scripts/models/mhr_assets.py",
            )


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    fetch = verbs.add_parser("pull")
    fetch.add_argument("destination", type=Path)
    fetch.add_argument("--source")
    make = verbs.add_parser("mappings")
    make.add_argument("sdist", type=Path)
    chosen = parser.parse_args()
    if chosen.verb == "pull":
        for name, sha256 in pull(chosen.destination, chosen.source).items():
            print(f"{sha256}  {chosen.destination / name}")
    else:
        mappings(chosen.sdist)


if __name__ == "__main__":
    main()

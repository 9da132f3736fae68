"""Judges how motions of bodies are smoothed, on tracks whose truth is known, and what that costs.

    python -m bench run bodies.motion [--frames 150]

Noise is Gaussian on every joint's rotation, in degrees; a share of rotations is off by about a radian; the
distance is off by 3%. Errors are means: degrees of rotation, mm of the root, m/s² of acceleration against the
truth.
"""

import argparse
import time

import numpy as np

from tests.support.synthetic_bodies import Walk, walk
from workers.bodies.animation import TO_FILE, motion_bvh, motion_glb
from workers.bodies.motion import Motion, build
from workers.bodies.smoothing import angle_between

CASES = ((30, 1, 0.0), (30, 3, 0.0), (30, 8, 0.0), (30, 3, 0.05), (30, 8, 0.1), (12, 3, 0.0), (12, 8, 0.1))


def errors(motion: Motion, clean: Walk, true: np.ndarray, rate: float) -> tuple[float, float, float]:
    """Mean errors: rotation in degrees, root in mm, acceleration of the joints in m/s²."""
    return (
        float(np.degrees(angle_between(motion.rotations, clean.rotations).mean())),
        float(np.linalg.norm(motion.positions - clean.positions, axis=1).mean() * 1e3),
        float(np.linalg.norm(np.diff(motion.joints() - true, 2, axis=0), axis=-1).mean() * rate**2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    frames = parser.parse_args().frames
    heads = ("rate", "noise", "lone", "rot raw", "rot", "root raw", "root", "acc raw", "acc", "ms/frame")
    print("".join(f"{head:>10}" for head in heads))
    for rate, degrees, lone in CASES:
        clean = walk(frames, rate)
        true = build(clean.rig, clean.seen, clean.seconds, smoothing=False).joints()
        made = walk(frames, rate, noise=np.radians(degrees), lone=lone, distance_noise=0.03)
        raw = build(made.rig, made.seen, made.seconds, smoothing=False)
        began = time.process_time()
        smooth = build(made.rig, made.seen, made.seconds)
        spent = (time.process_time() - began) * 1e3 / frames

        both = [errors(motion, clean, true, rate) for motion in (raw, smooth)]
        pairs = [value for pair in zip(*both, strict=True) for value in pair]
        print(f"{rate:10d}{degrees:9d}°{lone:10.2f}" + "".join(f"{v:10.1f}" for v in (*pairs, spent)))
    began = time.process_time()
    glb = motion_glb(smooth, "track", {}, TO_FILE["-y"])
    middle = time.process_time()
    bvh = motion_bvh(smooth, smooth.spans[0], TO_FILE["-y"])
    after = time.process_time()
    print(f"GLB {(middle - began) * 1e3 / frames:.2f} ms/frame, {len(glb) / frames / 1e3:.1f} kB/frame")
    print(f"BVH {(after - middle) * 1e3 / frames:.2f} ms/frame, {len(bvh) / frames / 1e3:.1f} kB/frame")


if __name__ == "__main__":
    main()

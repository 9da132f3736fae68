"""Hands of the default bodies engine: drawn open, relaxed and as fists, from many sides.

    python -m bench run bodies.hands [--count 30] [--seed 900] [--noise 0.15]

Each hand is drawn at a random turn and tilt; wrist and knuckles, from which the region comes, are off by
Gaussian noise, a share of the distance between them. Rows are what is drawn, columns what is read, as shares.
"""

import argparse

import numpy as np

from bench.report import Report
from bench.timing import Stopwatch
from tests.support.drawn_hands import draw_hand, make_pose
from workers.engines.bodies.hands import BODY_LANDMARKS, HandReader, name_hand

# Radians by which each joint of the fingers bends, from and to; and of turns and tilts of the hand.
DRAWN = {"open": (0.0, 0.05), "relaxed": (0.25, 0.65), "fist": (0.95, 1.3)}
TURN, TILT = 2.6, 0.5
READ = ("open", "relaxed", "fist", None)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=30, help="hands per row")
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--noise", type=float, default=0.15)


def run(options: argparse.Namespace, report: Report) -> None:
    reader, spent = HandReader(1), 0.0
    columns = {str(state or "not read"): ".2f" for state in READ}
    table = report.table("Hands", {"drawn": "", "n": "", **columns})
    for state, curls in DRAWN.items():
        rng = np.random.default_rng([options.seed, len(state)])
        read = []
        for _ in range(options.count):
            turn, tilt = rng.uniform(-TURN, TURN), rng.uniform(-TILT, TILT)
            image, pose = draw_hand(float(rng.uniform(*curls)), float(turn), float(tilt))
            wrist, pinky, index, _ = BODY_LANDMARKS[0]
            places = pose.pixels[[wrist, pinky, index]]
            length = float(np.linalg.norm(places[1:].mean(axis=0) - places[0]))
            pixels = pose.pixels.copy()
            pixels[[wrist, pinky, index]] = places + options.noise * length * rng.normal(size=(3, 2))
            watch = Stopwatch()
            hand, _ = reader.read_hands(image, make_pose(pixels))
            spent += watch.lap().cpu
            read.append(None if hand is None else name_hand(hand.find_curls()))
        table.add(state, len(read), *(read.count(column) / len(read) for column in READ))
    report.add({"CPU ms per hand": 1e3 * spent / (len(DRAWN) * options.count)})

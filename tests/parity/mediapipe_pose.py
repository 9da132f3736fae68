"""Run MediaPipe's own pose solution on images; called with an interpreter that has mediapipe 0.10.21.

    python mediapipe_pose.py IMAGES.npz REPEATS

Prints JSON: landmarks (33, 4: x, y in pixels, z, visibility) and world landmarks (33, 3) of each image, and
the CPU seconds that each of the repeats took.
"""

import json
import sys
import time

import mediapipe
import numpy as np


def main() -> None:
    images, repeats = np.load(sys.argv[1]), int(sys.argv[2])
    out = []
    for name in images.files:
        image = images[name]
        height, width = image.shape[:2]
        # one image, not a video: nothing is smoothed, and the detector runs each time
        pose = mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1)
        actual = pose.process(image)
        seconds = []
        for _ in range(repeats):
            began = time.process_time()
            pose.process(image)
            seconds.append(time.process_time() - began)
        seen = actual.pose_landmarks and [
            [p.x * width, p.y * height, p.z * width, p.visibility] for p in actual.pose_landmarks.landmark
        ]
        world = actual.pose_world_landmarks and [
            [p.x, p.y, p.z] for p in actual.pose_world_landmarks.landmark
        ]
        out.append({"landmarks": seen, "world": world, "seconds": seconds})
    print(json.dumps(out))  # noqa: T201


main()

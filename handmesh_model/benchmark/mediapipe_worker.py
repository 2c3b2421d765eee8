"""
Shows frames from standard input to MediaPipe Hands, for :mod:`handmesh_model.benchmark.peer`.

Imports nothing of this project: the interpreter that has MediaPipe need not have PyTorch. A frame
is a line of JSON with height and width, then its RGB bytes; the answer is a line of JSON.
"""

import json
import os
import sys
import time

import mediapipe
import numpy as np


def main() -> None:
    """Serve until standard input ends."""
    # MediaPipe's libraries write to the standard output too.
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    frames = sys.stdin.buffer
    hands = mediapipe.solutions.hands.Hands(
        static_image_mode=False, max_num_hands=int(sys.argv[1])
    )
    print(json.dumps({'version': mediapipe.__version__}), file=answers, flush=True)
    while line := frames.readline():
        head = json.loads(line)
        shape = head['height'], head['width'], 3
        pixels = np.frombuffer(frames.read(int(np.prod(shape))), dtype=np.uint8).reshape(shape)
        wall, cpu = time.perf_counter(), time.process_time()
        found = hands.process(pixels)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        count = len(found.multi_hand_landmarks or ())
        answer = {'wall_ms': 1000 * wall, 'cpu_ms': 1000 * cpu, 'hands': count}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    main()

"""Hands followed through the clip, stage by stage; beside MediaPipe where it is at hand."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handmesh_model.benchmark.frames import (
    RATE,
    SIZES,
    clip_frames,
    clip_intrinsics,
    there_and_back,
)
from handmesh_model.benchmark.timing import spread
from handmesh_model.hand import TrackState

if TYPE_CHECKING:
    from handmesh_model.benchmark.peer import Answer, Peer
    from handmesh_model.predictor import HandMeshPredictor

WARMUP = 5
"""Frames that do not count: the detector is loaded, caches fill."""


def measure_tracking(
    predictor: HandMeshPredictor,
    frame_count: int,
    size: tuple[int, int] = SIZES[0],
    peer: Peer | None = None,
) -> dict[str, Any]:
    """
    Follow hands through the clip at its own rate, as the node does.

    :param frame_count: frames that count.
    :param peer: another tracker, shown each frame right after ours.
    :returns: milliseconds of a 'frame' and of each stage in it (0 where a stage did not run), the
        share of detection in the whole, the shares of frames with a hand; the same of the peer.
    """
    from handmesh_model.tracker import HandTracker

    intrinsics = clip_intrinsics(*size)
    frames = clip_frames(*size, WARMUP + frame_count)
    tracker = HandTracker(predictor)
    rows: list[dict[str, float]] = []
    answers: list[Answer] = []
    cpu: list[float] = []
    seen = 0
    for number in range(WARMUP + frame_count):
        rgb = frames[there_and_back(len(frames), number)]
        start, cpu_start = time.perf_counter(), time.process_time()
        hands = tracker.update(rgb, number / RATE, intrinsics)
        row = {'frame': time.perf_counter() - start, **predictor.stopwatch.seconds}
        spent = 1000 * (time.process_time() - cpu_start)
        answer = peer.show(rgb) if peer is not None else None
        if number < WARMUP:
            continue
        rows.append(row)
        cpu.append(spent)
        seen += any(hand.state is TrackState.TRACKED for hand in hands)
        if answer is not None:
            answers.append(answer)
    found_share = round(seen / len(rows), 4)
    report = {**_by_stage(rows), 'cpu_ms': spread(cpu), 'found_share': found_share}
    if answers:
        report['mediapipe'] = _beside(rows, answers)
    return report


def _by_stage(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    times: dict[str, list[float]] = defaultdict(list)
    names = dict.fromkeys(name for row in rows for name in row)
    for row in rows:
        for name in names:
            times[name].append(1000 * row.get(name, 0.0))
    share = sum(times.get('detect', ())) / sum(times['frame'])
    stages = {name: spread(values) for name, values in times.items()}
    return {'stages_ms': stages, 'detection_share': round(share, 4)}


def _beside(rows: Sequence[dict[str, float]], answers: Sequence[Answer]) -> dict[str, Any]:
    ours = [1000 * row['frame'] for row in rows]
    theirs = [answer.wall_ms for answer in answers]
    return {
        'frame_ms': spread(theirs),
        'cpu_ms': spread([answer.cpu_ms for answer in answers]),
        'found_share': round(sum(answer.hands > 0 for answer in answers) / len(answers), 4),
        # Median over frames, each of ours against the peer's on the same one.
        'times_faster_than_mediapipe': round(float(np.median(np.divide(theirs, ours))), 3),
    }

"""How much hands jitter at rest, and how far smoothing and prediction are off when they move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handmesh_model.benchmark.frames import (
    RATE,
    SIZES,
    clip_frames,
    clip_intrinsics,
    there_and_back,
)
from handmesh_model.hand import TrackState
from handmesh_model.smoothing import HandSmoother, SmoothingSettings

if TYPE_CHECKING:
    from handmesh_model.predictor import HandMeshPredictor

SENSOR_NOISE = 3.0
"""Standard deviation of a pixel's grey level from frame to frame: a camera in a room."""
LEADS = (1 / RATE, 2 / RATE, 3 / RATE)
"""Seconds that are predicted."""
_SETTLING = 30
"""Frames of a track that do not count: the filter starts, sides are made up."""
_LONGEST_LAG = 0.3
_SHOTS = 5
"""Frames of the clip at which hands rest: how steady they are differs from pose to pose."""


class Follow(NamedTuple):
    """
    One track over time, joints in metres.

    :param stamps: (T,) seconds.
    :param raw: (T, 21, 3) as measured.
    :param smooth: (T, 21, 3).
    :param ahead: (len(LEADS), T, 21, 3) smooth and predicted.
    """

    stamps: np.ndarray
    raw: np.ndarray
    smooth: np.ndarray
    ahead: np.ndarray


def measure_steadiness(
    predictor: HandMeshPredictor,
    frame_count: int,
    size: tuple[int, int] = SIZES[0],
    settings: SmoothingSettings | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """
    Jitter of hands at rest, then lag and prediction on moving hands, by the demo clip.

    Hands at rest are a few frames of the clip, each shown again and again with fresh noise of a
    sensor. Figures of moving hands compare with what is measured later, not with the truth: they
    tell what smoothing and prediction add, not how good the network is.

    :param frame_count: frames of the moving hands.
    :param settings: of the smoother; None takes the defaults.
    :returns: millimetres and milliseconds; see :func:`jitter` and :func:`motion`.
    """
    settings = settings or SmoothingSettings()
    frames = clip_frames(*size, frame_count)
    rng = np.random.default_rng(seed)
    moving = (frames[there_and_back(len(frames), i)] for i in range(frame_count))
    intrinsics = clip_intrinsics(*size)
    resting: list[Follow] = []
    for shot in range(_SHOTS):
        still = frames[(2 * shot + 1) * len(frames) // (2 * _SHOTS)]
        noisy = (_noisy(still, rng) for _ in range(3 * _SETTLING))
        resting += follow(predictor, noisy, intrinsics, settings)
    return {
        'sensor_noise': SENSOR_NOISE,
        'rest': jitter(resting),
        'motion': motion(follow(predictor, moving, intrinsics, settings)),
    }


def _noisy(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, SENSOR_NOISE, rgb.shape)
    return np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


def follow(
    predictor: HandMeshPredictor,
    frames: Iterable[np.ndarray],
    intrinsics: np.ndarray,
    settings: SmoothingSettings,
) -> list[Follow]:
    """Track hands through frames at the clip's rate; the tracks that last, without their start."""
    from handmesh_model.tracker import HandTracker

    tracker, smoother = HandTracker(predictor), HandSmoother(settings)
    rows: dict[int, list[tuple[float, list[np.ndarray]]]] = defaultdict(list)
    for i, rgb in enumerate(frames):
        stamp = i / RATE
        raw = tracker.update(rgb, stamp, intrinsics)
        versions = [raw, smoother.update(raw, stamp)]
        versions += [smoother.predict(stamp + lead) for lead in LEADS]
        for hands in zip(*versions, strict=True):
            if hands[0].state is TrackState.TRACKED:
                joints = [hand.joints_camera for hand in hands]
                rows[hands[0].track_id].append((stamp, joints))
    follows = []
    for track in rows.values():
        kept = track[_SETTLING:]
        if len(kept) >= _SETTLING:
            series = np.array([joints for _, joints in kept]).swapaxes(0, 1)
            stamps = np.array([stamp for stamp, _ in kept])
            follows.append(Follow(stamps, series[0], series[1], series[2:]))
    return follows


def jitter(follows: list[Follow]) -> dict[str, Any]:
    """
    Root mean square distance of joints from their mean place, millimetres, over all tracks.

    :returns: 'hands', and for 'raw', 'smooth' and each lead: 'all', 'lateral' (x, y), 'depth' (z).
    """
    report: dict[str, Any] = {'hands': len(follows)}
    if not follows:
        return report

    def spread(series: list[np.ndarray]) -> dict[str, float]:
        parts = [(joints - joints.mean(axis=0)).reshape(-1, 3) for joints in series]
        variance = np.mean(np.concatenate(parts) ** 2, axis=0)
        return {
            'all_mm': _millimetres(variance.sum()),
            'lateral_mm': _millimetres(variance[:2].sum()),
            'depth_mm': _millimetres(variance[2]),
        }

    report['raw'] = spread([f.raw for f in follows])
    report['smooth'] = spread([f.smooth for f in follows])
    for i, lead in enumerate(LEADS):
        report[_name(lead)] = spread([f.ahead[i] for f in follows])
    return report


def motion(follows: list[Follow]) -> dict[str, Any]:
    """
    What smoothing and prediction do to moving joints.

    :returns: 'hands'; 'speed' m/s; 'lag_ms', the shift in time by which smooth joints fit the raw
        ones best; for each lead the RMS distance in mm between what is said for a time and what
        is then measured: of the raw joints left as they are, and of the predicted ones.
    """
    report: dict[str, Any] = {'hands': len(follows)}
    if not follows:
        return report
    paths = np.concatenate([np.diff(f.smooth, axis=0).reshape(-1, 3) for f in follows])
    report['speed'] = round(float(np.linalg.norm(paths, axis=1).mean() * RATE), 3)
    report['lag_ms'] = round(1000 * lag(follows), 1)
    for i, lead in enumerate(LEADS):
        left, predicted = [], []
        for f in follows:
            later, known = _at(f.stamps, f.raw, f.stamps + lead)
            left.append((f.raw - later)[known])
            predicted.append((f.ahead[i] - later)[known])
        report[_name(lead)] = {
            'left_mm': _rms(np.concatenate(left)),
            'predicted_mm': _rms(np.concatenate(predicted)),
        }
    return report


def lag(follows: list[Follow]) -> float:
    """Seconds by which the smooth joints are behind the raw ones, to a millisecond."""
    best, least = 0.0, np.inf
    for shift in np.arange(0, _LONGEST_LAG, 0.001):
        errors = []
        for f in follows:
            earlier, known = _at(f.stamps, f.raw, f.stamps - shift)
            errors.append((f.smooth - earlier)[known])
        error = _rms(np.concatenate(errors))
        if error < least:
            best, least = float(shift), error
    return best


def _at(
    stamps: np.ndarray, series: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The series between its stamps, (T, 21, 3), and which times lie within, (T,)."""
    flat = series.reshape(len(series), -1)
    columns = [np.interp(times, stamps, column) for column in flat.T]
    known = (times >= stamps[0]) & (times <= stamps[-1])
    return np.stack(columns, axis=1).reshape(len(times), *series.shape[1:]), known


def _name(lead: float) -> str:
    return f'predicted_{1000 * lead:.0f}_ms'


def _rms(vectors: np.ndarray) -> float:
    return _millimetres((vectors**2).sum(axis=-1).mean())


def _millimetres(variance: float) -> float:
    return round(1000 * float(np.sqrt(variance)), 2)

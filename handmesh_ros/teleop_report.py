"""Figures and a plot of a run of the teleoperation demo, held to the clip's true angles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.synthesis.clip import FRAME_RATE
from handmesh_model.synthesis.clip_truth import load_clip_truth
from handmesh_model.teleop.joint_angles import IN_HAND_MODEL, TELEOP_ANGLES
from handmesh_model.teleop.simulated_picture import draw_robot
from handmesh_model.teleop.simulated_robot import SimulatedRobot
from handmesh_ros.film import Film
from handmesh_ros.processes import RunError
from handmesh_ros.record import frames_by_stamp, read_frames_file
from handmesh_ros.robot_record import SIZE, side_by_side

_SHOWN = ('thumb_cmc_flexion', 'index_mcp_flexion', 'index_pip_flexion', 'pinky_mcp_abduction')
_SETTLING = 15
"""Frames at the start in which the robot still comes from where it was."""


def make_report(
    mode: str, out: Path, frames_file: Path, clip: Path, watchdog: float
) -> dict[str, Any]:
    """
    Figures of a run, the plot angles.png, the film robot.mp4 and contact_sheet.png.

    :param mode: whose hands were followed: 'truth' or 'network'.
    :param out: holds robot.npz.
    :param frames_file: as folder_camera writes it.
    :param clip: with its truth beside it.
    :param watchdog: seconds that the watchdog had.
    """
    frames = frames_by_stamp(read_frames_file(frames_file))
    truth = _true_angles(clip)
    with np.load(out / 'robot.npz', allow_pickle=False) as data:
        run = {name: data[name] for name in data.files}
    if not len(run.get('stamps', ())):
        raise RunError('the robot saw no image')
    seen = _rows(run['angle_stamps'], run['angles'], frames, len(truth))
    told = _rows(run['stamps'], run['told'], frames, len(truth))
    reached = _rows(run['stamps'], run['reached'], frames, len(truth))
    _plot(out / 'angles.png', truth, seen, told, reached, mode)
    _make_film(out, run)
    return {
        'hands': mode,
        'frames': len(truth),
        'frames_followed': int(np.isfinite(seen[:, 0]).sum()),
        'mean_error_degrees': {
            'seen': _error(seen, truth),
            'told': _error(told[_SETTLING:], truth[_SETTLING:]),
            'reached': _error(reached[_SETTLING:], truth[_SETTLING:]),
        },
        'mean_error_degrees_by_angle': {
            name: _error(seen[:, [i]], truth[:, [i]]) for i, name in enumerate(TELEOP_ANGLES)
        },
        'gripper_lag_mm': round(1000 * _mean(np.abs(run['width'] - run['width_told'])), 2),
        'block_held_share': round(_mean(run['holds'].astype(float)), 3),
        'modes': [('SAFE', 'PAUSED', 'ENGAGED')[mode] for mode in run['modes']],
        'safe_after_ms': round(1000 * float(run['safe_after']), 1),
        'watchdog_ms': 1000 * watchdog,
    }


def _true_angles(clip: Path) -> np.ndarray:
    """(F, 20) radians of the right hand; NaN where it is not seen."""
    frames = load_clip_truth(clip)
    angles = np.full((len(frames), len(TELEOP_ANGLES)), np.nan)
    for row, hands in zip(angles, frames, strict=True):
        for true in hands:
            if true.hand.side == 'right':
                row[:] = true.angles[IN_HAND_MODEL]
    return angles


def _rows(
    stamps: np.ndarray, values: np.ndarray, frames: dict[int, int], count: int
) -> np.ndarray:
    """(F, 20) values by frame; NaN where there are none."""
    rows = np.full((count, len(TELEOP_ANGLES)), np.nan)
    for stamp, value in zip(stamps.tolist(), values, strict=True):
        if stamp in frames:
            rows[frames[stamp]] = value
    return rows


def _error(angles: np.ndarray, truth: np.ndarray) -> float:
    return round(float(np.degrees(_mean(np.abs(angles - truth)))), 2)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float('nan')


def _make_film(out: Path, run: dict[str, np.ndarray]) -> None:
    """The robot drawn again from where its joints were, beside what the camera saw."""
    robot = SimulatedRobot()
    film = Film(out / 'robot.mp4', FRAME_RATE)
    ends = np.cumsum(run['jpeg_sizes'])
    names = ('joints_image', 'mode', 'grasp', 'confidence', 'opening')
    for i, end in enumerate(ends):
        jpeg = run['jpegs'][end - run['jpeg_sizes'][i] : end]
        bgr = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert bgr is not None  # written by robot_sim
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        robot.show(run['qpos'][i])
        picture = draw_robot(
            robot.model, robot.data, run['world_from_camera'], run['intrinsics'], SIZE
        )
        film.add(side_by_side(rgb, picture, {name: run[name][i] for name in names}))
    film.close()
    film.write_sheet(out / 'contact_sheet.png')


def _plot(
    path: Path,
    truth: np.ndarray,
    seen: np.ndarray,
    told: np.ndarray,
    reached: np.ndarray,
    mode: str,
) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    lines = {
        "the person's (truth)": (truth, {'color': '0.55', 'linewidth': 4, 'alpha': 0.6}),
        f'seen ({mode})': (seen, {'color': 'tab:blue', 'linewidth': 1}),
        'commanded': (told, {'color': 'tab:orange', 'linewidth': 1.2}),
        'robot': (reached, {'color': 'tab:green', 'linewidth': 1.2}),
    }
    figure, axes = pyplot.subplots(len(_SHOWN), 1, figsize=(9, 8), sharex=True)
    for axis, name in zip(axes, _SHOWN, strict=True):
        column = TELEOP_ANGLES.index(name)
        for label, (values, style) in lines.items():
            axis.plot(np.degrees(values[:, column]), label=label, **style)
        axis.set_ylabel(f'{name}\ndegrees', fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].legend(ncol=4, fontsize=8, loc='lower center', bbox_to_anchor=(0.5, 1.0))
    axes[-1].set_xlabel('frame of the clip')
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)

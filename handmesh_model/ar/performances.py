"""
Hands that act for the AR scenes: what they do in each frame is known exactly.

Each performance is a list of frames, each frame a list of hands placed in the camera frame. The
pinch closes its fingers to a wanted gap, the push stops at a wanted place, the finger presses to a
wanted depth, so that what virtual things have to do is known too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from handmesh_model.ar.buttons import TIP_RADIUS
from handmesh_model.ar.panels import Panel, walkie_talkie_panel
from handmesh_model.ar.stage import Stage, cube_stage, pour_stage
from handmesh_model.joints import JOINT_NAMES
from handmesh_model.synthesis.geometry import quaternion_from_rotation, rotation_about, slerp
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.placement import MIRROR, PlacedHand, place_fitted
from handmesh_model.synthesis.poses import GESTURES, clip_to_limits
from handmesh_model.synthesis.viewpoints import looking
from handmesh_model.wrist import wrist_frame

RATE = 30.0
"""Frames a second."""
_THUMB_TIP, _INDEX_TIP = JOINT_NAMES.index('thumb_tip'), JOINT_NAMES.index('index_tip')
_SQUEEZE = 0.003
"""Metres by which the pinch closes beyond the cube's side: how hard it is held."""
_PAD = 0.0065
"""Metres from a fingertip's joint to the skin that pinches."""
Frames = list[list[PlacedHand]]


@dataclass(frozen=True, eq=False)
class Performance:
    """
    What is filmed.

    :param frames: hands of each frame, the same number in all of them.
    :param sides: of each hand.
    """

    name: str
    frames: Frames
    sides: tuple[str, ...]


class _Path:
    """
    Values at times, held and eased in between.

    :param keys: (seconds, value) in order of time; values are numbers or arrays.
    """

    def __init__(self, *keys: tuple[float, object]) -> None:
        self._times = [time for time, _ in keys]
        self._values = [np.asarray(value, dtype=np.float64) for _, value in keys]

    def __call__(self, time: float) -> np.ndarray:
        after = int(np.searchsorted(self._times, time, side='right'))
        if after == 0:
            return self._values[0]
        if after == len(self._times):
            return self._values[-1]
        start, end = self._times[after - 1], self._times[after]
        share = (time - start) / (end - start)
        eased = share * share * (3 - 2 * share)
        return (1 - eased) * self._values[after - 1] + eased * self._values[after]


def _anchored(
    model: HandModel,
    angles: np.ndarray,
    rotation: np.ndarray,
    anchor: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
) -> PlacedHand:
    """
    A hand turned a given way, with a point of it at a place.

    :param rotation: (3, 3) camera from wrist; of determinant -1 for a left hand.
    :param anchor: the point in the wrist frame, of the posed joints (21, 3).
    :param target: (3,) where it shall be, camera frame.
    """
    shape = np.zeros(model.shape_count)
    posed = model.pose(angles, shape)
    shift = target - rotation @ anchor(posed.joints.astype(np.float64))
    return place_fitted(model, angles, shape, np.column_stack([rotation, shift]))


def _frames(seconds: float, act: Callable[[float], list[PlacedHand]]) -> Frames:
    return [act(number / RATE) for number in range(round(seconds * RATE))]


# A pinch of a wanted width


def _between_tips(joints: np.ndarray) -> np.ndarray:
    return (joints[_THUMB_TIP] + joints[_INDEX_TIP]) / 2


@lru_cache(maxsize=1)
def _pinch_table() -> tuple[np.ndarray, np.ndarray]:
    """Gaps between the pads of thumb and index finger, falling, and the shares of closing."""
    model = HandModel.load()
    shares = np.linspace(0, 1, 101)
    gaps = []
    for share in shares:
        joints = model.posed_joints(_pinch_angles(float(share)))
        gaps.append(np.linalg.norm(joints[_THUMB_TIP] - joints[_INDEX_TIP]) - 2 * _PAD)
    return np.array(gaps), shares


def _pinch_angles(share: float) -> np.ndarray:
    angles = (1 - share) * GESTURES['pinch_open'] + share * GESTURES['pinch']
    # The other fingers stay out of the way.
    angles[13:] = GESTURES['ok'][13:] * 0.6 + GESTURES['loose_fist'][13:] * 0.4
    return clip_to_limits(angles)


def pinch_angles(gap: float) -> np.ndarray:
    """
    Joint angles of a pinch.

    :param gap: metres between the pads of thumb and index finger.
    :returns: (25,) radians.
    """
    gaps, shares = _pinch_table()
    order = np.argsort(gaps)
    return _pinch_angles(float(np.interp(gap, gaps[order], shares[order])))


def _pinch_rotation(model: HandModel, stage: Stage, gap: float) -> np.ndarray:
    """Camera from wrist: from the right and above, the thumb nearer, the index finger behind."""
    joints = model.posed_joints(pinch_angles(gap)).astype(np.float64)
    across = joints[_INDEX_TIP] - joints[_THUMB_TIP]
    across /= np.linalg.norm(across)
    along = _between_tips(joints)
    along -= along @ across * across
    along /= np.linalg.norm(along)
    in_wrist = np.column_stack([across, along, np.cross(across, along)])
    away = np.array([1.0, 0.0, 0.0])
    reach = np.array([0.0, np.cos(0.75), -np.sin(0.75)])
    in_stage = np.column_stack([away, reach, np.cross(away, reach)])
    return stage.axes @ in_stage @ in_wrist.T


def pinch() -> Performance:
    """A cube is pinched, lifted, carried to the left, and dropped from 8 cm."""
    model, stage = HandModel.load(), cube_stage()
    side = stage.things[0].size[0]
    closed, opened = side - 2 * _SQUEEZE, 0.055
    rotation = _pinch_rotation(model, stage, closed)
    grasp = (0.0, 0.0, 0.6 * side)
    gap = _Path((0, opened), (1.1, opened), (1.6, closed), (3.6, closed), (3.8, opened))
    place = _Path(
        (0, (0.0, -0.06, 0.15)), (1.0, grasp), (1.7, grasp), (2.5, (0, 0, 0.12)),
        (3.3, (0, 0.1, 0.095)), (3.8, (0, 0.1, 0.095)), (4.6, (0.0, 0.05, 0.17)),
    )  # fmt: skip

    def act(time: float) -> list[PlacedHand]:
        target = stage.point(place(time))
        return [_anchored(model, pinch_angles(float(gap(time))), rotation, _between_tips, target)]

    return Performance('pinch', _frames(4.8, act), ('right',))


PUSHED_TO = 0.06
"""Metres to the left at which the push ends: where the cube's right side is then."""


def push() -> Performance:
    """A flat hand, thumb up, pushes the cube to the left and is taken back."""
    model, stage = HandModel.load(), cube_stage()
    fingers, back = stage.axes @ (1, 0, 0.0), stage.axes @ (0, -1, 0.0)
    rotation = looking(tuple(fingers), tuple(back))
    angles = GESTURES['flat']
    palm = _finger_front(model, angles)
    place = _Path(
        (0, (0.0, -0.12, 0.02)), (0.5, (0.0, -0.08, 0.02)), (2.3, (0.0, PUSHED_TO, 0.02)),
        (2.6, (0.0, PUSHED_TO, 0.02)), (3.4, (-0.02, -0.08, 0.06)),
    )  # fmt: skip

    def act(time: float) -> list[PlacedHand]:
        return [_anchored(model, angles, rotation, palm, stage.point(place(time)))]

    return Performance('push', _frames(3.6, act), ('right',))


def _finger_front(model: HandModel, angles: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The skin before the middle and ring finger's middle joints, in the wrist frame."""
    posed = model.pose(angles, np.zeros(model.shape_count))
    middle = (posed.joints[10] + posed.joints[14]) / 2
    near = np.linalg.norm(posed.mesh[:, :2] - middle[:2], axis=1) < 0.02
    front = np.array([middle[0], middle[1], posed.mesh[near, 2].min()], dtype=np.float64)
    return lambda joints: front


def pour() -> Performance:
    """A cupped hand, palm up, is held under a stream and tilted until it runs off."""
    model, stage = HandModel.load(), pour_stage()
    fingers = stage.axes @ (1, 0.25, 0.0)
    level = looking(tuple(fingers), tuple(-stage.axes[:, 2]))
    place = _Path(
        (0, (0.0, -0.14, 0.1)), (0.8, (0, 0, 0.11)), (2.4, (0, 0, 0.11)), (3.2, (0, 0.02, 0.12)),
        (4.2, (0, 0.03, 0.12)),
    )  # fmt: skip
    tilt = _Path((0, 0.0), (2.4, 0.0), (3.6, 1.0))
    cup = _Path((0, 0.0), (0.8, 0.0), (1.3, 1.0), (2.2, 1.0), (2.8, 0.0))

    def palm(joints: np.ndarray) -> np.ndarray:
        return joints[[0, 9, 11]].mean(axis=0)

    def act(time: float) -> list[PlacedHand]:
        share = float(cup(time))
        angles = (1 - share) * GESTURES['flat'] + share * GESTURES['sphere']
        rotation = rotation_about(fingers, float(tilt(time))) @ level
        return [_anchored(model, clip_to_limits(angles), rotation, palm, stage.point(place(time)))]

    return Performance('pour', _frames(4.2, act), ('right',))


def wave() -> Performance:
    """A hand turns and closes among things that hang before and behind it."""
    model = HandModel.load()
    views = [
        looking((0, -1, 0), (0.0, 0, 1)), looking((0.2, -1, 0.1), (0.8, 0, 0.6)),
        looking((-0.2, -1, -0.2), (-0.5, 0, 0.9)), looking((0.3, -1, 0.0), (0.1, 0.2, 1)),
    ]  # fmt: skip
    quaternions = [quaternion_from_rotation(view) for view in views]
    gestures = _Path(
        (0, GESTURES['spread']), (1.2, GESTURES['open']), (2.0, GESTURES['sphere']),
        (3.0, GESTURES['medium_wrap']), (4.0, GESTURES['spread']),
    )  # fmt: skip
    turn = _Path((0, 0.0), (1.3, 1.0), (2.6, 2.0), (4.0, 3.0))
    place = _Path((0, (0.07, 0.03, 0.48)), (1.5, (-0.03, 0.03, 0.42)), (4.0, (0.02, 0.01, 0.46)))

    def middle(joints: np.ndarray) -> np.ndarray:
        return joints[9]

    def act(time: float) -> list[PlacedHand]:
        key = float(turn(time))
        first = min(int(key), len(views) - 2)
        rotation = slerp(quaternions[first], quaternions[first + 1], key - first)
        angles = clip_to_limits(gestures(time))
        return [_anchored(model, angles, rotation, middle, place(time))]

    return Performance('wave', _frames(4.2, act), ('right',))


PRESSES = ('talk', 'channel_down', 'channel_up', 'talk')
"""The buttons that :func:`press` presses, in order."""
_PRESS_SECONDS = 1.05


def press() -> Performance:
    """The left hand holds a radio, the right index finger presses its buttons one by one."""
    model, panel = HandModel.load(), walkie_talkie_panel()
    # In a mirror, the view of a right hand is that of a left one.
    left_rotation = looking((0.15, -1.0, 0.12), (0.15, 0.1, 1.0)) @ MIRROR
    grip = clip_to_limits(0.75 * GESTURES['wide_wrap'] + 0.25 * GESTURES['flat'])
    tips = _press_path(panel)
    seconds = _PRESS_SECONDS * len(PRESSES) + 0.8

    def wrist(joints: np.ndarray) -> np.ndarray:
        return joints[0]

    def tip(joints: np.ndarray) -> np.ndarray:
        return joints[_INDEX_TIP]

    def act(time: float) -> list[PlacedHand]:
        sway = 0.006 * np.array([np.sin(2.1 * time), np.cos(1.7 * time), np.sin(1.3 * time)])
        held = _anchored(model, grip, left_rotation, wrist, np.array([-0.05, 0.09, 0.36]) + sway)
        camera_from_panel = panel_in_camera(panel, held.joints_camera, 'left')
        target = camera_from_panel[:3, :3] @ tips(time) + camera_from_panel[:3, 3]
        pointing = camera_from_panel[:3, :3] @ np.array([-0.8, 0.3, -0.5])
        back = camera_from_panel[:3, :3] @ np.array([0.1, 0.6, 0.8])
        rotation = looking(tuple(pointing), tuple(back))
        return [held, _anchored(model, GESTURES['point'], rotation, tip, target)]

    return Performance('press', _frames(seconds, act), ('left', 'right'))


def panel_in_camera(panel: Panel, joints_camera: np.ndarray, side: str) -> np.ndarray:
    """
    Where a panel that hangs on a hand is.

    :param joints_camera: (21, 3) metres, of that hand.
    :returns: (4, 4) camera from panel.
    """
    assert side in ('left', 'right')
    joints = np.asarray(joints_camera, dtype=np.float64)
    return wrist_frame(joints, 'left' if side == 'left' else 'right') @ panel.pose


def _press_path(panel: Panel) -> _Path:
    """The fingertip's joint in the panel's frame: over a button, into it, and out again."""
    centers = {button.name: button.center for button in panel.buttons}
    keys: list[tuple[float, object]] = [(0.0, (0.05, -0.06, 0.06))]
    deep = panel.travel - panel.press_depth - 0.001 + TIP_RADIUS
    for number, name in enumerate(PRESSES):
        x, y = centers[name]
        start = 0.6 + _PRESS_SECONDS * number
        keys += [
            (start, (x, y, 0.03)), (start + 0.3, (x, y, deep)), (start + 0.5, (x, y, deep)),
            (start + 0.75, (x, y, 0.03)),
        ]  # fmt: skip
    return _Path(*keys)


PERFORMANCES: dict[str, Callable[[], Performance]] = {
    'wave': wave,
    'pour': pour,
    'push': push,
    'pinch': pinch,
    'press': press,
}

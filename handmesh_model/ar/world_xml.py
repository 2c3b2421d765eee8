"""The world of a stage in MuJoCo's XML: bodies, in the order hands, things, balls."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from handmesh_model.ar.stage import GRAVITY, Stage, Stream, Thing
from handmesh_model.joints import BONES
from handmesh_model.rotations import about

MAX_HANDS = 2
HAND_BODIES = MAX_HANDS * len(BONES)
THING_STEP, STREAM_STEP = 0.0025, 0.004
"""Seconds a step: a grasp wants short ones, a stream of balls is content with longer ones."""
LARGEST = 0.03, 0.08
"""Radius and half length of a bone's capsule at most, metres: so large are MuJoCo's boxes."""
FAR = 50.0
"""Metres; where hands that are not seen and balls that are not poured yet wait, out of touch."""
_HAND, _THING, _BALL, _FLOOR = 1, 2, 4, 8
_FLOOR_THICKNESS = 0.02


def quaternions_wxyz(rotations: np.ndarray) -> np.ndarray:
    """(N, 4) unit quaternions of (N, 3, 3) rotations, w first as MuJoCo has them."""
    quaternions = np.empty((len(rotations), 4))
    for i, rotation in enumerate(rotations):
        mujoco.mju_mat2Quat(quaternions[i], np.ascontiguousarray(rotation).ravel())
    return quaternions


def world_xml(stage: Stage) -> str:
    """The world as MuJoCo's XML; no text of the user's goes in, only numbers."""
    gravity = -GRAVITY * stage.axes[:, 2]
    bodies = [
        _body(
            f'hand{i}',
            (FAR + i, FAR, FAR),
            f'type="capsule" size="{LARGEST[0]} {LARGEST[1]}" mass="20" condim="1" '
            f'contype="{_HAND}" conaffinity="0" friction="1 0.02 0.0001"',
        )
        for i in range(HAND_BODIES)
    ]
    bodies += [_thing_body(i, thing, stage) for i, thing in enumerate(stage.things)]
    if stage.stream is not None:
        bodies += [_ball_body(i, stage.stream) for i in range(stage.stream.count)]
    return f"""<mujoco>
<compiler angle="radian"/>
<option gravity="{_text(gravity)}" cone="elliptic" impratio="5" solver="Newton" iterations="30"
  timestep="{THING_STEP}"/>
<size memory="64M"/>
<default><geom solref="0.008 1" solimp="0.9 0.97 0.001"/></default>
<worldbody>{_floor(stage)}{''.join(bodies)}</worldbody>
</mujoco>"""


def _body(name: str, position: Sequence[float] | np.ndarray, geom: str, turn: str = '') -> str:
    gravity = '1' if name.startswith('hand') else '0'
    return (
        f'<body pos="{_text(position)}" {turn} gravcomp="{gravity}"><freejoint/>'
        f'<geom name="{name}" {geom}/></body>'
    )


def _thing_body(number: int, thing: Thing, stage: Stage) -> str:
    sizes = {
        'box': [side / 2 for side in thing.size],
        'sphere': list(thing.size),
        'cylinder': [thing.size[0], thing.size[-1] / 2],
    }
    geom = (
        f'type="{thing.shape}" size="{_text(sizes[thing.shape])}" mass="{_text([thing.mass])}" '
        f'friction="{_text([thing.friction])} 0.02 0.0001" condim="4" contype="{_THING}" '
        f'conaffinity="{_HAND | _THING | _BALL | _FLOOR}"'
    )
    quaternion = quaternions_wxyz((stage.axes @ about(2, thing.yaw))[None])[0]
    return _body(
        f'thing{number}', stage.point(thing.position), geom, f'quat="{_text(quaternion)}"'
    )


def _ball_body(number: int, stream: Stream) -> str:
    geom = (
        f'type="sphere" size="{_text([stream.radius])}" density="1000" condim="1" '
        f'contype="{_BALL}" conaffinity="{_HAND | _BALL | _FLOOR}"'
    )
    return _body(f'ball{number}', (-FAR, -FAR + number * 0.1, FAR), geom)


def _floor(stage: Stage) -> str:
    if stage.floor_radius <= 0:
        return ''
    half = _FLOOR_THICKNESS / 2
    middle = np.asarray(stage.floor) - half * stage.axes[:, 2]
    quaternion = quaternions_wxyz(stage.axes[None])[0]
    return (
        f'<geom name="floor" type="cylinder" size="{_text([stage.floor_radius, half])}" '
        f'pos="{_text(middle)}" quat="{_text(quaternion)}" condim="1" contype="{_FLOOR}" '
        f'conaffinity="{_THING | _BALL}" friction="0.8 0.01 0.0001"/>'
    )


def _text(numbers: Sequence[float] | np.ndarray) -> str:
    return ' '.join(repr(float(number)) for number in numbers)

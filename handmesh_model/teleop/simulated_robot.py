"""A robot hand with 20 joints on a floating wrist, and a gripper with a block, in MuJoCo."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np

from handmesh_model.joints import FINGERS, PINKY_KNUCKLE
from handmesh_model.rotations import about, quaternions_from_rotations
from handmesh_model.teleop.joint_angles import (
    HUMAN_LIMITS,
    TELEOP_ANGLES,
    THUMB_TWIST,
    zero_frames,
)
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

STROKE = 0.085
"""Metres between the fingers of the open gripper."""
BLOCK = 0.03
"""Metres, edge of the block between the gripper's fingers."""
GRIPPER_AT = (-0.16, 0.5, 0.36)
TIME_STEP = 0.002
_RADIUS = {'thumb': 0.0095, 'index': 0.008, 'middle': 0.008, 'ring': 0.0078, 'pinky': 0.007}
_COLORS = {
    'palm': '0.35 0.38 0.45 1',
    'thumb': '0.85 0.36 0.36 1',
    'index': '0.90 0.70 0.25 1',
    'middle': '0.36 0.78 0.44 1',
    'ring': '0.30 0.65 0.92 1',
    'pinky': '0.72 0.47 0.92 1',
    'gripper': '0.55 0.57 0.60 1',
    'block': '0.95 0.55 0.20 1',
}


class SimulatedRobot:
    """
    Takes what the teleoperation sends and moves as a machine does: with inertia and weak motors.

    The world's z points up. The hand's parts have the size of the open hand's, and its joints
    mean what the 20 angles mean; its wrist hangs on a spring at the target. The gripper stands
    beside it.
    """

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_string(_scene())
        self.data = mujoco.MjData(self.model)
        self._joints = np.array(
            [self.model.jnt_qposadr[self.model.joint(name).id] for name in TELEOP_ANGLES]
        )
        self._motors = np.array([self.model.actuator(name).id for name in TELEOP_ANGLES])
        self._jaws = [self.model.actuator(f'jaw_{i}').id for i in (0, 1)]
        self._jaw_places = [
            self.model.jnt_qposadr[self.model.joint(f'jaw_{i}').id] for i in (0, 1)
        ]
        self.open_gripper(STROKE)
        for place, sign in zip(self._jaw_places, (1, -1), strict=True):
            self.data.qpos[place] = sign * STROKE / 2
        mujoco.mj_forward(self.model, self.data)

    def move_wrist(self, target: np.ndarray) -> None:
        """Pull the wrist towards a (4, 4) pose in the world."""
        self.data.mocap_pos[0] = target[:3, 3]
        self.data.mocap_quat[0] = _quaternion(target[:3, :3])

    def jump_wrist(self, target: np.ndarray) -> None:
        """Be at a pose at once; for the start."""
        self.move_wrist(target)
        place = self.model.jnt_qposadr[self.model.joint('wrist').id]
        self.data.qpos[place : place + 3] = self.data.mocap_pos[0]
        self.data.qpos[place + 3 : place + 7] = self.data.mocap_quat[0]

    def bend(self, positions: np.ndarray) -> None:
        """Tell the motors (20,) joint positions, radians."""
        self.data.ctrl[self._motors] = positions

    def open_gripper(self, width: float) -> None:
        """Tell the gripper the metres between its fingers."""
        half = min(max(width, 0.0), STROKE) / 2
        self.data.ctrl[self._jaws] = half, -half

    def step(self, seconds: float) -> None:
        """Let time pass."""
        mujoco.mj_step(self.model, self.data, max(1, round(seconds / TIME_STEP)))

    def show(self, places: np.ndarray) -> None:
        """Be where the robot was when its ``data.qpos`` were these."""
        self.data.qpos[:] = places
        mujoco.mj_forward(self.model, self.data)

    @property
    def positions(self) -> np.ndarray:
        """(20,) where the joints are, radians."""
        return self.data.qpos[self._joints].copy()

    @property
    def gripper_width(self) -> float:
        """Metres between the gripper's fingers."""
        return float(self.data.qpos[self._jaw_places[0]] - self.data.qpos[self._jaw_places[1]])

    @property
    def holds_block(self) -> bool:
        """Whether both fingers of the gripper touch the block."""
        block = self.model.geom('block').id
        jaws = {self.model.geom(f'jaw_{i}').id for i in (0, 1)}
        touching = {
            int(other)
            for contact in self.data.contact
            for one, other in (contact.geom, contact.geom[::-1])
            if one == block
        }
        return jaws <= touching


def _text(numbers: np.ndarray | tuple[float, ...]) -> str:
    return quoteattr(' '.join(f'{value:.6g}' for value in numbers))


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """(4,) w, x, y, z, as MuJoCo has them."""
    return np.roll(quaternions_from_rotations(rotation), 1)


def _scene() -> str:
    motors = ''.join(
        f'<position name="{name}" joint="{name}" kp="4" kv="0.12" ctrlrange={_text(limits)}/>'
        for name, limits in zip(TELEOP_ANGLES, HUMAN_LIMITS, strict=True)
    )
    jaws = ''.join(
        f'<position name="jaw_{i}" joint="jaw_{i}" kp="150" kv="6" forcerange="-3 3"/>'
        for i in (0, 1)
    )
    return f"""
<mujoco model="handmesh_teleop">
  <compiler angle="radian"/>
  <option timestep="{TIME_STEP}" integrator="implicitfast"/>
  <default>
    <joint armature="0.0008" damping="0.01"/>
    <geom condim="4" friction="1.2 0.02 0.001" density="600"/>
  </default>
  <worldbody>
    <body name="target" mocap="true"/>
    {_hand()}
    {_gripper()}
  </worldbody>
  <equality><weld body1="target" body2="palm" relpose="0 0 0 1 0 0 0" solref="0.02 1"/></equality>
  <actuator>{motors}{jaws}</actuator>
</mujoco>"""


def _rest() -> np.ndarray:
    """(21, 3) joints of the mean hand in its wrist frame."""
    joints = HandTopology.open_hand().template_joints.astype(np.float64)
    return (joints - joints[0]) @ wrist_frame(joints, 'right')[:3, :3]


def _hand() -> str:
    rest = _rest()
    palm = ''.join(
        f'<geom type="capsule" size="0.009" contype="0" conaffinity="0" rgba="{_COLORS["palm"]}" '
        f'fromto={_text((0, 0, 0, *rest[1 + 4 * f]))}/>'
        for f in range(5)
    )
    edges = ''.join(
        f'<geom type="capsule" size="0.009" contype="0" conaffinity="0" rgba="{_COLORS["palm"]}" '
        f'fromto={_text((*rest[k], *rest[k + 4]))}/>'
        for k in range(5, PINKY_KNUCKLE, 4)
    )
    fingers = ''.join(_finger(f, rest) for f in range(5))
    return f"""
    <body name="palm" pos="0 0.45 0.45" gravcomp="1"><freejoint name="wrist"/>
      <inertial pos="0.04 0 0" mass="0.4" diaginertia="0.0006 0.0006 0.0006"/>
      {palm}{edges}{fingers}
    </body>"""


def _finger(f: int, rest: np.ndarray) -> str:
    name = FINGERS[f]
    chain = rest[1 + 4 * f : 5 + 4 * f]
    lengths = np.linalg.norm(np.diff(chain, axis=0), axis=1)
    names = TELEOP_ANGLES[4 * f : 4 * f + 4]
    limits = HUMAN_LIMITS[4 * f : 4 * f + 4]
    twist = _quaternion(about(0, -THUMB_TWIST)) if f == 0 else np.array([1.0, 0, 0, 0])
    body = ''
    for i in (2, 1, 0):
        tag = f'body pos={_text((0.0 if i == 0 else lengths[i - 1], 0, 0))} gravcomp="1"'
        if i == 0:
            base = f'pos={_text(chain[0])} quat={_text(_quaternion(zero_frames()[f]))}'
            tag = f'body {base} gravcomp="1"'
        elif i == 1:
            tag += f' quat={_text(twist)}'
        hinges = _hinge(names[0], '0 0 1', limits[0]) if i == 0 else ''
        hinges += _hinge(names[i + 1], '0 1 0', limits[i + 1])
        geom = (
            f'<geom type="capsule" size="{_RADIUS[name] * (1 - 0.08 * i):.4f}" contype="0" '
            f'conaffinity="0" rgba="{_COLORS[name]}" fromto={_text((0, 0, 0, lengths[i], 0, 0))}/>'
        )
        body = f'<{tag}>{hinges}{geom}{body}</body>'
    return body


def _hinge(name: str, axis: str, limits: np.ndarray) -> str:
    return f'<joint name="{name}" axis="{axis}" range={_text(limits)}/>'


def _gripper() -> str:
    x, y, z = GRIPPER_AT
    color = _COLORS['gripper']
    jaws = ''.join(
        f'<body pos={_text((x, y, z + 0.045))}>'
        f'<joint name="jaw_{i}" type="slide" axis="1 0 0" range={_text(span)} armature="0.05"/>'
        f'<geom name="jaw_{i}" type="box" size="0.006 0.012 0.03" rgba="{color}" '
        f'pos={_text((sign * 0.006, 0, 0))}/></body>'
        for i, sign, span in ((0, 1, (0, STROKE / 2)), (1, -1, (-STROKE / 2, 0)))
    )
    edge = BLOCK / 2
    block = f'size="{edge} {edge} {edge}" density="300" rgba="{_COLORS["block"]}"'
    foot = f'size="0.015 0.05" pos={_text((x, y, z - 0.06))} rgba="{color}"'
    return f"""
    <geom name="stand" type="box" size="0.06 0.025 0.012" pos={_text((x, y, z))} rgba="{color}"/>
    <geom name="foot" type="cylinder" {foot}/>
    {jaws}
    <body pos={_text((x, y, z + 0.012 + edge))}><freejoint/>
      <geom name="block" type="box" {block}/>
    </body>"""

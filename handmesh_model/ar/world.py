"""
Virtual things that hands push, hold and pour over: a MuJoCo world in the camera's frame.

MuJoCo's mocap bodies have no velocity, so that nothing they carry would move with them. A hand is
therefore 20 free bodies, heavy beside all things, whose place and velocity are set before every
step: its contacts push and drag as a moving hand does, and nothing pushes back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from handmesh_model.ar.hand_collider import BoneCapsules, WorldHand, bone_rotations
from handmesh_model.ar.hand_move import HandMove
from handmesh_model.ar.stage import Stage
from handmesh_model.ar.world_xml import (
    HAND_BODIES,
    LARGEST,
    MAX_HANDS,
    STREAM_STEP,
    THING_STEP,
    quaternions_wxyz,
    world_xml,
)
from handmesh_model.joints import BONES
from handmesh_model.motion_limits import JUMP_BACK, MAX_SPEED

log = logging.getLogger(__name__)
MAX_GAP = 0.25
"""Seconds between two images beyond which hands are put down anew, without a way in between."""
_BONES = len(BONES)
_FALLEN = 0.6
"""Metres below the floor at which a ball is poured again and a thing put back."""
_BROKEN = [
    int(warning)
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
    )
]
"""MuJoCo's warnings of numbers that are not finite or too large; it resets itself then."""
# Else it would write MUJOCO_LOG.TXT into the working directory.
mujoco.set_mju_user_warning(log.warning)


@dataclass(eq=False)
class _Slot:
    """
    The bodies of one hand, and where they are.

    :param positions: (20, 3) metres; quaternions (20, 4) w, x, y, z.
    :param behind: seconds that the hand has been out of sight and has not made up for yet.
    """

    number: int
    track_id: int | None = None
    positions: np.ndarray | None = None
    quaternions: np.ndarray | None = None
    behind: float = 0.0


class HandWorld:
    """
    Things, perhaps a stream, and up to two hands.

    :param stage: what is there at the start.
    :param seed: of where balls leave the jet.
    :ivar time: seconds of the newest hands, None before the first.
    """

    def __init__(self, stage: Stage, seed: int = 0) -> None:
        self.stage = stage
        self.time: float | None = None
        self._model = mujoco.MjModel.from_xml_string(world_xml(stage))
        self._data = mujoco.MjData(self._model)
        self._slots = [_Slot(i) for i in range(MAX_HANDS)]
        self._seed = seed
        self._ball_count = 0 if stage.stream is None else stage.stream.count
        self._poured_at = np.full(self._ball_count, -np.inf)
        self._owed = 0.0
        hand_bodies, things = HAND_BODIES, len(stage.things)
        joints, speeds = self._data.qpos.reshape(-1, 7), self._data.qvel.reshape(-1, 6)
        self._hand_places, self._hand_speeds = joints[:hand_bodies], speeds[:hand_bodies]
        self._thing_places = joints[hand_bodies : hand_bodies + things]
        self._thing_speeds = speeds[hand_bodies : hand_bodies + things]
        self._ball_places = joints[hand_bodies + things :]
        self._ball_speeds = speeds[hand_bodies + things :]
        self._start = joints.copy()
        names = [f'hand{i}' for i in range(HAND_BODIES)]
        self._hand_geoms = np.array([self._model.geom(name).id for name in names])
        self.reset()

    # What is seen of it

    def thing_pose(self, number: int) -> np.ndarray:
        """(4, 4) camera from thing, metres."""
        place = self._thing_places[number]
        pose = np.eye(4)
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, place[3:] / max(float(np.linalg.norm(place[3:])), 1e-9))
        pose[:3, :3], pose[:3, 3] = matrix.reshape(3, 3), place[:3]
        return pose

    def balls(self) -> np.ndarray:
        """(K, 3) middles of the balls that were poured, camera frame."""
        return self._ball_places[self._poured_at > -np.inf, :3].copy()

    # What happens to it

    def reset(self) -> None:
        """Everything as it was at the start, chance included; for time that jumped back."""
        mujoco.mj_resetData(self._model, self._data)
        self._rng = np.random.default_rng(self._seed)
        self._poured_at[:] = -np.inf
        self._owed, self.time = 0.0, None
        for slot in self._slots:
            self._leave(slot)
        mujoco.mj_forward(self._model, self._data)

    def advance(self, time: float, hands: Sequence[WorldHand]) -> str:
        """
        Let time pass until the hands are where they are seen now.

        Between two images hands move evenly. After a gap longer than :data:`MAX_GAP`, or for a
        hand that is new or faster than :data:`MAX_SPEED`, the hand is put down where it is. One
        that is held stands still; seen again, it makes up for that time at twice its speed.

        :param time: seconds, of the image. If it is earlier than the last one, no time passes;
            by :data:`JUMP_BACK` or more, everything starts anew.
        :returns: why everything has started anew; empty if it has not.
        """
        why = ''
        if self.time is not None and time <= self.time - JUMP_BACK:
            why = f'time went back by {self.time - time:.1f} s'
            self.reset()
        before = time if self.time is None else self.time
        self.time = max(time, before)
        span = self.time - before
        is_gap = span > MAX_GAP
        span = min(span, MAX_GAP)
        targets = self._assign(hands)
        moves = [self._aim(slot, targets.get(slot.number), span, is_gap) for slot in self._slots]
        step = THING_STEP if self.stage.stream is None else STREAM_STEP
        count = max(1, round(span / step)) if span > 0 else 0
        if count:
            self._model.opt.timestep = span / count
        for number in range(count):
            for slot, move in zip(self._slots, moves, strict=True):
                if move is not None:
                    self._drive(slot, move, number / count)
            self._pour(span / count)
            mujoco.mj_step(self._model, self._data)
            self._catch_fallen()
        for slot, move in zip(self._slots, moves, strict=True):
            if move is not None:
                self._drive(slot, move, 1.0)
                slot.positions, slot.quaternions = move.positions[1], move.quaternions[1]
        if self._is_broken():
            why = 'the simulation came to numbers that are not finite, or too large'
            self.reset()
        return why

    def _is_broken(self) -> bool:
        """Whether the simulation came to numbers that are none, found by MuJoCo or not yet."""
        is_warned = self._data.warning.number[_BROKEN].any()
        return bool(is_warned or not np.isfinite(self._data.qpos).all())

    def _assign(self, hands: Sequence[WorldHand]) -> dict[int, WorldHand]:
        """A slot for each hand, the same as before where it had one."""
        taken: dict[int, WorldHand] = {}
        waiting = []
        for hand in hands:
            slot = next((s for s in self._slots if s.track_id == hand.track_id), None)
            if slot is None:
                waiting.append(hand)
            else:
                taken[slot.number] = hand
        free = [s for s in self._slots if s.number not in taken]
        for slot, hand in zip(free, waiting, strict=False):
            self._leave(slot)
            taken[slot.number] = hand
        return taken

    def _leave(self, slot: _Slot) -> None:
        """Take a hand out of the world."""
        slot.track_id = slot.positions = slot.quaternions = None
        slot.behind = 0.0
        rows = self._rows(slot)
        self._hand_places[rows] = self._start[rows]
        self._hand_speeds[rows] = 0

    def _aim(
        self, slot: _Slot, hand: WorldHand | None, span: float, is_gap: bool
    ) -> HandMove | None:
        """The way of a slot's hand in the next ``span`` seconds; None if it has no hand."""
        if hand is None:
            if slot.track_id is not None:
                self._leave(slot)
            return None
        capsules = hand.shape.capsules(hand.joints_camera)
        self._fit(slot, capsules)
        aimed = quaternions_wxyz(bone_rotations(capsules.directions, hand.wrist_rotation))
        before, turned = slot.positions, slot.quaternions
        slot.track_id = hand.track_id
        # Out of sight it may have gone on all the time.
        reach = MAX_SPEED * (span + slot.behind)
        if (
            before is None
            or turned is None
            or is_gap
            or span <= 0
            or np.linalg.norm(capsules.centers - before, axis=1).max() > reach
        ):
            before, turned, slot.behind = capsules.centers, aimed, 0.0
        move = HandMove.between(before, capsules.centers, turned, aimed, span)
        if not hand.tracked:
            slot.behind += span
            return move.part(0.0)
        # All the way at once would be a blow; put down anew, the hand would drop what it holds.
        if slot.behind > span:
            move = move.part(2 * span / (slot.behind + span))
        slot.behind = max(slot.behind - span, 0.0)
        return move

    def _fit(self, slot: _Slot, capsules: BoneCapsules) -> None:
        geoms = self._hand_geoms[self._rows(slot)]
        radii = np.minimum(capsules.radii, LARGEST[0])
        halves = np.minimum(capsules.half_lengths, LARGEST[1])
        self._model.geom_size[geoms, :2] = np.column_stack([radii, halves])
        self._model.geom_rbound[geoms] = radii + halves

    def _rows(self, slot: _Slot) -> slice:
        return slice(slot.number * _BONES, (slot.number + 1) * _BONES)

    def _drive(self, slot: _Slot, move: HandMove, share: float) -> None:
        rows = self._rows(slot)
        self._hand_places[rows, :3], self._hand_places[rows, 3:] = move.at(share)
        self._hand_speeds[rows, :3] = move.velocities
        self._hand_speeds[rows, 3:] = move.turns

    def _pour(self, seconds: float) -> None:
        """Let the oldest balls leave the jet, as many as are due."""
        stream = self.stage.stream
        if stream is None:
            return
        self._owed += stream.rate * seconds
        axes = self.stage.axes
        while self._owed >= 1:
            self._owed -= 1
            ball = int(np.argmin(self._poured_at))
            angle = self._rng.uniform(0, 2 * np.pi)
            aside = stream.spread * np.sqrt(self._rng.uniform())
            place = (
                aside * np.cos(angle),
                aside * np.sin(angle),
                self._rng.uniform(-0.004, 0.004),
            )
            self._ball_places[ball, :3] = self.stage.point(stream.source) + axes @ place
            self._ball_speeds[ball] = 0
            self._ball_speeds[ball, :3] = -stream.speed * axes[:, 2]
            self._poured_at[ball] = self._data.time
        waiting = self._poured_at == -np.inf
        self._ball_places[waiting] = self._start[-self._ball_count :][waiting]
        self._ball_speeds[waiting] = 0

    def _catch_fallen(self) -> None:
        """Things that fell off the floor come back to where they were at the start."""
        up = self.stage.axes[:, 2]
        heights = (self._thing_places[:, :3] - np.asarray(self.stage.floor)) @ up
        for number in np.flatnonzero(heights < -_FALLEN):
            self._thing_places[number] = self._start[HAND_BODIES + number]
            self._thing_speeds[number] = 0
        if self._ball_count:
            heights = (self._ball_places[:, :3] - np.asarray(self.stage.floor)) @ up
            # Out of sight; poured again before those that are seen.
            fallen = (heights < -_FALLEN) & (self._poured_at > -np.inf)
            self._poured_at[fallen] = -np.inf

"""What a robot is told, from the hands that are seen: the whole of teleoperation without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from handmesh_model.motion_limits import JUMP_BACK
from handmesh_model.teleop.clutch import Clutch
from handmesh_model.teleop.config import TeleopConfig
from handmesh_model.teleop.followers import PoseFollower, ValueFollower
from handmesh_model.teleop.grasps import Grasp, GraspType, classify_grasp, tip_distance
from handmesh_model.teleop.joint_angles import joint_angles
from handmesh_model.teleop.poses import HandToRobot, PoseFilter, pose_from_xyz_rpy, six_numbers
from handmesh_model.teleop.robot_hand import RobotHand, human_hand
from handmesh_model.teleop.seen_hand import SeenHand
from handmesh_model.teleop.watchdog import Watchdog

_LONGEST_STEP = 0.1
"""Seconds that the robot moves on at most in one go, after the program has been held up."""
_SETTLING = 0.3
"""
Seconds, by the images, that a hand's position takes to settle after its scale has changed.

The change may come at once, as from handmesh_node, which smooths and predicts anew with it, or
spread by a filter in between. A One Euro filter with the default settings of handmesh_node is by
then within 0.7 mm of where a jump of 1 to 5 cm leads to.
"""
_CALM_TIME = 1.0
"""
Seconds without another leap after which the clutch 'always', which has no gesture, follows a hand
that has leapt. One that was seen wrongly for a moment has leapt back by then.
"""
_REFUSAL_TIME = 2.0
"""Seconds that a refusal is told; without any image for so long, handmesh_node ends all tracks."""
_NOT_ENGAGED = 'clutch not engaged'
_LEAPT = 'hand leapt, engage anew'
_NO_METRES = 'place not known in metres: position and turn held'


class Mode(IntEnum):
    """What the robot does; the numbers are those of the Grasp message."""

    SAFE = 0
    """No fresh hand: stands still, hand and gripper as they are or opening."""
    PAUSED = 1
    """A hand, but the clutch is not engaged: stands still."""
    ENGAGED = 2
    """Follows the hand; where its place is not known in metres, with fingers and gripper only."""


@dataclass(frozen=True, eq=False)
class Command:
    """
    What the robot is told now.

    :param reason: of the mode, for people.
    :param has_followed: whether the robot was engaged once. Before, target, opening and positions
        are only where it is taken to be, nothing that it is told.
    :param wrist: (4, 4) filtered pose in the camera frame; None without a fresh hand in metres.
    :param target: (4, 4) in the base frame; ``twist`` (6,) metres and radians a second there.
    :param opening: 0 closed .. 1 open; ``opening_rate`` per second.
    :param positions: (N,) of the robot hand's joints, radians; ``velocities`` per second.
    :param angles: (20,) radians of the person's hand; None without a fresh one.
    """

    mode: Mode
    reason: str
    target: np.ndarray
    twist: np.ndarray
    opening: float
    opening_rate: float
    positions: np.ndarray
    velocities: np.ndarray
    grasp: Grasp
    has_followed: bool
    wrist: np.ndarray | None = None
    angles: np.ndarray | None = None
    track_id: int = 0


@dataclass(eq=False)
class _Goal:
    """What the hand that was seen last asks for."""

    hand: SeenHand
    wrist: np.ndarray | None
    angles: np.ndarray
    grasp: Grasp
    opening: float
    positions: np.ndarray = field(default_factory=lambda: np.empty(0))


class GraspTeleop:
    """
    Feed it hands as they come and ask it for a command at a steady rate.

    Times are seconds of one clock that does not go back; the caller brings them.

    :param robot_hand: whose joints are commanded; a hand like people's by default.
    :raises ConfigError: if a pose or the workspace cannot be read, a lowest of it is above the
        highest, or home is outside it.
    """

    def __init__(self, config: TeleopConfig, robot_hand: RobotHand | None = None) -> None:
        self._config = config
        self.robot_hand = human_hand() if robot_hand is None else robot_hand
        self.watchdog = Watchdog(config.watchdog)
        self._clutch = Clutch(config.clutch, config.clutch_delay)
        self._filter = PoseFilter(config.filter_cutoff, config.filter_slope)
        base = pose_from_xyz_rpy(six_numbers(config.base_from_camera, 'base_from_camera'))
        self._mapping = HandToRobot(config.mapping, base, config.scale, config.bounds())
        home = config.home_pose()
        self._pose = PoseFollower(home, config.gain, config.max_speed, config.max_turn_speed)
        self._opening = ValueFollower(np.ones(1), config.gain, config.max_opening_speed)
        self._joints = ValueFollower(self.robot_hand.open, config.gain, config.max_joint_speed)
        self._has_followed = False
        self._goal: _Goal | None = None
        self._stamp = -np.inf
        self._placed: tuple[SeenHand, np.ndarray] | None = None
        """The hand seen last in metres, and its filtered position (3,) in the camera frame."""
        self._rescaled = -np.inf
        self._why_paused = _NOT_ENGAGED
        self._why_refused, self._refused = '', -np.inf
        self._last: float | None = None

    def see(self, hand: SeenHand, now: float) -> bool:
        """
        A hand was seen; one whose image is not newer than the one before it, or whose numbers
        are not finite, changes nothing.

        Another one than before, by :attr:`SeenHand.identity`, has to grip anew. One whose
        scale changes, by :meth:`SeenHand.has_scale_of`, moves the robot by its turns only until it
        has settled; with 'absolute', where the robot would have to go elsewhere, it has to engage
        anew. So has one that is where it cannot have gone, by :meth:`SeenHand.has_leapt_from`, or,
        with the clutch 'always', to leap no more for a while. One whose place is known in metres
        again is gripped where it is then; and where the time of the images jumps back, all begins
        anew.

        :returns: whether the hand was taken.
        """
        if not self._is_newer(hand, now) or not hand.is_finite:
            return False
        angles = joint_angles(hand.joints, hand.side)
        positions = np.asarray(self.robot_hand.goal(hand.joints, hand.side, angles))
        if not np.isfinite(positions).all():
            self.refuse('no finite joint positions are found for the robot hand', now)
            return False
        self._compare(hand)
        self._goal = _Goal(
            hand,
            self._wrist_of(hand),
            angles,
            classify_grasp(hand.joints, angles),
            self._opening_of(hand.joints),
            positions,
        )
        self._clutch.update(hand.joints, angles, now)
        self.watchdog.feed(now)
        self._refused = -np.inf
        return True

    def _is_newer(self, hand: SeenHand, now: float) -> bool:
        """Whether its image is newer than all before; where time itself jumps back, lets go."""
        # By images: a prediction makes an old one look newer, or a new one older when it reaches
        # less far.
        back = self._stamp - hand.seen_at
        if 0 <= back < JUMP_BACK:
            # One that is late must not make others that are late look newer.
            return False
        self._stamp = hand.seen_at
        if back < 0:
            return True
        self.lose()
        self.refuse(f'time of the images went back by {back:.3g} s', now)
        return False

    def _compare(self, hand: SeenHand) -> None:
        """Let go, or hold the position, where a hand does not go on from the one before."""
        before = self._goal
        placed = None if self._placed is None else self._placed[0]
        if before is None:
            return
        if hand.identity != before.hand.identity:
            self._let_go()
        elif placed is not None and hand.has_leapt_from(placed):
            self._leap(is_rescaled=not hand.has_scale_of(placed), at=hand.seen_at)
        elif not hand.has_scale_of(before.hand):
            self._rescale(hand)

    def _leap(self, is_rescaled: bool, at: float) -> None:
        """The hand cannot have come here, and it may be measured otherwise from now on, too."""
        # However it turns, positions settle as they do after any change of scale.
        rescaled = at if is_rescaled else self._rescaled
        self._let_go()
        self._rescaled = rescaled
        if self._config.mapping == 'absolute':
            # The robot would have to go there.
            self._clutch.release(np.inf if is_rescaled else _CALM_TIME)
        self._why_paused = _LEAPT

    def refuse(self, why: str, now: float) -> None:
        """
        A hand comes that must not be followed.

        :param why: the reason of the safe mode, until a hand is followed, lost or no longer comes.
        """
        self._why_refused, self._refused = why, now

    def lose(self) -> None:
        """The hand is known to be gone."""
        self.watchdog.trip()
        self._let_go()
        self._refused = -np.inf

    def stop(self, now: float) -> Command:
        """The last command: safe, and nothing moves, also with safe_hand 'open'."""
        self.lose()
        # Nobody would end what moves: no time passes for it, and in none nothing does.
        self._last = None
        return self.command(now)

    def command(self, now: float, ahead: float = 0.0) -> Command:
        """
        What the robot is told now.

        :param ahead: seconds until the next command; see :meth:`Watchdog.is_alive`.
        """
        step = min(now - self._last, _LONGEST_STEP) if self._last is not None else 0.0
        self._last = now
        goal = self._goal if self.watchdog.is_alive(now, ahead) else None
        if goal is None:
            mode, reason = Mode.SAFE, self._why_safe(now, ahead)
            self._let_go()
        elif not self._clutch.is_engaged:
            mode, reason = Mode.PAUSED, self._why_paused
        else:
            mode, reason = Mode.ENGAGED, self._why_engaged(goal)
            self._why_paused = _NOT_ENGAGED
            self._has_followed = True
        self._move(mode, goal, max(step, 0.0))
        return self._told(mode, reason, goal)

    def _why_safe(self, now: float, ahead: float) -> str:
        if now - self._refused <= _REFUSAL_TIME:
            return self._why_refused
        age = self.watchdog.age(now)
        if not np.isfinite(age):
            return 'no hand'
        why = f'no fresh hand for {1000 * age:.0f} ms'
        pace, limit = self.watchdog.pace, self.watchdog.limit
        if pace + ahead > limit:
            why += f'; hands come every {1000 * pace:.0f} ms, watchdog {limit:g} s'
        return why

    def _why_engaged(self, goal: _Goal) -> str:
        if goal.wrist is None:
            return _NO_METRES
        if self._is_settling(goal.hand) and self._config.mapping == 'relative':
            return 'following; position held, scale changed'
        return 'following'

    def _rescale(self, hand: SeenHand) -> None:
        """From this image on, the hand's metres rest on something else than before."""
        if self._placed is None:
            # There were none before.
            return
        self._rescaled = hand.seen_at
        placed, _ = self._placed
        # Metres that are gone for a while and come back the same put the robot nowhere else.
        is_elsewhere = hand.camera_from_wrist is not None and not hand.has_scale_of(placed)
        if self._config.mapping == 'absolute' and self._clutch.is_engaged and is_elsewhere:
            self._clutch.release()
            self._why_paused = 'scale changed, engage anew'

    def _is_settling(self, hand: SeenHand) -> bool:
        # Before the change: time has jumped back.
        return 0 <= hand.seen_at - self._rescaled < _SETTLING

    def _wrist_of(self, hand: SeenHand) -> np.ndarray | None:
        """(4, 4) filtered, camera frame; None if its place is not known in metres."""
        if hand.camera_from_wrist is None:
            return None
        if self._goal is not None and self._goal.wrist is None:
            # The robot stood still: it must not make up now for how the hand moved and turned.
            self._filter.reset()
            self._mapping.release()
        is_settling = self._is_settling(hand)
        if is_settling:
            # Else it would go on spreading the jump when the hand itself has settled.
            self._filter.reset_position()
        wrist = self._filter(hand.camera_from_wrist, hand.stamp)
        if is_settling and self._placed is not None:
            self._mapping.shift(wrist[:3, 3] - self._placed[1])
        self._placed = hand, wrist[:3, 3].copy()
        return wrist

    def _let_go(self) -> None:
        self._clutch.reset()
        self._filter.reset()
        self._mapping.release()
        self._goal = self._placed = None
        self._rescaled = -np.inf
        self._why_paused = _NOT_ENGAGED

    def _move(self, mode: Mode, goal: _Goal | None, step: float) -> None:
        followers = (self._pose, self._opening, self._joints)
        for follower in followers:
            follower.stop()
        if step == 0:
            return
        if mode is Mode.ENGAGED and goal is not None:
            if goal.wrist is not None:
                self._pose.follow(self._mapping.goal(goal.wrist, self._pose.pose), step)
            self._opening.follow(np.array([goal.opening]), step)
            self._joints.follow(goal.positions, step)
        elif mode is Mode.PAUSED:
            self._mapping.release()
        elif self._config.safe_hand == 'open':
            self._opening.follow(np.ones(1), step)
            self._joints.follow(self.robot_hand.open, step)

    def _opening_of(self, joints: np.ndarray) -> float:
        low, high = self._config.closed_distance, self._config.open_distance
        return float(np.clip((tip_distance(joints) - low) / (high - low), 0, 1))

    def _told(self, mode: Mode, reason: str, goal: _Goal | None) -> Command:
        return Command(
            mode=mode,
            reason=reason,
            target=self._pose.pose.copy(),
            twist=self._pose.twist,
            opening=float(self._opening.values[0]),
            opening_rate=float(self._opening.rates[0]),
            positions=self._joints.values,
            velocities=self._joints.rates,
            grasp=goal.grasp if goal else Grasp(GraspType.UNKNOWN, 0.0),
            has_followed=self._has_followed,
            wrist=goal.wrist if goal else None,
            angles=goal.angles if goal else None,
            track_id=goal.hand.track_id if goal else 0,
        )

"""What the AR nodes read from `hands` and `topology`; pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handmesh_model.hand import Side
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.wrist import wrist_frame
from handmesh_ros import msg


@dataclass(frozen=True, eq=False)
class SeenHand:
    """
    A hand that is there, in metres.

    :param joints_camera: (21, 3), vertices_camera: (V, 3), V may be 0.
    :param wrist_pose: (4, 4) camera from wrist.
    :param tracked: False while it is held, not seen in this image.
    """

    track_id: int
    side: Side
    score: float
    tracked: bool
    hand_size: float
    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    wrist_pose: np.ndarray


@dataclass(frozen=True, eq=False)
class Surface:
    """
    What of HandTopology is used.

    :param faces: (F, 3) int32 of a right hand.
    :param parts: (V,) uint8.
    """

    faces: np.ndarray
    parts: np.ndarray

    def faces_of(self, side: str) -> np.ndarray:
        """(F, 3) int32, counter-clockwise seen from outside, for a hand of this side."""
        return self.faces if side == 'right' else np.ascontiguousarray(self.faces[:, ::-1])


def surface_of(topology: Any) -> Surface | None:
    """
    Faces and parts of a HandTopology message; None if they contradict each other.

    :param topology: handmesh_ros/HandTopology.
    """
    faces = np.asarray(topology.faces, dtype=np.int64)
    parts = np.asarray(topology.vertex_parts, dtype=np.uint8)
    if faces.size % 3 or (faces.size and faces.max() >= len(parts)):
        return None
    return Surface(faces.reshape(-1, 3).astype(np.int32), parts)


def seen_hands(message: Any) -> list[SeenHand]:
    """
    The hands of a HandArray that are there and have metres; those that are lost are left out.

    :param message: handmesh_ros/HandArray.
    """
    hands = []
    for hand in message.hands:
        if hand.state == msg.Hand.LOST or not hand.metric_valid:
            continue
        joints = np.asarray(hand.joints_camera, dtype=np.float64).reshape(JOINT_COUNT, 3)
        flat = np.asarray(hand.vertices_camera, dtype=np.float32)
        vertices = flat.reshape(-1, 3) if flat.size % 3 == 0 else np.zeros((0, 3), np.float32)
        if not (np.isfinite(joints).all() and np.isfinite(vertices).all()):
            continue
        side: Side = 'left' if hand.side == msg.Hand.LEFT else 'right'
        hands.append(
            SeenHand(
                track_id=int(hand.track_id),
                side=side,
                score=float(hand.score),
                tracked=hand.state == msg.Hand.TRACKED,
                hand_size=float(hand.hand_size),
                joints_camera=joints,
                vertices_camera=vertices,
                wrist_pose=wrist_frame(joints, side),
            )
        )
    return hands


def best_of_side(hands: Sequence[SeenHand], side: str) -> SeenHand | None:
    """The surest tracked hand of a side; a held one only if there is no other."""
    ours = [hand for hand in hands if hand.side == side]
    return max(ours, key=lambda hand: (hand.tracked, hand.score), default=None)

"""Hands made of the topology's template, for tests of messages."""

import numpy as np

from handmesh_model.hand import Hand, HandBox, ScaleSource, TrackState
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

BACK_VIEW = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


def hand_at(
    wrist, side='right', track_id=0, state=TrackState.TRACKED, scale_source=ScaleSource.MEAN
):
    """A hand at rest, its back to the camera, with its wrist at a point, metres."""
    topology = HandTopology.open_hand()
    turn = BACK_VIEW * ([[-1], [1], [1]] if side == 'left' else 1)
    root = topology.template_joints[0]
    joints = (topology.template_joints - root) @ turn.T + wrist
    vertices = (topology.template - root) @ turn.T + wrist
    return Hand(
        side=side,
        score=0.875,
        box=HandBox(10.0, 20.0, 110.0, 220.0, track_id=track_id),
        joints_image=joints[:, :2] * 500 + 200,
        joints_confidence=np.linspace(0.1, 0.9, 21),
        vertices_image=vertices[:, :2] * 500 + 200,
        joints_camera=joints.astype(np.float64),
        vertices_camera=vertices.astype(np.float64),
        wrist_pose=wrist_frame(joints, side),
        wrist_covariance=np.diag(np.arange(1.0, 7.0)) * 1e-4,
        scale_source=scale_source,
        hand_size=0.09,
        track_id=track_id,
        state=state,
    )

"""The mesh in pictures: every face that is seen is painted once, alone or as half of a quad."""

import numpy as np
import pytest

from handmesh_model.mesh_drawing import _facets, _facing
from handmesh_model.topology import HandTopology


def faces_in(quads: np.ndarray) -> list[tuple[int, ...]]:
    """Both faces of each quad that have an area, each beginning with its smallest number."""
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    faces = faces[(faces[:, 1] != faces[:, 2])]
    shifts = faces.argmin(axis=1)[:, None] + np.arange(3)
    return sorted(map(tuple, np.take_along_axis(faces, shifts % 3, axis=1).tolist()))


def turned_faces(topology: HandTopology, side: str) -> list[tuple[int, ...]]:
    faces = topology.faces_of(side)
    return faces_in(np.concatenate([faces, faces[:, 2:]], axis=1))


def topologies() -> list[HandTopology]:
    hand = HandTopology.open_hand()
    # Without a template, and with a vertex at either end that belongs to no face.
    regressor = np.pad(hand.joint_regressor, ((0, 0), (1, 1)))
    return [hand, HandTopology(hand.faces + 1, regressor, np.zeros(regressor.shape[1]))]


@pytest.mark.parametrize('topology', topologies(), ids=['open', 'bare'])
@pytest.mark.parametrize('side', ['right', 'left'])
def test_quads_hold_every_face_once(topology: HandTopology, side: str) -> None:
    quads = _facets(topology, side).quads
    assert faces_in(quads) == turned_faces(topology, side)
    assert len(quads) < 0.6 * len(topology.faces)


@pytest.mark.parametrize('seed', range(4))
def test_exactly_what_turns_clockwise_is_seen(seed: int) -> None:
    topology = HandTopology.open_hand()
    assert topology.template is not None
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    points = (turn @ topology.template.T)[:2] * 1000
    corners = points[:, topology.faces]
    (ux, uy), (vx, vy) = (corners[:, :, i] - corners[:, :, 0] for i in (1, 2))
    seen = topology.faces[ux * vy < uy * vx]
    quads = _facing(points, _facets(topology, 'right').quads)
    assert faces_in(quads) == faces_in(np.concatenate([seen, seen[:, 2:]], axis=1))


def test_vertices_without_faces_do_no_harm() -> None:
    around = _facets(topologies()[1], 'right')
    assert (np.diff(around.around_starts) > 0).all()
    assert (np.diff(around.near_starts) > 0).all()

"""Meshes as files: what stands in them, and what is said if they cannot be written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handmesh_model.errors import OutputError
from handmesh_model.hand import SIDES, Hand, HandBox, ScaleSource, Side
from handmesh_model.obj_files import write_obj
from handmesh_model.topology import HandTopology

TOPOLOGY = HandTopology.open_hand()


def hand(side: Side) -> Hand:
    """The template half a metre in front of the camera."""
    assert TOPOLOGY.template is not None
    mirror = np.array([1, -1 if side == 'left' else 1, 1])
    vertices = TOPOLOGY.template * mirror + (0, 0, 0.5)
    joints = TOPOLOGY.joint_regressor @ vertices
    return Hand(
        side=side,
        score=0.9,
        box=HandBox(0, 0, 9, 9),
        joints_image=joints[:, :2],
        joints_confidence=np.ones(21),
        vertices_image=vertices[:, :2],
        joints_camera=joints,
        vertices_camera=vertices,
        wrist_pose=np.eye(4),
        scale_source=ScaleSource.MEAN,
    )


def rows(path: Path, kind: str) -> np.ndarray:
    """The numbers of a file's lines of one kind."""
    lines = path.read_text().splitlines()
    return np.array([line.split()[1:] for line in lines if line.startswith(f'{kind} ')], float)


@pytest.mark.parametrize('side', SIDES)
def test_the_mesh_is_written_with_its_outside_outside(side: Side, tmp_path: Path) -> None:
    path, shown = tmp_path / 'more' / 'hand.obj', hand(side)
    write_obj(str(path), shown, TOPOLOGY)
    vertices, faces = rows(path, 'v'), rows(path, 'f').astype(int) - 1
    np.testing.assert_allclose(vertices, shown.vertices_camera, atol=1e-6)
    np.testing.assert_array_equal(faces, TOPOLOGY.faces_of(side))
    corners = (vertices - vertices.mean(axis=0))[faces]
    volume = np.einsum('fd,fd->', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert volume > 1e-4


def test_the_first_line_says_what_the_metres_are_relative_to(tmp_path: Path) -> None:
    path, shown = tmp_path / 'hand.obj', hand('right')
    for source, frame in ((ScaleSource.MEAN, 'camera frame'), (ScaleSource.NONE, 'the wrist')):
        write_obj(path, replace(shown, scale_source=source), TOPOLOGY)
        first = path.read_text().splitlines()[0]
        assert first.startswith('# right hand, metres')
        assert frame in first
        assert 'x right, y down, z forward' in first


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'hand.obj').mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*hand\.obj'"):
        write_obj(tmp_path / 'hand.obj', hand('right'), TOPOLOGY)

"""The open hand: rest, shapes, and what each joint angle does."""

import numpy as np
import pytest

from handmesh_model.angles import ANGLE_NAMES, JOINT_DOF
from handmesh_model.errors import ShapeError
from handmesh_model.joints import JOINT_NAMES, TIPS
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.topology import HandTopology


@pytest.fixture(scope='module')
def model():
    return HandModel.load()


@pytest.fixture(scope='module')
def mean_shape(model):
    return np.zeros(model.shape_count)


def posed(model, mean_shape, **angles):
    values = np.zeros(JOINT_DOF)
    for name, value in angles.items():
        values[ANGLE_NAMES.index(name)] = value
    return model.pose(values, mean_shape)


def test_straight_fingers_are_straight(model, mean_shape):
    joints = posed(model, mean_shape).joints
    for finger in range(1, 5):
        bones = np.diff(joints[1 + 4 * finger : 5 + 4 * finger], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        assert (bones[1:] * bones[:-1]).sum(axis=1).min() > np.cos(np.radians(8))


@pytest.mark.parametrize('finger', ['index', 'middle', 'ring', 'pinky'])
def test_flexion_moves_the_tip_to_the_palm_side(model, mean_shape, finger):
    tip = JOINT_NAMES.index(f'{finger}_tip')
    straight = posed(model, mean_shape).joints[tip]
    bent = posed(model, mean_shape, **{f'{finger}_mcp_flexion': 1.2}).joints[tip]
    assert bent[2] < straight[2] - 0.04


@pytest.mark.parametrize('finger', ['index', 'middle', 'ring', 'pinky'])
def test_abduction_moves_the_tip_towards_the_thumb(model, mean_shape, finger):
    tip = JOINT_NAMES.index(f'{finger}_tip')
    straight = posed(model, mean_shape).joints[tip]
    turned = posed(model, mean_shape, **{f'{finger}_mcp_abduction': 0.2}).joints[tip]
    assert turned[1] > straight[1] + 0.008


def test_angle_between_bones_is_the_angle_asked_for(model, mean_shape):
    joints = posed(model, mean_shape, index_pip_flexion=1.0).joints
    first, second = joints[6] - joints[5], joints[7] - joints[6]
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert np.arccos(cosine) == pytest.approx(1.0, abs=0.02)


def test_a_left_hand_has_its_faces_turned(model):
    right, left = model.faces_of('right'), model.faces_of('left')
    np.testing.assert_array_equal(right, model.faces)
    np.testing.assert_array_equal(left, right[:, ::-1])
    assert left.flags['C_CONTIGUOUS']
    assert model.faces_of('left') is left


def test_posing_keeps_bone_lengths(model, mean_shape):
    rng = np.random.default_rng(0)
    rest = model.shaped(mean_shape)[1]
    joints = model.pose(rng.uniform(-0.3, 1.0, JOINT_DOF), mean_shape).joints
    for finger in range(5):
        chain = slice(1 + 4 * finger, 5 + 4 * finger)
        np.testing.assert_allclose(
            np.linalg.norm(np.diff(joints[chain], axis=0), axis=1),
            np.linalg.norm(np.diff(rest[chain], axis=0), axis=1),
            atol=1e-5,
        )


def test_size_scales_everything(model, mean_shape):
    larger = mean_shape.copy()
    larger[0] = 1.0
    ratio = model.shaped(larger)[1][9] / model.shaped(mean_shape)[1][9]
    np.testing.assert_allclose(ratio[0], np.exp(0.08), rtol=1e-5)


def test_finger_lengths_vary_as_among_people(model):
    rng = np.random.default_rng(1)
    samples = [model.shaped(rng.standard_normal(model.shape_count))[1] for _ in range(200)]
    lengths = np.array([np.linalg.norm(j[12] - j[9]) / np.linalg.norm(j[9]) for j in samples])
    assert 0.04 < lengths.std() / lengths.mean() < 0.16


def test_regressor_agrees_with_the_skeleton(model):
    rng = np.random.default_rng(2)
    topology = HandTopology.open_hand()
    hand = model.pose(rng.uniform(0, 0.8, JOINT_DOF), rng.standard_normal(model.shape_count))
    error = np.linalg.norm(topology.joint_regressor @ hand.mesh - hand.joints, axis=1)
    assert error.mean() < 0.002


def test_mesh_lies_on_the_render_mesh(model, mean_shape):
    hand = posed(model, mean_shape)
    nearest = np.linalg.norm(hand.mesh[:, None] - hand.vertices[None], axis=2).min(axis=1)
    assert nearest.max() < 0.008


def test_faces_point_outwards(model):
    corners = model.rest_vertices[model.faces].astype(np.float64)
    # Closing the cut forearm changes little: the signed volume must be that of a hand and arm.
    volume = np.einsum('fd,fd->', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 3e-4 < volume < 2.5e-3


def test_skin_regions(model):
    # Nails are on the back of the fingertips, and every finger has one.
    for tip in TIPS:
        near = np.linalg.norm(model.rest_vertices - model.rest_joints[tip], axis=1) < 0.02
        assert (model.nail[near] > 0.5).any()
        assert model.palmar[near & (model.nail > 0.5)].max() < 0


def test_wrong_shapes_are_refused(model, mean_shape):
    with pytest.raises(ShapeError, match=r'\(7,\).*\(25,\)'):
        model.pose(np.zeros(7), mean_shape)
    with pytest.raises(ShapeError, match='shape has shape'):
        model.pose(np.zeros(JOINT_DOF), np.zeros(3))

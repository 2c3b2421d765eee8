"""Each entry of each foreign order, and dex-retargeting's axes."""

import numpy as np
import pytest

from handmesh_model import adapters
from handmesh_model.errors import ShapeError
from handmesh_model.joints import JOINT_NAMES, OPENXR_NAMES, OURS_OF_OPENXR
from handmesh_model.topology import HandTopology

NUMBERED = np.arange(63.0).reshape(21, 3)
MIRROR = np.array([-1.0, 1.0, 1.0])
PLACE = np.array([0.1, 0.2, 0.5])

# From the documentation of each, written out; what stands behind a name is our number.
MEDIAPIPE = {
    'WRIST': 0,
    'THUMB_CMC': 1,
    'THUMB_MCP': 2,
    'THUMB_IP': 3,
    'THUMB_TIP': 4,
    'INDEX_FINGER_MCP': 5,
    'INDEX_FINGER_PIP': 6,
    'INDEX_FINGER_DIP': 7,
    'INDEX_FINGER_TIP': 8,
    'MIDDLE_FINGER_MCP': 9,
    'MIDDLE_FINGER_PIP': 10,
    'MIDDLE_FINGER_DIP': 11,
    'MIDDLE_FINGER_TIP': 12,
    'RING_FINGER_MCP': 13,
    'RING_FINGER_PIP': 14,
    'RING_FINGER_DIP': 15,
    'RING_FINGER_TIP': 16,
    'PINKY_MCP': 17,
    'PINKY_PIP': 18,
    'PINKY_DIP': 19,
    'PINKY_TIP': 20,
}
MANO = {
    'wrist': 0,
    'index1': 5,
    'index2': 6,
    'index3': 7,
    'middle1': 9,
    'middle2': 10,
    'middle3': 11,
    'pinky1': 17,
    'pinky2': 18,
    'pinky3': 19,
    'ring1': 13,
    'ring2': 14,
    'ring3': 15,
    'thumb1': 1,
    'thumb2': 2,
    'thumb3': 3,
    'thumb_tip': 4,
    'index_tip': 8,
    'middle_tip': 12,
    'ring_tip': 16,
    'pinky_tip': 20,
}
OPENXR = {
    'palm': None,
    'wrist': 0,
    'thumb_metacarpal': 1,
    'thumb_proximal': 2,
    'thumb_distal': 3,
    'thumb_tip': 4,
    'index_metacarpal': None,
    'index_proximal': 5,
    'index_intermediate': 6,
    'index_distal': 7,
    'index_tip': 8,
    'middle_metacarpal': None,
    'middle_proximal': 9,
    'middle_intermediate': 10,
    'middle_distal': 11,
    'middle_tip': 12,
    'ring_metacarpal': None,
    'ring_proximal': 13,
    'ring_intermediate': 14,
    'ring_distal': 15,
    'ring_tip': 16,
    'little_metacarpal': None,
    'little_proximal': 17,
    'little_intermediate': 18,
    'little_distal': 19,
    'little_tip': 20,
}


def rest(side: str = 'right') -> np.ndarray:
    joints = HandTopology.open_hand().template_joints.astype(np.float64)
    return joints * MIRROR if side == 'left' else joints


def random_turn(seed: int) -> np.ndarray:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return turn * np.sign(np.linalg.det(turn))


@pytest.mark.parametrize(('place', 'joint'), list(enumerate(MEDIAPIPE.values())))
def test_mediapipe_entry(place: int, joint: int) -> None:
    np.testing.assert_array_equal(adapters.to_mediapipe(NUMBERED)[place], NUMBERED[joint])


@pytest.mark.parametrize(('place', 'joint'), list(enumerate(MANO.values())))
def test_mano_entry(place: int, joint: int) -> None:
    np.testing.assert_array_equal(adapters.to_mano(NUMBERED)[place], NUMBERED[joint])


def test_mano_and_back() -> None:
    there = adapters.to_mano(NUMBERED)
    np.testing.assert_array_equal(adapters.from_mano(there), NUMBERED)


@pytest.mark.parametrize(('place', 'name'), list(enumerate(OPENXR)))
def test_openxr_entry(place: int, name: str) -> None:
    joints = rest() + PLACE
    hand = adapters.to_openxr(joints, 'right')
    joint = OPENXR[name]
    assert OPENXR_NAMES[place] == name
    assert OURS_OF_OPENXR[place] == (-1 if joint is None else joint)
    assert hand.measured[place] == (joint is not None)
    if joint is not None:
        x, y, z = joints[joint]
        np.testing.assert_allclose(hand.positions[place], (x, -y, -z))


def test_openxr_and_back() -> None:
    joints = rest('left') + PLACE
    np.testing.assert_allclose(
        adapters.from_openxr(adapters.to_openxr(joints, 'left').positions), joints
    )


def axes_of(quaternions: np.ndarray) -> np.ndarray:
    """(N, 3, 3) rotations by the textbook formula; columns are the axes."""
    x, y, z, w = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_openxr_orientations_point_along_bones_and_out_of_the_back(side: str) -> None:
    # In the wrist frame: fingers along x, the back of the hand towards z.
    hand = adapters.to_openxr(rest(side), side)
    axes = axes_of(hand.orientations)
    back = np.array([0.0, 0.0, 1.0]) * (1, -1, -1)
    for place, name in enumerate(OPENXR_NAMES):
        if name.endswith(('tip', 'palm', 'wrist')):
            continue
        bone = hand.positions[place + 1] - hand.positions[place]
        np.testing.assert_allclose(-axes[place, :, 2], bone / np.linalg.norm(bone), atol=1e-6)
    for name in ('palm', 'wrist', 'index_metacarpal', 'little_metacarpal', 'middle_proximal'):
        up = axes[OPENXR_NAMES.index(name), :, 1]
        assert up @ back > 0.7, name


def test_palm_and_metacarpals_lie_inside_the_hand() -> None:
    joints = rest()
    positions = dict(zip(OPENXR_NAMES, adapters.to_openxr(joints, 'right').positions, strict=True))
    for name in ('index', 'middle', 'ring', 'little'):
        whole = np.linalg.norm(positions[f'{name}_proximal'] - positions['wrist'])
        bone = np.linalg.norm(positions[f'{name}_proximal'] - positions[f'{name}_metacarpal'])
        assert 0.6 < bone / whole < 0.85
    expected = (positions['middle_metacarpal'] + positions['middle_proximal']) / 2
    np.testing.assert_allclose(positions['palm'], expected)


def raised(side: str) -> np.ndarray:
    """A raised hand, palm to the camera; a right one has its thumb on the image's right."""
    sign = 1.0 if side == 'right' else -1.0
    joints = np.zeros((21, 3))
    joints[:, 1] = -0.1  # fingers up
    joints[0] = 0
    for finger, x in enumerate((0.06, 0.02, 0.0, -0.02, -0.04)):
        for j in range(4):
            joints[1 + 4 * finger + j] = (sign * x, -0.08 - 0.02 * j, 0.0)
    joints[8, 2] = -0.03  # the index finger bends towards the camera, which is its palm's side
    return joints + PLACE


@pytest.mark.parametrize('side', ['left', 'right'])
def test_dex_retargeting_axes_of_a_raised_hand(side: str) -> None:
    joints = raised(side)
    points = adapters.to_dex_retargeting(joints, side)
    assert points.shape == (21, 3)
    for joint, name in enumerate(JOINT_NAMES):
        right, down, forward = joints[joint] - joints[0]
        # z to the fingers, x out of the palm; y is the image's right for both hands seen so.
        np.testing.assert_allclose(
            points[joint], (-forward, right, -down), atol=1e-12, err_msg=name
        )


@pytest.mark.parametrize('side', ['left', 'right'])
def test_dex_retargeting_is_the_published_convention(side: str) -> None:
    # Its example: frame (x from middle knuckle to wrist, palm normal, z to the index), then a
    # constant matrix for each side.
    constant = {
        'right': np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]]),
        'left': np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    }[side]
    rng = np.random.default_rng(7)
    for seed in range(10):
        joints = (rest(side) + rng.normal(scale=0.005, size=(21, 3))) @ random_turn(seed).T
        wrist, index, middle = joints[[0, 5, 9]]
        x = (wrist - middle) / np.linalg.norm(wrist - middle)
        normal = np.cross(index - wrist, middle - wrist)
        normal /= np.linalg.norm(normal)
        z = np.cross(x, normal)
        if z @ (index - middle) < 0:
            normal, z = -normal, -z
        expected = (joints - wrist) @ np.column_stack([x, normal, z]) @ constant
        np.testing.assert_allclose(adapters.to_dex_retargeting(joints, side), expected, atol=1e-12)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_dex_retargeting_points_do_not_change_as_the_hand_turns(side: str) -> None:
    joints = rest(side)
    turned = joints @ random_turn(3).T + PLACE
    np.testing.assert_allclose(
        adapters.to_dex_retargeting(turned, side),
        adapters.to_dex_retargeting(joints, side),
        atol=1e-12,
    )


def test_degenerate_palms_give_proper_axes() -> None:
    for joints in (np.zeros((21, 3)), np.outer(np.arange(21), (0.01, 0.0, 0.0))):
        axes = adapters.operator_axes(joints, 'left')
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)
        assert np.isfinite(adapters.to_openxr(joints, 'left').orientations).all()


@pytest.mark.parametrize(
    'call',
    [
        adapters.to_mediapipe,
        adapters.to_mano,
        adapters.from_mano,
        adapters.from_openxr,
        lambda joints: adapters.to_openxr(joints, 'left'),
        lambda joints: adapters.to_dex_retargeting(joints, 'left'),
        lambda joints: adapters.operator_axes(joints, 'left'),
    ],
)
def test_other_shapes_are_named(call) -> None:
    with pytest.raises(ShapeError, match=r'\(20, 3\), expected \(2[16], 3\)'):
        call(np.zeros((20, 3)))

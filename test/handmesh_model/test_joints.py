"""Joint orders."""

import numpy as np
import pytest

from handmesh_model import joints


def test_twenty_one_names_in_finger_order():
    assert joints.JOINT_COUNT == 21 == len(set(joints.JOINT_NAMES))
    assert joints.JOINT_NAMES[:5] == ('wrist', 'thumb_cmc', 'thumb_mcp', 'thumb_ip', 'thumb_tip')
    assert joints.KNUCKLES == (5, 9, 13, 17)
    assert joints.TIPS == (4, 8, 12, 16, 20)


def test_bones_form_a_tree():
    assert len(joints.BONES) == 20
    assert {child for _, child in joints.BONES} == set(range(1, 21))
    assert all(parent < child for parent, child in joints.BONES)


def test_mano_order_is_the_published_one():
    # From MANO's 16 joints with tips appended to ours, as the official code reorders them.
    expected = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    ours_from_mano = joints.permutation(joints.JOINT_NAMES, joints.MANO_NAMES)
    np.testing.assert_array_equal(ours_from_mano, expected)


def test_permutations_invert():
    there = joints.permutation(joints.MANO_NAMES)
    back = joints.permutation(joints.JOINT_NAMES, joints.MANO_NAMES)
    np.testing.assert_array_equal(there[back], np.arange(21))


def test_unknown_name_is_an_error():
    with pytest.raises(KeyError, match='elbow'):
        joints.permutation(('elbow',))

"""Pictures of the clip at other sizes, and their camera."""

import numpy as np
import pytest

from handmesh_model.benchmark.frames import clip_frames, clip_intrinsics, there_and_back
from handmesh_model.camera import project


@pytest.mark.parametrize(('width', 'height'), [(640, 480), (1280, 720), (100, 200)])
def test_frames_have_the_size_and_a_picture_in_the_middle(width: int, height: int) -> None:
    frames = clip_frames(width, height, 2)
    assert [frame.shape for frame in frames] == [(height, width, 3)] * 2
    assert frames[0][height // 2].std() > 5


def test_camera_of_an_enlarged_picture_sees_points_where_they_are_drawn() -> None:
    points = np.array([[0.1, -0.05, 0.5], [0.0, 0.02, 0.4]])
    small, large = (project(points, clip_intrinsics(*size)) for size in ((640, 480), (1280, 720)))
    # 1.5 times as large, 160 columns on both sides; pixel centres are at whole numbers.
    np.testing.assert_allclose(large, (small + 0.5) * 1.5 - 0.5 + (160, 0))


def test_there_and_back_has_no_jumps() -> None:
    shown = [there_and_back(4, number) for number in range(9)]
    assert shown == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert [there_and_back(1, number) for number in range(3)] == [0, 0, 0]

"""Flat shapes land where they are put, nearer ones last."""

import numpy as np
import pytest

from handmesh_model.synthesis import painter
from handmesh_model.synthesis.painter import paint, seen_through, shapes

SIZE = 40
# Scene -1..1 over the picture.
VIEW = np.array([[2 / SIZE, 0, -1 + 1 / SIZE], [0, 2 / SIZE, -1 + 1 / SIZE], [0, 0, 1.0]])


def painted(*layers: np.ndarray, view: np.ndarray = VIEW) -> np.ndarray:
    layer = np.concatenate(layers)
    seen_through(layer, view, (SIZE, SIZE))
    picture = np.zeros((SIZE, SIZE, 3), dtype=np.float32)
    paint(picture, layer)
    return picture


def one(center: tuple[float, float], half: tuple[float, float], color: tuple, **fields: float):
    return shapes(np.array([center]), np.array([half]), np.array([color]), **fields)


RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def test_a_quad_covers_its_area() -> None:
    picture = painted(one((0.25, -0.5), (0.5, 0.25), RED))
    assert picture[..., 0].sum() == pytest.approx(1.0 * 0.5 / 4 * SIZE**2, rel=0.02)
    assert picture[..., 1:].max() == 0
    rows, columns = np.nonzero(picture[..., 0] > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 14, 15, 34)


def test_an_ellipse_covers_its_area() -> None:
    picture = painted(one((0, 0), (0.8, 0.4), RED, kind=painter.ELLIPSE, angles=0.7))
    assert picture[..., 0].sum() == pytest.approx(np.pi * 0.8 * 0.4 / 4 * SIZE**2, rel=0.05)


def test_later_shapes_cover_earlier_ones() -> None:
    large, small = one((0, 0), (2, 2), RED), one((0, 0), (0.3, 0.3), GREEN)
    picture = painted(large, small)
    assert picture[20, 20] == pytest.approx(GREEN)
    assert picture[2, 2] == pytest.approx(RED)
    assert picture.sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    assert painted(small, large)[..., 1].max() == 0


def test_half_opaque_shapes_mix() -> None:
    picture = painted(one((0, 0), (2, 2), RED), one((0, 0), (2, 2), GREEN, opacity=0.25))
    assert picture[10, 10] == pytest.approx((0.75, 0.25, 0.0))


def test_perspective_maps_corners_by_the_homography() -> None:
    tilt = VIEW.copy()
    tilt[2, :2] = 0.008, -0.004
    picture = painted(one((0, 0), (0.5, 0.5), RED), view=tilt)
    rows, columns = np.nonzero(picture[..., 0] > 0.5)
    corners = np.linalg.inv(tilt) @ np.array(
        [[-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5], [1] * 4]
    )
    corners = corners[:2] / corners[2]
    assert columns.min() == pytest.approx(corners[0].min(), abs=1)
    assert columns.max() == pytest.approx(corners[0].max(), abs=1)
    assert rows.max() == pytest.approx(corners[1].max(), abs=1)


@pytest.mark.parametrize('texture', range(11))
def test_textures_stay_between_their_two_colours(texture: int) -> None:
    layer = shapes(
        np.zeros((1, 2)), np.full((1, 2), 2.0), np.array([[0.2] * 3]), np.array([[0.6] * 3]),
        texture=float(texture), scale=2.0, seed=1.5,
    )  # fmt: skip
    picture = painted(layer)
    low = 0.2 * (0.34 if texture == painter.ROUND else 1.0)
    assert picture.min() >= low - 1e-5
    assert picture.max() <= 0.6 + 1e-5
    assert (np.ptp(picture) > 0.05) == (texture != painter.PLAIN)

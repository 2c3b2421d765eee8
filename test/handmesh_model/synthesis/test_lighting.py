"""Light against what is known of it: averages, directions, shadows."""

import numpy as np
import pytest

from handmesh_model.synthesis import lighting
from handmesh_model.synthesis.geometry import unit_sphere
from handmesh_model.synthesis.rasterizer import vertex_normals


def lit(
    vertices: np.ndarray, faces: np.ndarray, light: lighting.Light, spheres: np.ndarray
) -> np.ndarray:
    count = len(vertices)
    out = np.zeros((count, 5), dtype=np.float32)
    normals = vertex_normals(vertices, faces)
    center = vertices.mean(axis=0)
    shadow = lighting.shadow_map(vertices, faces, center, light.key_direction)
    lighting.shade_vertices(
        vertices, normals, np.ones(count, bool), np.zeros(count, np.float32),
        np.zeros(count, np.float32), spheres,
        light.ambient, light.key_direction, light.key_color, *shadow, light.softness, 10.0, out,
    )  # fmt: skip
    return out


def uniform(key: float, direction: tuple[float, float, float]) -> lighting.Light:
    ambient = np.zeros((9, 3), dtype=np.float32)
    ambient[0] = 0.5
    unit = np.array(direction, dtype=np.float32)
    color = np.full(3, key, dtype=np.float32)
    return lighting.Light(ambient, unit / np.linalg.norm(unit), color, 1.0, np.ones(3))


NOTHING = np.zeros((0, 4), dtype=np.float32)


def ball(center: tuple[float, float, float], radius: float) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = unit_sphere(24, 36)
    # Turned, so that no light falls through the pinholes at the poles.
    return (vertices[:, [1, 2, 0]] * radius + np.array(center)).astype(np.float32), faces


def test_harmonics_give_the_irradiance_of_a_distant_light() -> None:
    # Two bands hold a clamped cosine to within a few percent of the light's strength.
    to_light = np.array([[0.36, -0.48, 0.8]])
    weights = np.zeros((9, 3))
    lighting._add_source(weights, to_light[0], np.ones(3), 2)
    rng = np.random.default_rng(1)
    normals = rng.standard_normal((400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    irradiance = np.array([lighting._surround(weights[:, 1], *normal) for normal in normals])
    error = np.abs(irradiance - np.maximum(normals @ to_light[0], 0))
    assert error.max() < 0.1
    assert error.mean() < 0.04


def test_an_even_surround_lights_evenly() -> None:
    vertices, faces = ball((0, 0, 0.5), 0.05)
    light = lit(vertices, faces, uniform(0.0, (0, 0, -1)), NOTHING)
    seen = light[:, 1] > 0
    assert seen.sum() > len(vertices) / 3
    assert light[seen, :3] == pytest.approx(0.5)


def test_a_neighbour_takes_light_away() -> None:
    vertices, faces = ball((0, 0, 0.5), 0.02)
    spheres = np.array([[0.035, 0, 0.5, 0.012]], dtype=np.float32)
    alone = lit(vertices, faces, uniform(0.0, (0, 0, -1)), NOTHING)
    beside = lit(vertices, faces, uniform(0.0, (0, 0, -1)), spheres)
    towards = vertices[:, 0].argmax()
    away = vertices[:, 0].argmin()
    assert beside[towards, 1] < 0.85 * alone[towards, 1]
    assert beside[away, 1] == pytest.approx(alone[away, 1])


def test_the_key_light_casts_a_shadow() -> None:
    small, faces = ball((0, 0, 0.45), 0.02)
    large, _ = ball((0, 0, 0.55), 0.05)
    both = np.concatenate([small, large])
    light = uniform(1.0, (0, 0, -1))
    light = lighting.Light(
        light.ambient * 0, light.key_direction, light.key_color, 0.5, np.ones(3)
    )
    shaded = lit(both, np.concatenate([faces, faces + len(small)]), light, NOTHING)[len(small) :]
    offset = np.hypot(large[:, 0], large[:, 1])
    front = large[:, 2] < 0.52
    assert shaded[front & (offset < 0.012), 1].max() < 0.05
    assert shaded[front & (offset > 0.026), 1].min() > 0.5


def test_sampled_lights_are_neither_dark_nor_dazzling() -> None:
    vertices, faces = ball((0, 0, 0.5), 0.05)
    rng = np.random.default_rng(3)
    facing = (vertices[:, 2] < 0.46) & (np.hypot(vertices[:, 0], vertices[:, 1]) < 0.03)
    means = []
    for _ in range(60):
        means.append(lit(vertices, faces, lighting.sample_light(rng), NOTHING)[facing, 1].mean())
    assert 0.5 < np.median(means) < 1.6
    assert min(means) > 0.1

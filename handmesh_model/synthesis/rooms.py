"""Rooms, shelves, tables, windows, greenery, clutter and people as flat shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handmesh_model.synthesis import painter
from handmesh_model.synthesis.appearance import sample_skin, skin_color
from handmesh_model.synthesis.colors import natural_colors
from handmesh_model.synthesis.painter import shapes

_WIDE = 9.0
"""Half width of shapes that are to fill any view."""


def _everywhere(rng: np.random.Generator, color: np.ndarray, **fields: float) -> np.ndarray:
    fields['scale'] = fields.get('scale', 1.0) * _WIDE / 3
    other = color * np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.08, 3))
    return shapes(
        np.zeros((1, 2)), np.full((1, 2), _WIDE), color[None], np.minimum(other, 0.95)[None],
        seed=rng.uniform(0, 60), **fields,
    )  # fmt: skip


def _wall(rng: np.random.Generator) -> np.ndarray:
    color = natural_colors(rng, 1, 0.06)[0]
    color = color / color.mean() * rng.uniform(0.08, 0.75)
    texture = rng.choice(
        [painter.PLAIN, painter.PLAIN, painter.CLOUD, painter.GRAIN, painter.TILES]
    )
    layers = [
        _everywhere(
            rng, np.minimum(color, 0.9), texture=texture, scale=rng.uniform(0.5, 6),
            shade_x=rng.normal(0, 0.1), shade_y=rng.normal(0, 0.1), rough=rng.uniform(0, 0.08),
        )
    ]  # fmt: skip
    count = int(rng.integers(0, 5))
    if count:
        layers.append(_panels(rng, count))
    return np.concatenate(layers)


def _panels(rng: np.random.Generator, count: int) -> np.ndarray:
    """Doors, frames, pictures, cupboards: upright rectangles, each with a border around it."""
    centers = rng.uniform(-1.3, 1.3, (count, 2))
    halves = np.exp(rng.normal(-0.9, 0.5, (count, 2)))
    colors = natural_colors(rng, 2 * count)
    textures = rng.choice(
        [painter.PLAIN, painter.CLOUD, painter.TEXT, painter.WOOD, painter.LINES], count
    )
    border = 1 + rng.uniform(0.04, 0.2, (count, 1))
    outer = shapes(centers, halves * border, colors[:count])
    inner = shapes(
        centers, halves, colors[count:], natural_colors(rng, count), texture=textures,
        scale=rng.uniform(0.3, 3, count), shade_x=rng.normal(0, 0.15, count),
        shade_y=rng.normal(0, 0.15, count), seed=rng.uniform(0, 60, count),
    )  # fmt: skip
    return np.stack([outer, inner], axis=1).reshape(2 * count, -1)


def _shelves(rng: np.random.Generator) -> np.ndarray:
    """Rows of books, bottles, cans or boxes."""
    layers = [_everywhere(rng, natural_colors(rng, 1, 0.05)[0] * 0.4, rough=0.1)]
    rows = int(rng.integers(2, 6))
    gap = 2.6 / rows
    board = natural_colors(rng, 1, 0.05)
    for row in range(rows):
        floor = -1.3 + (row + 1) * gap
        layers.append(_row_of_things(rng, floor, gap))
        thick = rng.uniform(0.015, 0.06)
        layers.append(
            shapes(np.array([[0, floor + thick]]), np.array([[2.0, thick]]), board, rough=0.1)
        )
    if rng.random() < 0.5:
        count = int(rng.integers(1, 4))
        centers = np.stack([rng.uniform(-1.2, 1.2, count), np.zeros(count)], axis=1)
        halves = np.stack([rng.uniform(0.02, 0.12, count), np.full(count, 2.0)], axis=1)
        layers.append(shapes(centers, halves, np.repeat(board * rng.uniform(0.3, 1.2), count, 0)))
    return np.concatenate(layers)


def _row_of_things(rng: np.random.Generator, floor: float, gap: float) -> np.ndarray:
    width = rng.uniform(0.025, 0.14)
    count = int(min(2.6 / width, 34))
    alike = rng.random() < 0.45
    kinds = natural_colors(rng, 3 if alike else count, 0.35)
    pick = rng.integers(0, len(kinds), count) if alike else np.arange(count)
    if alike:
        pick = np.sort(pick) if rng.random() < 0.6 else pick
    widths = width * (np.full(count, 1.0) if alike else rng.uniform(0.5, 1.5, count))
    x = -1.3 + np.cumsum(widths)
    high = rng.uniform(0.45, 0.95) * np.full(count, gap)
    if not alike:
        high *= rng.uniform(0.7, 1.0, count)
    present = rng.random(count) < rng.uniform(0.7, 1.0)
    centers = np.stack([x - widths / 2, floor - high / 2], axis=1)
    halves = np.stack([widths * rng.uniform(0.35, 0.5), high / 2], axis=1)
    texture = rng.choice(
        [painter.PLAIN, painter.ROUND, painter.ROUND, painter.TEXT, painter.LINES]
    )
    others = natural_colors(rng, len(kinds), 0.3)[pick]
    return shapes(
        centers, halves, kinds[pick], others, texture=texture, scale=rng.uniform(0.4, 2.5),
        shade_y=-0.15, shade_x=rng.normal(0, 0.1), seed=rng.uniform(0, 4),
        angles=0.0 if alike else rng.normal(0, 0.03, count),
    )[present]  # fmt: skip


def _table(rng: np.random.Generator) -> np.ndarray:
    """A surface seen from above with papers, boxes, cups, keyboards on it."""
    layers = [
        _everywhere(
            rng, natural_colors(rng, 1, 0.06)[0],
            texture=rng.choice([painter.WOOD, painter.PLAIN, painter.GRAIN, painter.CLOUD]),
            scale=rng.uniform(0.3, 3), shade_x=rng.normal(0, 0.1), shade_y=rng.normal(0, 0.1),
            rough=rng.uniform(0, 0.06),
        )
    ]  # fmt: skip
    count = int(rng.integers(1, 9))
    centers, halves = rng.uniform(-1.4, 1.4, (count, 2)), np.exp(rng.normal(-1.5, 0.6, (count, 2)))
    angles = rng.normal(0, 0.8, count)
    kinds = np.where(rng.random(count) < 0.25, painter.ELLIPSE, painter.QUAD)
    shade = rng.uniform(-0.08, 0.08, 2)
    shadows = shapes(
        centers + shade, halves * 1.12, np.zeros((count, 3)), angles=angles, kind=kinds,
        opacity=0.4, soft=0.25,
    )  # fmt: skip
    textures = rng.choice(
        [painter.PLAIN, painter.TEXT, painter.TILES, painter.CLOUD, painter.LINES], count
    )
    things = shapes(
        centers, halves, natural_colors(rng, count, 0.2), natural_colors(rng, count, 0.2), angles,
        kind=kinds, texture=textures, scale=rng.uniform(0.5, 4, count),
        shade_x=rng.normal(0, 0.15, count), shade_y=rng.normal(0, 0.15, count),
        seed=rng.uniform(0, 60, count),
    )  # fmt: skip
    layers.append(np.stack([shadows, things], axis=1).reshape(2 * count, -1))
    return np.concatenate(layers)


def _window(rng: np.random.Generator) -> np.ndarray:
    """A bright window in a wall, with bars or blinds."""
    layers = [_wall(rng)]
    count = int(rng.integers(1, 4))
    half = np.array([rng.uniform(0.15, 0.6), rng.uniform(0.4, 1.2)])
    centers = np.stack(
        [
            rng.uniform(-1, 0.3) + np.arange(count) * 2.1 * half[0],
            np.full(count, rng.normal(0, 0.3)),
        ],
        axis=1,
    )
    sky = np.array([0.85, 0.92, 1.0]) * rng.uniform(0.7, 2.5)
    frame = natural_colors(rng, 1, 0.03)
    texture = rng.choice([painter.PLAIN, painter.BLINDS, painter.CLOUD])
    outer = shapes(centers, np.repeat((half * 1.1)[None], count, 0), np.repeat(frame, count, 0))
    inner = shapes(
        centers, np.repeat(half[None], count, 0), np.repeat(sky[None], count, 0),
        np.repeat(sky[None] * rng.uniform(0.2, 0.8), count, 0), texture=texture,
        scale=rng.uniform(0.4, 2), shade_y=rng.uniform(-0.4, 0.2), seed=rng.uniform(0, 60),
    )  # fmt: skip
    return np.concatenate([*layers, outer, inner])


def _greenery(rng: np.random.Generator) -> np.ndarray:
    """Leaves, grass, earth, sky."""
    green = np.array([0.09, 0.14, 0.045]) * np.exp(rng.normal(0, [0.5, 0.35, 0.4]))
    layers = [_everywhere(rng, green, texture=painter.CLOUD, scale=rng.uniform(0.5, 3), rough=0.3)]
    if rng.random() < 0.6:
        sky = np.array([0.5, 0.62, 0.85]) * rng.uniform(0.5, 1.5)
        edge = rng.uniform(-1.2, 0.3)
        layers.append(
            shapes(
                np.array([[0, edge - 2.0]]), np.array([[3.0, 2.0]]), sky[None],
                texture=painter.CLOUD, scale=0.3, shade_y=0.2, seed=rng.uniform(0, 60),
                soft=rng.uniform(0, 0.15),
            )
        )  # fmt: skip
    count = int(rng.integers(15, 60))
    colors = green * np.exp(rng.normal(0, 0.5, (count, 1)) + rng.normal(0, 0.15, (count, 3)))
    layers.append(
        shapes(
            rng.uniform(-1.3, 1.3, (count, 2)), np.exp(rng.normal(-2.0, 0.5, (count, 2))),
            np.minimum(colors, 0.8), angles=rng.uniform(0, 3.14, count), kind=painter.ELLIPSE,
            shade_x=rng.normal(0, 0.2, count), rough=0.2,
        )
    )  # fmt: skip
    return np.concatenate(layers)


def _clutter(rng: np.random.Generator) -> np.ndarray:
    """Things of all sizes over one another; like dead leaves, that has a photograph's spectrum."""
    layers = [_wall(rng)]
    count = int(rng.integers(10, 45))
    # Sizes by a power law, large ones first so that small ones stay visible.
    sizes = np.sort(0.06 / np.maximum(rng.random(count), 0.05) ** 0.75)[::-1]
    aspect = np.exp(rng.normal(0, 0.5, count))
    halves = np.stack([sizes * aspect, sizes / aspect], axis=1)
    upright = rng.random() < 0.5
    textures = rng.choice(
        [painter.PLAIN, painter.PLAIN, painter.CLOUD, painter.TEXT, painter.WOOD, painter.ROUND,
         painter.GRAIN, painter.CHECKER, painter.STRIPES], count,
    )  # fmt: skip
    layers.append(
        shapes(
            rng.uniform(-1.4, 1.4, (count, 2)), halves, natural_colors(rng, count, 0.12),
            natural_colors(rng, count, 0.12),
            rng.normal(0, 0.05, count) if upright else rng.uniform(0, 3.14, count),
            kind=np.where(rng.random(count) < 0.3, painter.ELLIPSE, painter.QUAD),
            texture=textures, scale=rng.uniform(0.3, 4, count),
            shade_x=rng.normal(0, 0.2, count), shade_y=rng.normal(0, 0.2, count),
            rough=rng.uniform(0, 0.12, count), seed=rng.uniform(0, 60, count),
        )
    )  # fmt: skip
    return np.concatenate(layers)


def person(rng: np.random.Generator) -> np.ndarray:
    """Skin-coloured and cloth-like shapes: a face, an arm, a torso, flat and out of focus."""
    tone = sample_skin(rng)
    skin = skin_color(tone, np.array(tone.melanin), np.array(tone.blood))
    x, y, size = rng.uniform(-0.9, 0.9), rng.uniform(-0.9, 0.4), rng.uniform(0.2, 0.6)
    cloth, hair = natural_colors(rng, 2, 0.2)
    hair = hair / hair.max() * rng.uniform(0.01, 0.12)
    dark = skin * 0.3
    centers = np.array([[0, 2.1], [0, -0.25], [0, 0], [0, 1.0], [-0.3, -0.1], [0.3, -0.1],
                        [0, 0.5], [-1.5, 2.0]])  # fmt: skip
    halves = np.array([[1.7, 1.15], [0.82, 0.95], [0.7, 0.95], [0.33, 0.4], [0.13, 0.06],
                       [0.13, 0.06], [0.22, 0.06], [0.25, 1.0]])  # fmt: skip
    colors = np.stack([cloth, hair, skin, skin * 0.85, dark, dark, skin * [0.7, 0.4, 0.4], skin])
    turn = rng.normal(0, 0.3)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return shapes(
        centers @ rotation.T * size + [x, y], halves * size, colors, angles=turn,
        kind=np.array([1, 1, 1, 0, 1, 1, 1, 1.0]), shade_x=rng.normal(0, 0.2), soft=0.05,
        rough=0.05, texture=np.array([painter.CLOUD, *[painter.PLAIN] * 7]),
    )  # fmt: skip


RECIPES: tuple[tuple[Callable[[np.random.Generator], np.ndarray], float], ...] = (
    (_wall, 0.15),
    (_shelves, 0.2),
    (_table, 0.17),
    (_window, 0.11),
    (_greenery, 0.09),
    (_clutter, 0.28),
)
"""What draws a scene (rng -> shapes of its plane), and how often it is used."""

"""Occlusion per pixel, held to depths that are known without our rasterizer."""

import numpy as np
import pytest
import torch

from handmesh_model.ar import meshes
from handmesh_model.ar.camera import Camera
from handmesh_model.ar.performances import pinch, wave
from handmesh_model.ar.renderer import ArRenderer, HandSurface, PlacedMesh
from handmesh_model.topology import HandTopology
from handmesh_model.zbuffer import NOTHING, visible_faces

WIDTH, HEIGHT = 320, 240
INTRINSICS = np.array([[300.0, 0, 159.5], [0, 300.0, 119.5], [0, 0, 1]])


def rays():
    """(H, W, 3) directions with z = 1 through the pixel centres."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    return np.stack([(x - 159.5) / 300, (y - 119.5) / 300, np.ones_like(x)], axis=-1)


def sphere_depth(center, radius):
    """(H, W) depth of a sphere's front by the quadratic formula; infinite where it is not."""
    direction = rays()
    a = (direction**2).sum(-1)
    b = direction @ center
    root = b**2 - a * (center @ center - radius**2)
    return np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def hand_depth(vertices, faces):
    """(H, W) depth of a hand by the project's other z-buffer, which knows nothing of this one."""
    pixels = vertices[:, :2] / vertices[:, 2:] * 300 + [159.5, 119.5]
    points = torch.from_numpy(np.column_stack([pixels, vertices[:, 2]]))[None]
    index = torch.from_numpy(faces.astype(np.int64))
    found = visible_faces(points, index, HEIGHT, WIDTH)[0].numpy()
    a, b, c = (vertices[faces[found.clip(min=0)][..., k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    # The ray meets the face's plane there.
    depth = (normal * a).sum(-1) / (normal * rays()).sum(-1)
    return np.where(found == NOTHING, np.inf, depth)


def at(center):
    pose = np.eye(4)
    pose[:3, 3] = center
    return pose


@pytest.fixture(scope='module')
def hand():
    return wave().frames[0][0].vertices_camera.astype(np.float64)


def near_edges(mask):
    """Pixels beside which the mask changes."""
    edge = np.zeros_like(mask)
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    edge[1:] |= mask[1:] != mask[:-1]
    grown = edge.copy()
    grown[:, :-1] |= edge[:, 1:]
    grown[:-1] |= edge[1:]
    grown[:-1, :-1] |= edge[1:, 1:]
    return grown


@pytest.mark.parametrize('depth', [-0.1, 0.0, 0.02, 0.03, 0.1])
def test_each_pixel_shows_what_is_nearer(hand, depth):
    faces = HandTopology.open_hand().faces_of('right')
    center = hand.mean(axis=0) + np.array([0.01, 0.0, depth])
    radius = 0.04
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    thing = PlacedMesh(meshes.sphere(radius, 4), at(center), (0.9, 0.3, 0.2))
    renderer = ArRenderer(WIDTH, HEIGHT)
    camera = Camera(INTRINSICS)
    image, cover = renderer.draw_with_cover(noise, camera, [thing], [HandSurface(hand, faces)])

    of_sphere, of_hand = sphere_depth(center, radius), hand_depth(hand, faces)
    expected = of_sphere < of_hand
    # Depths closer than the icosphere is to a sphere, and borders within a pixel, are not judged.
    both = np.isfinite(of_sphere) & np.isfinite(of_hand)
    close = both & (np.abs(np.where(both, of_sphere, 0) - np.where(both, of_hand, 1)) < 0.0006)
    edges = near_edges(np.isfinite(of_sphere)) | near_edges(np.isfinite(of_hand))
    judged = ~(edges | near_edges(expected) | close)
    wrong = judged & ((cover > 0.5) != expected)
    assert wrong.sum() == 0
    shown, hidden = judged & expected, judged & np.isfinite(of_sphere) & ~expected
    assert depth > 0.05 or shown.sum() > 200
    assert depth < 0.02 or hidden.sum() > 150
    # Where the hand is nearer its pixels are the camera's own, to the bit.
    np.testing.assert_array_equal(image[judged & ~expected], noise[judged & ~expected])
    changed = (image[shown] != noise[shown]).any(axis=-1)
    assert not len(changed) or changed.mean() > 0.98


def test_hand_margin_moves_the_border(hand):
    faces = HandTopology.open_hand().faces_of('right')
    thing = PlacedMesh(meshes.sphere(0.04, 3), at(hand.mean(axis=0)))
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    renderer, hands = ArRenderer(WIDTH, HEIGHT), [HandSurface(hand, faces)]
    covers = [
        renderer.draw_with_cover(black, Camera(INTRINSICS), [thing], hands, margin)[1].sum()
        for margin in (0.0, 0.01)
    ]
    assert 0 < covers[1] < covers[0]


def test_left_hands_are_wound_the_other_way(hand):
    mirrored = hand * [-1, 1, 1]
    faces = HandTopology.open_hand().faces_of('left')
    box = PlacedMesh(meshes.box(0.3, 0.3, 0.01), at([0, 0, 0.8]))
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    _, alone = renderer.draw_with_cover(black, camera, [box], [])
    _, behind = renderer.draw_with_cover(black, camera, [box], [HandSurface(mirrored, faces)])
    hidden = (alone > 0.5) & (behind < 0.5)
    expected = (alone > 0.5) & np.isfinite(hand_depth(mirrored, faces))
    assert (hidden & expected).sum() / (hidden | expected).sum() > 0.95


def test_edges_are_blended_by_coverage():
    # A wall whose left edge runs through the middle of a column of pixels.
    edge = (160 - 159.5) / 300 * 1.0
    wall = PlacedMesh(meshes.box(0.4, 0.4, 0.001), at([edge + 0.2, 0, 1.0005]), (1.0, 1.0, 1.0))
    _, cover = ArRenderer(WIDTH, HEIGHT).draw_with_cover(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8), Camera(INTRINSICS), [wall], []
    )
    assert cover[120, 159] == 0
    assert cover[120, 160] == pytest.approx(0.5)
    assert cover[120, 161] == 1


def test_things_outside_or_behind_leave_the_image_alone():
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    things = [
        PlacedMesh(meshes.sphere(0.05), at(center))
        for center in ([0, 0, -0.5], [5.0, 0, 1.0], [0, 0, 0.0], [0, -9, 0.3])
    ]
    renderer = ArRenderer(WIDTH, HEIGHT)
    np.testing.assert_array_equal(renderer.draw(image, Camera(INTRINSICS), things, []), image)
    np.testing.assert_array_equal(renderer.draw(image, Camera(INTRINSICS), [], []), image)


def test_opacity_blends_with_the_image():
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    wall = meshes.box(0.5, 0.5, 0.01)
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    solid, clear = (
        renderer.draw(white, camera, [PlacedMesh(wall, at([0, 0, 1.0]), (0, 0, 0), share)], [])
        for share in (1.0, 0.25)
    )
    blended = 0.75 * 255 + 0.25 * solid[120, 160].astype(float)
    np.testing.assert_allclose(clear[120, 160], blended, atol=2)


def wall(depth, color, opacity=1.0):
    return PlacedMesh(meshes.box(0.5, 0.5, 0.01), at([0, 0, depth]), color, opacity)


def test_what_is_translucent_shows_what_is_solid_behind_it():
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    red, green = wall(1.0, (1.0, 0, 0)), wall(0.9, (0, 1.0, 0), 0.25)

    def middle(*objects):
        image, cover = renderer.draw_with_cover(white, camera, objects, [])
        return image[120, 160].astype(float), cover[120, 160]

    solid, _ = middle(red)
    clear, cover = middle(green)
    assert cover == pytest.approx(0.25)
    for order in ((red, green), (green, red)):
        both, cover = middle(*order)
        # The green lets a quarter less of the red through, as it does of the white.
        np.testing.assert_allclose(both, clear + 0.75 * (solid - 255), atol=3)
        assert cover == pytest.approx(1.0)
    hidden, _ = middle(red, wall(1.1, (0, 1.0, 0), 0.25))
    np.testing.assert_array_equal(hidden, solid)


def test_opacity_beyond_one_is_solid():
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    images = [
        renderer.draw_with_cover(white, camera, [wall(1.0, (0.2, 0.5, 0.1), opacity)], [])
        for opacity in (1.0, 5.0)
    ]
    np.testing.assert_array_equal(images[0][0], images[1][0])
    assert images[1][1].max() == 1


@pytest.mark.parametrize('far', [1e39, 1e300, np.inf, np.nan])
def test_things_whose_numbers_are_beyond_bounds_are_left_out(far):
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    mesh = meshes.box(0.5, 0.5, 0.01)
    with np.errstate(over='ignore', invalid='ignore'):
        stretched = PlacedMesh(mesh.scaled(np.array([1.0, far, 1.0])), at([0, 0, 1.0]))
    moved = PlacedMesh(mesh, at([far, 0, 1.0]))
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    np.testing.assert_array_equal(renderer.draw(image, camera, [stretched, moved], []), image)
    near = wall(1.0, (1.0, 0, 0))
    np.testing.assert_array_equal(
        renderer.draw(image, camera, [moved, near], []), renderer.draw(image, camera, [near], [])
    )


def sphere_aside(degrees, camera):
    """Pixels (N, 2) that a small sphere so far off the axis, to the right, is painted on."""
    angle = np.radians(degrees)
    center = 0.5 * np.array([np.sin(angle), 0.0, np.cos(angle)])
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    thing = PlacedMesh(meshes.sphere(0.03), at(center))
    _, cover = ArRenderer(WIDTH, HEIGHT).draw_with_cover(black, camera, [thing], [])
    return np.argwhere(cover > 0)[:, ::-1]


def test_things_beyond_the_lens_are_not_in_the_image():
    # Rays of 59 degrees are the outermost; farther aside this polynomial comes back.
    matrix = INTRINSICS * [[0.5], [0.5], [1]]
    camera = Camera(matrix, np.array([-0.42, 0.18, 0, 0, -0.03]))
    assert len(sphere_aside(40, camera)) > 50
    for degrees in (63, 70, 80):
        assert not len(sphere_aside(degrees, camera))


def test_a_fisheye_shows_things_far_aside_where_they_are():
    matrix = np.array([[100.0, 0, 159.5], [0, 100.0, 119.5], [0, 0, 1]])
    camera = Camera(matrix, np.array([0.001, 0, 0, 0]), fisheye=True)
    middle = sphere_aside(80, camera).mean(axis=0)
    angle = np.radians(80)
    expected = 159.5 + 100 * angle * (1 + 0.001 * angle**2)
    np.testing.assert_allclose(middle, [expected, 119.5], atol=1.0)


def test_held_cube_hides_and_is_hidden():
    """The true scene of the pinch: fingers before and behind the cube, in one picture."""
    frame = pinch().frames[60][0]
    faces = HandTopology.open_hand().faces_of('right')
    tips = frame.joints_camera[[4, 8]].astype(np.float64)
    cube = PlacedMesh(meshes.box(0.03, 0.03, 0.03), at(tips.mean(axis=0)))
    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    renderer, camera = ArRenderer(WIDTH, HEIGHT), Camera(INTRINSICS)
    hand = HandSurface(frame.vertices_camera, faces)
    _, alone = renderer.draw_with_cover(black, camera, [cube], [])
    _, held = renderer.draw_with_cover(black, camera, [cube], [hand])
    seen = np.isfinite(hand_depth(frame.vertices_camera.astype(np.float64), faces))
    both = (alone > 0.5) & seen
    assert (both & (held < 0.5)).sum() > 20
    assert (both & (held > 0.5)).sum() > 5

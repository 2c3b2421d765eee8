"""Crops and frames: what their labels say is what their pixels show."""

from copy import copy

import numpy as np
import pytest

from handmesh_model.crop import CROP_MARGIN, IGNORED_PIXEL
from handmesh_model.sample_rng import sample_rng
from handmesh_model.synthesis import frames
from handmesh_model.synthesis.frames import (
    describe,
    frame_intrinsics,
    image_points,
    render_frame,
)
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.placement import crop_intrinsics, place_hand, sample_hand
from handmesh_model.synthesis.scenes import render_crop_sample
from handmesh_model.synthesis.viewpoints import looking, sample_rotation
from handmesh_model.topology import HandTopology


@pytest.fixture(scope='module')
def samples() -> list[dict]:
    model = HandModel.load()
    return [render_crop_sample(sample_rng(9, number), model, 48) for number in range(60)]


def test_fields_have_the_shapes_of_a_crop_sample(samples: list[dict]) -> None:
    count = HandTopology.open_hand().vertex_count
    for sample in samples:
        assert sample['image'].shape == (48, 48, 3)
        assert sample['image'].dtype == np.uint8
        assert sample['vertices'].shape == (count, 3)
        assert sample['joints'].shape == (21, 3)
        assert sample['mask'].shape == (24, 24)
        assert set(np.unique(sample['mask'])) <= {0, 1, IGNORED_PIXEL}
        assert np.isfinite(sample['vertices']).all()


def test_a_sample_depends_on_its_seed_alone(samples: list[dict]) -> None:
    again = render_crop_sample(sample_rng(9, 17), HandModel.load(), 48)
    for name, value in samples[17].items():
        assert np.array_equal(value, again[name]), name


def test_presence_side_and_mesh_agree(samples: list[dict]) -> None:
    absent = [s for s in samples if s['presence'] == 0]
    left = [s for s in samples if s['side'] == 0]
    right = [s for s in samples if s['side'] == 1]
    assert len(absent) + len(left) + len(right) == len(samples)
    assert 1 <= len(absent) <= 12
    assert 1 <= len(left) <= 14
    assert all(s['side'] == -1 and not s['mesh_valid'] for s in absent)
    assert all(not (s['mask'] == 1).any() for s in absent)
    assert all(s['presence'] == 1 and not s['mesh_valid'] for s in left)
    assert all(s['mesh_valid'] for s in right)


def test_masks_lie_where_the_mesh_is(samples: list[dict]) -> None:
    for sample in samples:
        if sample['presence'] == 0 or (sample['mask'] == 1).sum() < 40:
            continue
        rows, columns = np.nonzero(sample['mask'] == 1)
        low, high = sample['vertices'][:, :2].min(axis=0), sample['vertices'][:, :2].max(axis=0)
        assert columns.min() * 2 >= low[0] - 3
        assert columns.max() * 2 <= high[0] + 3
        assert rows.min() * 2 >= low[1] - 3
        assert rows.max() * 2 <= high[1] + 3


def test_root_relative_depth_is_at_reference_size(samples: list[dict]) -> None:
    reference = HandTopology.open_hand().hand_size
    for sample in samples:
        assert sample['joints'][0, 2] == 0
        assert np.abs(sample['joints'][9, 2]) <= reference * 1.001
        assert np.abs(sample['joints'][:, 2]).max() < 0.25


def test_an_exact_crop_has_the_margin_around_the_hand() -> None:
    rng = np.random.default_rng(4)
    model = HandModel.load()
    hand = place_hand(sample_hand(rng, model), sample_rotation(rng), np.array([0, 0, 1.0]), 0.5)
    flat = image_points(hand.vertices_camera, crop_intrinsics(None, hand.vertices_camera, 128))
    extent = flat.max(axis=0) - flat.min(axis=0)
    assert extent.max() == pytest.approx(128 / CROP_MARGIN, rel=1e-5)
    assert (flat.max(axis=0) + flat.min(axis=0)) / 2 == pytest.approx([63.5, 63.5], abs=1e-4)


def test_typical_views_show_what_they_are_named_for() -> None:
    rotation = looking((0, -1, 0), (0.2, 0, 1))
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert rotation[:, 0] == pytest.approx([0, -1, 0])
    # A right palm shown to the camera has its thumb to the right of the picture.
    assert rotation[0, 1] > 0.9


def test_frames_list_hands_where_they_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HandModel.load()
    sides, sizes, made_from = [], [], {}

    def recording(hand, owner, picture, *others):
        listed = describe(hand, owner, picture, *others)
        # A pixel is seen through four samples.
        share = (picture.owners == owner).reshape(120, 2, 160, 2).mean(axis=(1, 3))
        made_from[listed] = share > 0.5, hand.camera_from_wrist
        return listed

    monkeypatch.setattr(frames, 'describe', recording)
    for seed in range(12):
        frame = render_frame(np.random.default_rng(seed), model, 160, 120, hand_count=2)
        assert frame.image.shape == (120, 160, 3)
        for hand in frame.hands:
            sides.append(hand.side)
            sizes.append(hand.box.height)
            mask, camera_from_wrist = made_from[hand]
            rows, columns = np.nonzero(mask)
            assert 0.1 < hand.visible <= 1
            if len(rows):
                assert rows.min() >= hand.box.y_min - 2
                assert rows.max() <= hand.box.y_max + 2
                assert columns.min() >= hand.box.x_min - 2
                assert columns.max() <= hand.box.x_max + 2
            expected = image_points(hand.joints_camera, frame.intrinsics)
            assert np.allclose(hand.joints_image, expected)
            mirrored = np.linalg.det(camera_from_wrist[:, :3]) < 0
            assert mirrored == (hand.side == 'left') == (hand.box.side == 'left')
    assert set(sides) == {'left', 'right'}
    assert max(sizes) > 2 * min(sizes)


def test_a_hand_is_sampled_with_the_fingers_of_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, model = HandModel.load(), copy(HandModel.load())
    asked: list[np.ndarray] = []

    def posed_joints(angles: np.ndarray) -> np.ndarray:
        asked.append(angles)
        return shipped.posed_joints(angles)

    monkeypatch.setattr(model, 'posed_joints', posed_joints)
    sample_hand(np.random.default_rng(0), model)
    assert asked


def test_frames_without_hands_list_none() -> None:
    frame = render_frame(np.random.default_rng(0), HandModel.load(), 64, 48, hand_count=0)
    assert frame.hands == []


def test_a_hand_that_nothing_covers_is_fully_visible() -> None:
    from handmesh_model.synthesis.actors import add_hand
    from handmesh_model.synthesis.appearance import sample_skin
    from handmesh_model.synthesis.assembly import Assembly
    from handmesh_model.synthesis.finishing import render
    from handmesh_model.synthesis.lighting import sample_light

    model, rng = HandModel.load(), np.random.default_rng(2)
    rotation = looking((0, -1, 0), (0, 0, 1))
    hand = place_hand(sample_hand(rng, model), rotation, np.array([0, 0, 1.0]), 0.5)
    assembly = Assembly()
    add_hand(assembly, model, hand, sample_skin(rng), True, 3)
    intrinsics = frame_intrinsics(160, 120, 150.0)
    middle = np.array([0, 0, 0.5])
    picture = render(assembly, rng, model, intrinsics, 160, 120, middle, sample_light(rng))
    assert describe(hand, 3, picture, intrinsics, model).visible == pytest.approx(1, abs=0.05)
    assert describe(hand, 0, picture, intrinsics, model).visible == 0

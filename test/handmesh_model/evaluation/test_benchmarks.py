"""Benchmarks on records whose answers a stand-in network knows."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handmesh_model import hand_placing
from handmesh_model.camera import project
from handmesh_model.crop import CROP_MARGIN, apply_affine, image_from_crop, invert_affine
from handmesh_model.datasets import FreiHand
from handmesh_model.datasets.egodexter import INTRINSICS as EGODEXTER
from handmesh_model.datasets.egodexter import TipRecord
from handmesh_model.datasets.records import HandRecord
from handmesh_model.errors import ConfigError
from handmesh_model.evaluation import benchmarks
from handmesh_model.evaluation.benchmarks import (
    choose_boxes,
    evaluate_records,
    evaluate_tips,
    whole_picture,
)
from handmesh_model.evaluation.estimates import NetworkRunner
from handmesh_model.hand import HandBox
from handmesh_model.joints import TIPS, WRIST
from handmesh_model.lixels import LixelScale
from handmesh_model.metrics.silhouettes import ALIGNMENT_SIZE, silhouette_scores
from handmesh_model.placement import PIXEL_NOISE, place_in_camera
from handmesh_model.topology import HandTopology

SIZE = 128
INTRINSICS = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])
COUNT = 4


@pytest.fixture(scope='module')
def hand():
    return HandTopology.open_hand()


def meshes(hand, size=1.0, side='right'):
    """The rest hand, of another size, turned, somewhere before the camera."""
    turns = Rotation.random(COUNT, random_state=3).as_matrix()
    mirror = [1, 1, -1 if side == 'left' else 1]
    return [hand.template * size * mirror @ turn.T + [0.01, 0.02, 0.6] for turn in turns]


def picture():
    return np.full((224, 224, 3), 90, dtype=np.uint8)


def make_records(hand, vertices, side='right'):
    return [
        HandRecord(
            name=f'{i}',
            load=picture,
            intrinsics=INTRINSICS,
            side=side,
            joints_camera=hand.joint_regressor @ points,
            vertices_camera=points,
        )
        for i, points in enumerate(vertices)
    ]


class KnowingNet(torch.nn.Module):
    """Gives the true meshes, for the boxes that it will be asked for."""

    def __init__(self, hand, vertices, boxes, intrinsics, depth_factor=1.0):
        super().__init__()
        self.config = SimpleNamespace(input_size=SIZE, heatmap_size=SIZE // 4, depth_axis='camera')
        self.topology = hand
        self.weight = torch.nn.Parameter(torch.zeros(1))
        scale = LixelScale(SIZE, SIZE // 4)
        self.answers = []
        for points, box in zip(vertices, boxes, strict=True):
            affine = invert_affine(image_from_crop(box, SIZE, box.side == 'left'))
            flat = apply_affine(affine, project(points, intrinsics))
            wrist = (hand.joint_regressor @ points)[WRIST, 2]
            depth = (points[:, 2] - wrist) * depth_factor
            self.answers.append(scale.to_lixels(np.column_stack([flat, depth])))

    def forward(self, crops):
        batch = np.stack([self.answers.pop(0) for _ in range(len(crops))])
        vertices = torch.tensor(batch, dtype=torch.float32)
        joints = torch.tensor(self.topology.joint_regressor) @ vertices
        return SimpleNamespace(joints=joints, vertices=vertices, confidence=None, presence=None)


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize(('size', 'metric'), [(1.0, False), (1.15, True), (1.15, False)])
def test_true_meshes_have_perfect_figures(hand, side, size, metric):
    vertices = meshes(hand, size, side)
    records = make_records(hand, vertices, side)
    boxes = choose_boxes(records, 'reference')
    net = KnowingNet(hand, vertices, boxes, INTRINSICS, 1.0 if metric else 1 / size)
    result = evaluate_records(
        NetworkRunner(net, metric_depth=metric, batch_size=3), records, boxes
    )
    scores = result.scores
    assert scores['count'] == COUNT
    assert scores['pa_mpvpe_mm'] < 0.1
    assert scores['pa_mpjpe_mm'] < 0.1
    assert scores['mpjpe_mm'] < 5.0
    assert scores['pa_f_5'] == 1.0
    assert scores['hand_miou'] > 0.99
    assert scores['finger_miou'] > 0.97
    assert scores['hand_hausdorff_px'] <= 1.5


def test_fingertips_are_where_the_dataset_has_them_on_manos_mesh():
    rng = np.random.default_rng(0)
    i = np.arange(778)
    faces = np.stack([i, (i + 1) % 778, (i + 2) % 778], axis=1)
    cloud = rng.normal(size=(778, 3)) * 0.03
    mano = HandTopology(faces, np.eye(21, 778), template=cloud, name='mano')
    vertices = meshes(mano)
    records = make_records(mano, vertices)
    for record, points in zip(records, vertices, strict=True):
        record.joints_camera[[4, 8, 12, 16, 20]] = points[[744, 320, 443, 555, 672]]
    boxes = choose_boxes(records, 'reference')

    def pa_mpjpe(**conventions):
        runner = NetworkRunner(KnowingNet(mano, vertices, boxes, INTRINSICS))
        return evaluate_records(runner, records, boxes, **conventions).scores['pa_mpjpe_mm']

    assert pa_mpjpe(fingertips=FreiHand.fingertips) < 0.1
    assert pa_mpjpe(fingertips=None) > 5


def test_fingertips_of_other_meshes_are_their_own(hand):
    vertices = meshes(hand)
    records = make_records(hand, vertices)
    boxes = choose_boxes(records, 'reference')
    runner = NetworkRunner(KnowingNet(hand, vertices, boxes, INTRINSICS))
    result = evaluate_records(runner, records, boxes, fingertips=FreiHand.fingertips)
    assert result.scores['pa_mpjpe_mm'] < 0.1


def test_part_maps_take_a_byte_a_pixel_and_have_the_same_figures(hand, monkeypatch):
    def scores(predicted, parts):
        assert predicted.dtype == parts.dtype == np.int8
        assert predicted.shape == (COUNT, ALIGNMENT_SIZE, ALIGNMENT_SIZE)
        figures = silhouette_scores(predicted, parts)
        assert figures == silhouette_scores(predicted.astype(np.int64), parts.astype(np.int64))
        return figures

    monkeypatch.setattr(benchmarks, 'silhouette_scores', scores)
    vertices = meshes(hand)
    records = make_records(hand, vertices)
    boxes = choose_boxes(records, 'reference')
    net = KnowingNet(hand, vertices[::-1], boxes, INTRINSICS)
    found = evaluate_records(NetworkRunner(net), records, boxes).scores
    assert 0 < found['finger_miou'] < 0.6


def test_wrong_meshes_are_noticed(hand):
    vertices = meshes(hand)
    records = make_records(hand, vertices)
    boxes = choose_boxes(records, 'reference')
    net = KnowingNet(hand, vertices[::-1], boxes, INTRINSICS)
    result = evaluate_records(NetworkRunner(net), records, boxes, root_relative=True)
    assert result.scores['mpjpe_mm'] > 20
    assert result.scores['finger_miou'] < 0.6
    np.testing.assert_allclose(result.joints[:, WRIST], 0, atol=1e-9)


def test_secret_labels_give_predictions_without_figures(hand):
    vertices = meshes(hand)
    boxes = choose_boxes(make_records(hand, vertices), 'reference')
    records = [HandRecord('x', picture, INTRINSICS, reference_bone=0.03) for _ in vertices]
    result = evaluate_records(
        NetworkRunner(KnowingNet(hand, vertices, boxes, INTRINSICS)), records, boxes
    )
    assert result.scores == {}
    assert result.true_joints is None
    assert result.joints.shape == (COUNT, 21, 3)


def test_boxes(hand):
    records = make_records(hand, meshes(hand), 'left')
    whole = choose_boxes(records, 'image')[0]
    assert whole.side == 'left'
    affine = image_from_crop(whole, 224, mirrored=False)
    np.testing.assert_allclose(affine, [[1, 0, 0], [0, 1, 0]], atol=1e-9)

    found = [HandBox(1, 2, 30, 40, 0.9, 'right')]
    detector = SimpleNamespace(detect=lambda rgb, count: found)
    detected = choose_boxes(records, 'detected', detector)[0]
    assert (detected.x_min, detected.y_max, detected.side) == (1, 40, 'left')
    found.clear()
    assert choose_boxes(records, 'detected', detector)[0].x_min == whole.x_min
    with pytest.raises(ConfigError, match='no detector'):
        choose_boxes(records, 'detected')
    with pytest.raises(ConfigError, match='no labels'):
        choose_boxes([HandRecord('x', picture, INTRINSICS)], 'reference')
    assert whole_picture(np.zeros((480, 640, 3), np.uint8)).center == (319.5, 239.5)


@pytest.mark.parametrize('astray', [0.0, 3.0])
def test_fingertips(hand, tmp_path, astray):
    """``astray``: lixels by which the network's own joints are off, as before it refines."""
    vertices = meshes(hand, side='left')
    path = tmp_path / 'frame.png'
    cv2.imwrite(str(path), picture())
    records = []
    for points in vertices:
        tips = (hand.joint_regressor @ points)[list(TIPS)] + [0.0, 0.03, -0.1]
        tips[1] = np.nan
        records.append(TipRecord(path, 'Desk', tips))
    boxes = [HandBox.around(project(points, EGODEXTER), side='left') for points in vertices]
    net = KnowingNet(hand, vertices, boxes, EGODEXTER)
    net.register_forward_hook(lambda *passed: move_tips(passed[-1].joints, astray))
    result = evaluate_tips(NetworkRunner(net), records, boxes)
    assert np.isnan(result.errors[:, 1]).all()
    assert result.scores['tip_error_mm'] < 3
    assert result.scores['tip_auc_20_50'] == 1.0
    assert result.scores['tip_auc_0_50'] > 0.9


def move_tips(joints, lixels):
    """Neighbours in opposite directions, which no shift takes back."""
    joints[:, list(TIPS), 0] += lixels * torch.tensor([1, -1, 1, -1, 1])


@pytest.mark.parametrize('metric', [True, False])
def test_hands_are_placed_as_users_get_them(hand, monkeypatch, metric):
    vertices = meshes(hand)
    records = make_records(hand, vertices)
    boxes = choose_boxes(records, 'reference')
    asked = []

    def place(*points, **more):
        asked.append(more)
        return place_in_camera(*points, **more)

    monkeypatch.setattr(hand_placing, 'place_in_camera', place)
    net = KnowingNet(hand, vertices, boxes, INTRINSICS)
    evaluate_records(NetworkRunner(net, metric_depth=metric), records, boxes)
    for more, box in zip(asked, boxes, strict=True):
        assert more['pixel_noise'] == pytest.approx(PIXEL_NOISE * CROP_MARGIN * box.longer_side)
        assert more['metric_depth'] is metric


def test_network_computes_in_float32_without_tf32(hand, exact_in):
    exact, seen = exact_in('handmesh_model.evaluation.estimates'), []
    vertices = meshes(hand)
    records = make_records(hand, vertices)
    boxes = choose_boxes(records, 'reference')
    net = KnowingNet(hand, vertices, boxes, INTRINSICS)
    net.register_forward_hook(lambda *_: seen.append(list(exact)))
    evaluate_records(NetworkRunner(net), records, boxes)
    assert seen == [[torch.device('cpu')]]


def test_depth_of_the_open_hands_networks_is_at_reference_size(hand):
    net = SimpleNamespace(
        topology=hand, config=SimpleNamespace(input_size=64, heatmap_size=16, depth_axis='camera')
    )
    assert not NetworkRunner(net).metric_depth
    net.topology = HandTopology(hand.faces, hand.joint_regressor, hand.vertex_parts, name='mano')
    assert NetworkRunner(net).metric_depth

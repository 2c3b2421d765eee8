"""The array edge: what goes in, what comes out, what is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import handmesh_model
from handmesh_model.backends import NetworkResult
from handmesh_model.camera import project
from handmesh_model.checkpoints import read_checkpoint, topology_hash
from handmesh_model.crop import apply_affine, image_from_crop, invert_affine
from handmesh_model.device_image import DeviceImage
from handmesh_model.errors import (
    BackendError,
    CheckpointError,
    ConfigError,
    ImageError,
    IntrinsicsError,
    ShapeError,
)
from handmesh_model.hand import Hand, HandBox, ScaleSource
from handmesh_model.network import NetworkConfig
from handmesh_model.predictor import HandMeshPredictor
from handmesh_model.topology import HandTopology
from handmesh_model.tracker import HandTracker
from handmesh_model.view import View
from handmesh_model.weight_files import chosen_weights, weight_files

CPU = torch.device('cpu')
K = np.array([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1]])
IMAGE = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
BOX = HandBox(100, 60, 200, 180, side='right')
CONFIGS = Path(__file__).parents[2] / 'config'


@pytest.fixture(scope='module')
def predictor(weights_folder: Path) -> HandMeshPredictor:
    return HandMeshPredictor(weights_folder, device='cpu', backend='eager')


def scripted(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch, **outputs: Any
) -> list[np.ndarray]:
    """Let the backend answer with given arrays; returns the crops it will be asked about."""
    asked: list[np.ndarray] = []

    def run(crops: np.ndarray, refine: bool = True) -> NetworkResult:
        asked.append(crops)
        count, vertex_count = len(crops), predictor.topology.vertex_count
        answers = {
            'vertices': np.full((count, vertex_count, 3), 8, np.float32),
            'joints': np.full((count, 21, 3), 8, np.float32),
            'presence': np.ones(count, np.float32),
            'right': np.ones(count, np.float32),
            'confidence': np.ones((count, 21), np.float32),
        }
        for name, value in outputs.items():
            answers[name] = value(crops) if callable(value) else value[:count]
        return NetworkResult(**answers)

    monkeypatch.setattr(predictor.backend, 'run', run)
    return asked


def test_public_names_are_importable() -> None:
    for name in handmesh_model.__all__:
        assert getattr(handmesh_model, name).__name__ == name
    with pytest.raises(AttributeError, match='no_such_name'):
        _ = handmesh_model.no_such_name


def test_without_refining_joints_come_from_the_rough_mesh(predictor: HandMeshPredictor) -> None:
    (refined,) = predictor.predict(IMAGE, K, [BOX])
    (rough,) = predictor.predict(IMAGE, K, [BOX], refine=False)
    (again,) = predictor.predict(IMAGE, K, [BOX])
    assert (refined.refined, rough.refined, again.refined) == (True, False, True)
    assert np.abs(rough.vertices_image - refined.vertices_image).max() > 1e-3
    regressor = predictor.topology.joint_regressor
    np.testing.assert_allclose(rough.joints_image, regressor @ rough.vertices_image, atol=1e-2)
    np.testing.assert_array_equal(again.vertices_image, refined.vertices_image)


def test_hand_has_every_field_in_its_shape(predictor: HandMeshPredictor) -> None:
    (hand,) = predictor.predict(IMAGE, K, [BOX])
    vertex_count = predictor.topology.vertex_count
    assert hand.side == 'right'
    assert 0 <= hand.score <= 1
    assert hand.joints_image.shape == (21, 2)
    assert hand.joints_confidence.shape == (21,)
    assert hand.vertices_image.shape == (vertex_count, 2)
    assert hand.joints_camera.shape == (21, 3)
    assert hand.vertices_camera.shape == (vertex_count, 3)
    assert hand.wrist_pose.shape == (4, 4)
    assert hand.wrist_covariance.shape == (6, 6)
    assert hand.scale_source is ScaleSource.MEAN
    assert hand.box == HandBox.around(hand.vertices_image, score=hand.score, side='right')
    np.testing.assert_allclose(project(hand.vertices_camera, K), hand.vertices_image, atol=1e-6)


def test_without_intrinsics_hands_are_root_relative(predictor: HandMeshPredictor) -> None:
    (hand,) = predictor.predict(IMAGE, boxes=[BOX])
    assert not hand.is_metric
    assert not hand.joints_camera[0].any()


def test_network_output_comes_back_to_the_pixels_it_was_seen_at(
    predictor: HandMeshPredictor, topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A perfect network's answer, for either side, gives the true hand in metres."""
    assert topology.template is not None
    for side, flip in (('right', 1), ('left', -1)):
        truth = topology.template.astype(float)[:, [1, 0, 2]] * (flip, -1, 1) + (0.03, 0.05, 0.5)
        pixels = project(truth, K)
        box = HandBox.around(pixels, side=side)
        crop = apply_affine(invert_affine(image_from_crop(box, 64, side == 'left')), pixels)
        depth = (truth[:, 2] - truth[0, 2]) / 0.15 * 8 + 8
        lixels = np.column_stack([crop / 4, depth]).astype(np.float32)[None]
        scripted(predictor, monkeypatch, vertices=lixels, joints=lixels[:, :21])
        (hand,) = predictor.predict(IMAGE, K, [box])
        assert hand.side == side
        np.testing.assert_allclose(hand.vertices_image, pixels, atol=1e-3)
        np.testing.assert_allclose(hand.vertices_camera, truth, atol=1e-3)
        assert hand.scale_note == ''
        (without,) = predictor.predict(IMAGE, K, [box], np.zeros((240, 320), np.uint16))
        np.testing.assert_array_equal(without.vertices_camera, hand.vertices_camera)
        assert without.scale_source is ScaleSource.MEAN
        assert 'depth is known at 0 of' in without.scale_note


@pytest.mark.parametrize(('name', 'unit'), [('mano-right', 1.0), ('open-skeleton', 1.15)])
def test_depth_is_taken_as_networks_of_the_topology_give_it(
    predictor: HandMeshPredictor,
    topology: HandTopology,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    unit: float,
) -> None:
    """In metres, or for a hand of the topology's size; a known size is right for both."""
    assert topology.template is not None
    turn = np.array([[0, 1, 0], [-0.8, 0, 0.6], [0.6, 0, 0.8]])
    truth = 1.15 * topology.template.astype(float) @ turn.T + (0.03, 0.05, 0.5)
    pixels = project(truth, K)
    box = HandBox.around(pixels, side='right')
    crop = apply_affine(invert_affine(image_from_crop(box, 64, False)), pixels)
    depth = (truth[:, 2] - truth[0, 2]) / unit / 0.15 * 8 + 8
    lixels = np.column_stack([crop / 4, depth]).astype(np.float32)[None]
    scripted(predictor, monkeypatch, vertices=lixels, joints=lixels[:, :21])
    monkeypatch.setattr(predictor, 'hand_size', 1.15 * predictor.topology.hand_size)
    monkeypatch.setattr(predictor.topology, 'name', name)
    (hand,) = predictor.predict(IMAGE, K, [box])
    assert hand.scale_source is ScaleSource.PARAMETER
    np.testing.assert_allclose(hand.vertices_camera, truth, atol=1e-3)


@pytest.mark.parametrize(('angle', 'is_told'), [(20, True), (60, True), (84, False), (92, False)])
def test_hand_beyond_the_lens_is_not_placed(
    predictor: HandMeshPredictor,
    topology: HandTopology,
    monkeypatch: pytest.MonkeyPatch,
    angle: float,
    is_told: bool,
) -> None:
    """An equidistant lens's pixels at 90 degrees and more belong to no ray before the camera."""
    assert topology.template is not None
    wide = np.array([[280.0, 0, 640], [0, 280, 480], [0, 0, 1]])
    turn = np.deg2rad(angle)
    center = 0.5 * np.array([np.sin(turn), 0, np.cos(turn)])
    truth = topology.template.astype(float)[:, [1, 0, 2]] * (1, -1, 1) + center
    theta = np.arctan2(np.hypot(truth[:, 0], truth[:, 1]), truth[:, 2])
    way = truth[:, :2] / np.linalg.norm(truth[:, :2], axis=1, keepdims=True)
    pixels = 280 * theta[:, None] * way + wide[:2, 2]
    box = HandBox.around(pixels, side='right')
    crop = apply_affine(invert_affine(image_from_crop(box, 64, False)), pixels)
    depth = (truth[:, 2] - truth[0, 2]) / 0.15 * 8 + 8
    lixels = np.column_stack([crop / 4, depth]).astype(np.float32)[None]
    scripted(predictor, monkeypatch, vertices=lixels, joints=lixels[:, :21])
    image = np.zeros((960, 1280, 3), np.uint8)
    shot = np.full((960, 1280), 0.5, np.float32)
    for map_of_depth in (None, shot):
        (hand,) = predictor.predict(
            image, wide, [box], map_of_depth, distortion=np.zeros(4), fisheye=True
        )
        assert hand.is_metric is is_told
        np.testing.assert_allclose(hand.vertices_image, pixels, atol=1e-3)
        assert ('off the camera axis' in hand.scale_note) is not is_told
        if not is_told:
            assert not hand.joints_camera[0].any()
            assert np.abs(hand.vertices_camera).max() < 0.5
        elif map_of_depth is None:
            np.testing.assert_allclose(hand.vertices_camera, truth, atol=1e-3)


def test_known_hand_size_scales_the_metres(weights_folder: Path) -> None:
    predictor = HandMeshPredictor(weights_folder, backend='eager', hand_size=0.08)
    (hand,) = predictor.predict(IMAGE, K, [BOX])
    assert hand.scale_source is ScaleSource.PARAMETER
    assert hand.hand_size == 0.08
    # Networks for other topologies give depth in metres, which is not scaled.
    predictor.topology.name = 'open-skeleton'
    (hand,) = predictor.predict(IMAGE, K, [BOX])
    predictor.hand_size = None
    mean = predictor.predict(IMAGE, K, [BOX])[0]
    ratio = hand.joints_camera[0, 2] / mean.joints_camera[0, 2]
    assert ratio == pytest.approx(0.08 / predictor.topology.hand_size, rel=1e-3)


def test_box_without_side_is_tried_mirrored_if_it_looks_left(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def brighter_on_the_right(crops: np.ndarray) -> np.ndarray:
        halves = crops[:, :, :32].mean(axis=(1, 2, 3)), crops[:, :, 32:].mean(axis=(1, 2, 3))
        return np.where(halves[1] > halves[0], 0.9, 0.1).astype(np.float32)

    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :150] = 255
    asked = scripted(predictor, monkeypatch, right=brighter_on_the_right)
    unknown = HandBox(100, 60, 200, 180)
    assert predictor.predict(image, boxes=[unknown])[0].side == 'left'
    assert len(asked) == 2
    np.testing.assert_array_equal(asked[1], asked[0][:, :, ::-1])
    assert predictor.predict(image[:, ::-1], boxes=[unknown])[0].side == 'right'
    # A side that the caller knows is a fact.
    assert predictor.predict(image, boxes=[BOX])[0].side == 'right'


@pytest.mark.parametrize('seen', [0.02, 0.98])
def test_side_that_the_user_knows_is_not_asked_for(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch, seen: float
) -> None:
    right = np.full(2, seen, np.float32)
    asked = scripted(predictor, monkeypatch, right=right)
    monkeypatch.setattr(predictor, 'detect', lambda rgb: [HandBox(100, 60, 200, 180)])
    monkeypatch.setattr(predictor, 'side', 'left')
    (hand,) = predictor.predict(IMAGE)
    assert hand.side == 'left'
    found = predictor.predict(IMAGE, boxes=[BOX, HandBox(100, 60, 200, 180)])
    assert [hand.side for hand in found] == ['left', 'left']
    # The box that was found is looked at once more, as the scripted mesh is a point in it.
    assert [len(crops) for crops in asked] == [1, 1, 2]


def test_given_boxes_are_answered_one_by_one_in_order(predictor: HandMeshPredictor) -> None:
    boxes = [BOX, HandBox(10, 10, 60, 60, side='left'), HandBox(250, 100, 310, 160, side='right')]
    hands = predictor.predict(IMAGE, K, boxes)
    assert [hand.side for hand in hands] == ['right', 'left', 'right']
    assert predictor.predict(IMAGE, K, []) == []


def test_detected_boxes_without_hand_and_duplicates_are_left_out(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = np.random.default_rng(0).uniform(3, 13, (1, predictor.topology.vertex_count, 3))
    vertices = np.repeat(spread, 3, axis=0).astype(np.float32)
    found = [BOX, HandBox(102, 61, 203, 178, side='right'), HandBox(10, 10, 60, 60, side='left')]
    monkeypatch.setattr(predictor, 'detect', lambda rgb: found)
    presence = np.array([0.8, 0.9, 0.2], np.float32)
    scripted(predictor, monkeypatch, vertices=vertices, joints=vertices[:, :21], presence=presence)
    hands = predictor.predict(IMAGE)
    assert [hand.score for hand in hands] == pytest.approx([0.9])


def test_a_network_without_heads_goes_by_the_boxes(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor.estimator, 'tells_presence', False)
    monkeypatch.setattr(predictor.estimator, 'tells_side', False)
    found = [replace(BOX, score=0.8), HandBox(10, 10, 60, 60, score=0.4)]
    monkeypatch.setattr(predictor, 'detect', lambda rgb: found)
    asked = scripted(predictor, monkeypatch)
    (hand,) = predictor.predict(IMAGE)
    assert (hand.side, hand.score) == ('right', pytest.approx(0.8))
    # Once, and once more around the mesh that was found, but never mirrored.
    assert [len(crops) for crops in asked] == [2, 2]


def test_the_network_chooses_among_more_boxes_than_hands_are_wanted(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = np.random.default_rng(0).uniform(3, 13, (1, predictor.topology.vertex_count, 3))
    vertices = np.repeat(spread, 3, axis=0).astype(np.float32)
    found = [BOX, HandBox(220, 61, 303, 178, side='right'), HandBox(10, 10, 60, 60, side='left')]
    monkeypatch.setattr(predictor, 'detect', lambda rgb: found)
    monkeypatch.setattr(predictor, 'max_hands', 1)
    presence = np.array([0.6, 0.7, 0.9], np.float32)
    scripted(predictor, monkeypatch, vertices=vertices, joints=vertices[:, :21], presence=presence)
    (hand,) = predictor.predict(IMAGE)
    assert hand.side == 'left'
    assert hand.score == pytest.approx(0.9)


def test_backend_of_the_cpu_runs_there_on_a_machine_with_a_gpu(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    predictor = HandMeshPredictor(weights_folder, backend='openvino')
    assert predictor.device.type == 'cpu'
    assert len(predictor.predict(IMAGE, K, [BOX])) == 1
    predictor.close()


def test_threads_that_share_a_predictor_take_turns(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thread stays in the network until the second one has had every chance to come."""
    boxes = [BOX, HandBox(10, 10, 60, 60, side='left')]
    alone = [predictor.predict(IMAGE, K, [box])[0].vertices_image for box in boxes]
    run, inside, most = predictor.backend.run, [0], [0]
    entered, asked = threading.Event(), threading.Event()

    def watched(crops: np.ndarray, refine: bool = True) -> NetworkResult:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        entered.set()
        assert asked.wait(60)
        result = run(crops, refine)
        inside[0] -= 1
        return result

    class Lock:
        """Says that somebody has to wait."""

        def __init__(self) -> None:
            self.lock = threading.RLock()

        def __enter__(self) -> None:
            if not self.lock.acquire(blocking=False):
                asked.set()
                self.lock.acquire()

        def __exit__(self, *error: object) -> None:
            self.lock.release()

    monkeypatch.setattr(predictor.backend, 'run', watched)
    monkeypatch.setattr(predictor, 'lock', Lock())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(predictor.predict, IMAGE, K, boxes[:1])
        assert entered.wait(60)
        second = pool.submit(predictor.predict, IMAGE, K, boxes[1:])
        found = [future.result()[0].vertices_image for future in (first, second)]
    assert most == [1]
    np.testing.assert_array_equal(found, alone)


def test_stages_are_timed(predictor: HandMeshPredictor) -> None:
    predictor.predict(IMAGE, K, [BOX])
    seconds = predictor.stopwatch.seconds
    assert {'crop', 'network', 'place'} == set(seconds)
    assert all(0 < value < 60 for value in seconds.values())
    predictor.predict(IMAGE)
    assert 'detect' in predictor.stopwatch.seconds


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        ((IMAGE.astype(float),), ImageError, 'float64'),
        ((IMAGE[..., 0],), ShapeError, r'\(240, 320\)'),
        ((IMAGE[:0],), ImageError, 'empty'),
        ((IMAGE, np.zeros((3, 3))), IntrinsicsError, 'zero'),
        ((IMAGE, np.full((3, 3), np.nan)), IntrinsicsError, 'NaN'),
        ((IMAGE, np.eye(3)), IntrinsicsError, 'focal lengths 1, 1 for images of 320 x 240'),
        ((IMAGE, None, [HandBox(0, 0, np.nan, 9)]), ImageError, 'nan'),
        ((IMAGE, K, [BOX], np.ones((120, 160), np.uint16)), ShapeError, r'depth .*\(240, 320\)'),
        ((IMAGE, K, [BOX], np.ones((240, 320), np.uint8)), ImageError, 'depth has dtype uint8'),
        ((IMAGE, None, [BOX], np.ones((240, 320))), IntrinsicsError, 'depth is given without'),
        ((IMAGE, None, [], None, np.ones(5)), IntrinsicsError, 'distortion is given without'),
        ((IMAGE, K, [], None, np.ones(3)), IntrinsicsError, 'distortion has 3 coefficients'),
        ((IMAGE, K, [], None, np.ones(5), True), IntrinsicsError, 'distortion has 5 coefficients'),
        ((IMAGE, K, [], None, np.full(4, np.nan)), IntrinsicsError, 'distortion .* holds NaN'),
        ((IMAGE, K, [], None, None, True), IntrinsicsError, 'fisheye is given without distortion'),
        ((IMAGE, K, [], None, np.zeros(0), True), IntrinsicsError, 'fisheye is given without'),
        ((IMAGE, None, [HandBox(900, 0, 950, 90)]), ImageError, '320 x 240'),
    ],
)
def test_bad_input_is_named(
    predictor: HandMeshPredictor, arguments: tuple, error: type, text: str
) -> None:
    with pytest.raises(error, match=text):
        predictor.predict(*arguments)


@pytest.mark.parametrize('coefficients', [0, 5])
def test_lens_that_bends_nothing_is_none(predictor: HandMeshPredictor, coefficients: int) -> None:
    for intrinsics in (None, K):
        assert predictor.predict(IMAGE, intrinsics, [], distortion=np.zeros(coefficients)) == []
    assert View.of(IMAGE, K, np.zeros(coefficients), False, None).distortion is None


def test_who_overrides_place_places_hands(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = predictor.place

    def further(*arguments: Any) -> Hand:
        return replace(place(*arguments), scale_note='by another')

    monkeypatch.setattr(predictor, 'place', further)
    (hand,) = predictor.predict(IMAGE, K, [BOX])
    assert hand.scale_note == 'by another'


def test_an_array_that_gets_another_picture_is_looked_at_anew(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a capture loop. What is on a device must not be the picture before."""
    looked_at: list[torch.Tensor] = []

    class Detector:
        def detect(self, picture: DeviceImage, most: int) -> list[HandBox]:
            looked_at.append(picture.on(torch.device('cpu')))
            return []

    monkeypatch.setattr(predictor, '_detector', Detector())
    tracker = HandTracker(predictor)
    for look in (predictor.predict, lambda buffer: tracker.update(buffer, 0.0)):
        buffer = np.zeros((48, 64, 3), np.uint8)
        look(buffer)
        buffer[:] = 200
        predictor.detect(buffer)
        before, now = looked_at[-2:]
        assert not before.any()
        assert (now == 200).all()


def test_network_that_gives_nan_is_an_error(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = np.full((1, predictor.topology.vertex_count, 3), np.nan, np.float32)
    scripted(predictor, monkeypatch, vertices=broken)
    with pytest.raises(BackendError, match='NaN'):
        predictor.predict(IMAGE, K, [BOX])


def test_a_device_without_room_for_a_picture_is_an_error(
    predictor: HandMeshPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')

    monkeypatch.setattr('handmesh_model.estimator.crop_hands', fail)
    with pytest.raises(BackendError, match='hands cannot be cut out on cpu: CUDA out of memory'):
        predictor.predict(IMAGE, K, [BOX])


@pytest.mark.parametrize('boxes', [None, [BOX]])
@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize('head', ['presence', 'right', 'confidence'])
def test_a_head_that_gives_nan_is_an_error(
    predictor: HandMeshPredictor,
    monkeypatch: pytest.MonkeyPatch,
    head: str,
    value: float,
    boxes: list[HandBox] | None,
) -> None:
    """It would be a hand of no score, or no hand for ever."""
    monkeypatch.setattr(predictor, 'detect', lambda rgb: [BOX])
    broken = np.full((4, 21) if head == 'confidence' else 4, value, np.float32)
    scripted(predictor, monkeypatch, **{head: broken})
    with pytest.raises(BackendError, match=f"NaN or infinite values in '{head}', expected finite"):
        predictor.predict(IMAGE, K, boxes)


@pytest.mark.parametrize(
    ('arguments', 'error', 'text'),
    [
        ({'weights': '/no/such/file'}, CheckpointError, '/no/such/file'),
        ({'device': 'abacus'}, BackendError, 'abacus'),
        ({'backend': 'steam'}, BackendError, 'steam'),
        ({'max_hands': 0}, ConfigError, '0'),
        ({'hand_size': 9.0}, ConfigError, '9'),
        ({'hand_size': float('nan')}, ConfigError, 'nan'),
        ({'side': 'upper'}, ConfigError, "side is 'upper', expected 'left', 'right' or None"),
    ],
)
def test_bad_settings_are_named(
    weights_folder: Path, arguments: dict[str, Any], error: type, text: str
) -> None:
    with pytest.raises(error, match=text):
        HandMeshPredictor(**({'weights': weights_folder} | arguments))


@pytest.mark.parametrize(
    ('weights', 'device', 'chosen'),
    [
        ('auto', 'cpu', 'open'),
        ('auto', 'cuda', 'open-large'),
        ('auto', 'cuda:1', 'open-large'),
        ('open', 'cuda', 'open'),
        ('my/weights', 'cpu', 'my/weights'),
    ],
)
def test_auto_takes_the_large_network_where_there_is_a_gpu(
    weights: str, device: str, chosen: str
) -> None:
    assert chosen_weights(weights, torch.device(device)) == chosen
    if chosen.startswith('open'):
        files = weight_files(weights, torch.device(device))
        assert files == weight_files(chosen, CPU)


def test_a_folder_called_like_shipped_weights_does_not_hide_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = weight_files('open', CPU)
    (tmp_path / 'open').mkdir()
    monkeypatch.chdir(tmp_path)
    assert weight_files('open', CPU) == shipped
    with pytest.raises(CheckpointError, match=r'open/mesh\.safetensors'):
        weight_files(tmp_path / 'open', CPU)


def test_a_tilde_is_the_home_of_the_user(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HOME', str(weights_folder.parent))
    folder = f'~/{weights_folder.name}'
    expected = weight_files(weights_folder, CPU)
    assert weight_files(folder, CPU) == expected
    assert weight_files(f'{folder}/mesh.safetensors', CPU) == expected
    with pytest.raises(CheckpointError, match='no weights file'):
        weight_files('~nobody-of-this-name/weights', CPU)


@pytest.mark.parametrize(('name', 'size'), [('open', 'compact'), ('open-large', 'large')])
def test_shipped_weights_are_of_the_networks_that_the_configurations_describe(
    name: str, size: str
) -> None:
    checkpoint = read_checkpoint(name)
    values = yaml.safe_load((CONFIGS / f'network_{size}.yaml').read_text())
    assert checkpoint.config == NetworkConfig.from_dict(values)
    assert topology_hash(checkpoint.topology) == topology_hash(HandTopology.open_hand())

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch

from handmesh_model.backends.detector import EagerDetector, OpenVinoDetector
from handmesh_model.crop import crop_hands
from handmesh_model.detector import HandDetector, letterbox, letterbox_on_device
from handmesh_model.device_image import DeviceImage, crop_on_device
from handmesh_model.estimator import HandEstimator
from handmesh_model.hand import HandBox
from handmesh_model.network.hand_detector import HandDetectorNet

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def rgb() -> np.ndarray:
    """A picture with detail, but none finer than a few pixels."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    return cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)


def test_a_picture_is_uploaded_once_and_a_new_one_again(rgb: np.ndarray) -> None:
    estimator = HandEstimator.__new__(HandEstimator)
    memory = rgb.copy()
    first = estimator.open(memory).on(CPU)
    assert estimator.picture(memory).on(CPU) is first
    memory[:] = 7  # a camera writes the next picture into the same memory
    estimator.open(memory)
    assert (estimator.picture(memory).on(CPU) == 7).all()
    assert estimator.picture(rgb).on(CPU) is not estimator.picture(rgb).on(CPU)


@pytest.fixture
def _torch_repeats_its_warnings() -> Iterator[None]:
    """It gives some of them once a process, and an earlier test may have had them."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures('_torch_repeats_its_warnings')
def test_a_read_only_view_can_be_uploaded(
    rgb: np.ndarray, recwarn: pytest.WarningsRecorder
) -> None:
    view = rgb[::2, ::-1]
    view.flags.writeable = False
    np.testing.assert_array_equal(DeviceImage(view).on(CPU).numpy(), view)
    assert not recwarn.list


@pytest.mark.parametrize('side', [40.0, 100.0, 300.0, 470.0])
def test_crops_are_those_of_the_cpu(rgb: np.ndarray, side: float) -> None:
    boxes = [
        HandBox(200, 60, 200 + side, 60 + 0.7 * side, side='right'),
        HandBox(-0.4 * side, 300, 0.6 * side, 300 + side, side='left'),
        HandBox(150.3, 20.7, 190.1, 61.2, side='left'),
    ]
    expected = crop_hands(rgb, boxes, 64)
    actual = crop_on_device(DeviceImage(rgb).on(CPU), expected.image_from_crop, 64)
    assert actual.shape == expected.images.shape
    assert actual.dtype == torch.uint8
    difference = np.abs(actual.numpy().astype(int) - expected.images)
    # OpenCV interpolates in steps of 1/32 pixel.
    assert difference.mean() < 1.5
    assert np.percentile(difference, 99) < 8


def test_the_letterbox_is_that_of_the_cpu(rgb: np.ndarray) -> None:
    for picture in (rgb, np.ascontiguousarray(rgb[:300, :100]), rgb[:90, :120]):
        expected, actual = letterbox(picture), letterbox_on_device(DeviceImage(picture).on(CPU))
        assert actual[1:] == expected[1:]
        difference = np.abs(np.asarray(actual.image).astype(int) - np.asarray(expected.image))
        assert difference.mean() < 3


def test_openvino_detects_what_pytorch_detects(rgb: np.ndarray) -> None:
    torch.manual_seed(0)
    net = HandDetectorNet(8).train()
    with torch.no_grad():
        for _ in range(4):
            net(torch.rand(4, 3, 64, 96))
        net.heads.weight.mul_(50)
    eager = EagerDetector(net, CPU)
    compiled = OpenVinoDetector(net)
    for picture in (rgb, np.ascontiguousarray(rgb.transpose(1, 0, 2)), rgb):
        image = letterbox(picture).image
        for a, b in zip(eager.run(image), compiled.run(image), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-3)
    ours = HandDetector(net, backend='openvino').detect(rgb, 5, 0.0)
    theirs = HandDetector(net).detect(DeviceImage(rgb), 5, 0.0)
    assert len(ours) == 5
    for a, b in zip(ours, theirs, strict=True):
        assert a.center == pytest.approx(b.center, abs=0.05)

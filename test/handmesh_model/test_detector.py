"""Letterbox, peaks and boxes of the detector."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from handmesh_model import detector as detector_module
from handmesh_model.backends.folding import fold_norms
from handmesh_model.detector import (
    HandDetector,
    decode,
    letterbox,
    load_detector,
    save_detector,
)
from handmesh_model.errors import BackendError, CheckpointError, ShapeError
from handmesh_model.hand import HandBox
from handmesh_model.network.hand_detector import DetectorOutputs, HandDetectorNet


def quiet_maps(height: int = 18, width: int = 24) -> DetectorOutputs:
    return DetectorOutputs(
        torch.full((1, height, width), -6.0),
        torch.zeros(1, height, width),
        torch.zeros(1, 4, height, width),
    )


def put(outputs: DetectorOutputs, row: int, column: int, heat: float, side: float) -> None:
    outputs.heat[0, row, column] = heat
    outputs.side[0, row, column] = side


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        ((480, 640), (160, 192)),
        ((720, 1280), (128, 192)),
        ((256, 256), (192, 192)),
        ((50, 40), (192, 160)),
        ((1, 700), (32, 192)),
    ],
)
def test_letterbox_fits_the_longer_side(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    small = letterbox(np.full((*shape, 3), 255, np.uint8))
    assert small.image.shape == (*expected, 3)
    assert small.image[0, 0].min() == 255


def test_decoded_box_is_where_the_maps_say() -> None:
    outputs = quiet_maps()
    put(outputs, 5, 7, heat=3.0, side=4.0)
    outputs.box[0, :, 5, 7] = torch.tensor([0.25, -0.5, np.log(2), 0.0])
    ((box,),) = decode(outputs, 2, 0.3)
    assert box.center == pytest.approx(((7.5 + 0.25) * 8 - 0.5, (5.5 - 0.5) * 8 - 0.5))
    assert (box.width, box.height) == pytest.approx((64, 32))
    assert box.side == 'right'
    assert box.score == pytest.approx(torch.tensor(3.0).sigmoid().item())


def test_best_boxes_first_and_no_hand_twice() -> None:
    outputs = quiet_maps()
    put(outputs, 3, 3, heat=1.0, side=-4.0)
    put(outputs, 10, 10, heat=2.0, side=0.1)
    put(outputs, 10, 12, heat=1.5, side=4.0)
    put(outputs, 15, 20, heat=-2.0, side=4.0)
    outputs.box[0, 2:] = 0.7
    (boxes,) = decode(outputs, 4, 0.3)
    assert [box.side for box in boxes] == [None, 'left']
    assert len(decode(outputs, 1, 0.3)[0]) == 1
    assert decode(quiet_maps(), 4, 0.3) == [[]]


def test_boxes_are_in_pixels_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = HandDetector(HandDetectorNet(4))
    outputs = quiet_maps(20, 24)
    put(outputs, 8, 11, heat=3.0, side=4.0)
    monkeypatch.setattr(detector.runner, 'run', lambda image: outputs)
    (box,) = detector.detect(np.zeros((480, 640, 3), np.uint8))
    assert box.center == pytest.approx((11.5 * 8 / 0.3 - 0.5, 8.5 * 8 / 0.3 - 0.5))
    assert box.width == pytest.approx(32 / 0.3)


def test_wild_maps_give_finite_boxes_around_pixels_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = HandDetector(HandDetectorNet(4))
    generator = torch.Generator().manual_seed(0)
    outputs = DetectorOutputs(
        *(torch.randn(*m.shape, generator=generator) * 30 for m in quiet_maps())
    )
    monkeypatch.setattr(detector.runner, 'run', lambda image: outputs)
    boxes = detector.detect(np.zeros((470, 640, 3), np.uint8), max_hands=20)
    assert boxes
    for box in boxes:
        assert np.isfinite([box.x_min, box.y_min, box.x_max, box.y_max]).all()
        assert box.x_min < 640
        assert box.y_min < 470


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('name', DetectorOutputs._fields)
def test_maps_that_hold_nan_are_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    """They would be no hand for ever, or one that is nowhere."""
    detector = HandDetector(HandDetectorNet(4))
    outputs = quiet_maps()
    getattr(outputs, name)[..., 5, 7] = value
    monkeypatch.setattr(detector.runner, 'run', lambda image: outputs)
    with pytest.raises(BackendError, match=f"NaN or infinite values in '{name}', expected finite"):
        detector.detect(np.zeros((480, 640, 3), np.uint8))


def test_fusing_changes_nothing() -> None:
    torch.manual_seed(1)
    net = HandDetectorNet(8)
    images = torch.rand(2, 3, 64, 96)
    for _ in range(3):
        net(torch.rand(4, 3, 64, 96))
    net.eval()
    with torch.no_grad():
        before = net(images)
        fold_norms(net)
        after = net(images)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_picture_size_must_suit_the_strides() -> None:
    with pytest.raises(ShapeError, match='multiples of 32'):
        HandDetectorNet(4)(torch.zeros(1, 3, 60, 64))


def test_weights_survive_the_file(tmp_path: Path) -> None:
    net = HandDetectorNet(8)
    save_detector(tmp_path / 'd.safetensors', net, {'images': 3})
    again = load_detector(tmp_path / 'd.safetensors')
    assert again.width == 8
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_loading_leaves_the_random_state_alone_and_the_weights_trainable(tmp_path: Path) -> None:
    save_detector(tmp_path / 'd.safetensors', HandDetectorNet(8).half(), {})
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    net = load_detector(tmp_path / 'd.safetensors')
    assert torch.rand(1).equal(expected)
    assert all(p.requires_grad and p.dtype == torch.float32 for p in net.parameters())
    assert net.eval()(torch.rand(1, 3, 32, 32)).heat.shape == (1, 4, 4)


def test_a_small_file_makes_no_large_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[HandDetectorNet] = []

    class Noted(HandDetectorNet):
        def __init__(self, width: int) -> None:
            super().__init__(width)
            made.append(self)

    monkeypatch.setattr(detector_module, 'HandDetectorNet', Noted)
    path = tmp_path / 'd.safetensors'
    save_file({'x': torch.zeros(1)}, path, {'detector': '{"width": 512}'})
    with pytest.raises(CheckpointError, match=r'and \d+ more'):
        load_detector(path)
    assert all(parameter.is_meta for parameter in made[0].parameters())


def test_damaged_weights_are_named(tmp_path: Path, weights_folder: Path) -> None:
    with pytest.raises(CheckpointError, match='nothing'):
        load_detector(tmp_path / 'nothing')
    (tmp_path / 'text').write_text('no weights')
    with pytest.raises(CheckpointError, match='text'):
        load_detector(tmp_path / 'text')
    with pytest.raises(CheckpointError, match='no detector'):
        load_detector(weights_folder / 'mesh.safetensors')


@pytest.mark.parametrize(
    'description',
    [
        '',
        'no json',
        '[]',
        '5',
        '{"breadth": 8}',
        '{"width": "8"}',
        '{"width": -8}',
        '{"width": 4}',
        '{"width": true}',
        '{"width": 1}',
        '{"width": 1500}',
        '{"width": 100000000000000000000}',
        '[' * 100_000,
    ],
)
def test_damaged_descriptions_are_named(tmp_path: Path, description: str) -> None:
    path = tmp_path / 'd.safetensors'
    save_file(HandDetectorNet(8).state_dict(), path, {'detector': description})
    with pytest.raises(CheckpointError, match=r'd\.safetensors'):
        load_detector(path)


def test_untrained_detector_finds_nothing() -> None:
    torch.manual_seed(0)
    image = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    found: list[HandBox] = HandDetector(HandDetectorNet(8)).detect(image)
    assert found == []

"""What a detector's runner says where its network cannot run."""

from pathlib import Path

import pytest
import torch

from handmesh_model.backends import detector
from handmesh_model.backends.detector import EagerDetector, OpenVinoDetector
from handmesh_model.errors import BackendError
from handmesh_model.network.hand_detector import HandDetectorNet

CPU = torch.device('cpu')


def test_a_device_without_room_for_the_detector_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError('CUDA out of memory.\nMore of the same.')

    monkeypatch.setattr(HandDetectorNet, 'to', out_of_memory)
    with pytest.raises(
        BackendError, match=r'detector cannot be put on cpu: CUDA out of memory\.$'
    ):
        EagerDetector(HandDetectorNet(4), CPU)


@pytest.mark.parametrize('error', [OSError('no space left'), ValueError('')])
def test_whatever_openvino_and_the_disk_raise_is_a_backend_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    pytest.importorskip('openvino', reason='openvino is not installed')

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(detector, 'cached', fail)
    reason = str(error) or 'ValueError'
    with pytest.raises(BackendError, match=f'OpenVINO cannot take the detector: {reason}'):
        OpenVinoDetector(HandDetectorNet(4))


def test_a_cache_without_room_leaves_the_detector_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    openvino = pytest.importorskip('openvino', reason='openvino is not installed')
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path / 'cache'))
    saves, tried = openvino.save_model, []

    def save(model: object, path: Path, compress: bool) -> None:
        tried.append(path)
        if path.is_relative_to(tmp_path):
            # What OpenVINO says of a full disk.
            raise RuntimeError('basic_ios::clear: iostream error')
        saves(model, path, compress)

    monkeypatch.setattr(openvino, 'save_model', save)
    torch.manual_seed(0)
    net = HandDetectorNet(4)
    runner = OpenVinoDetector(net)
    assert len(tried) == 2
    image = torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8)
    for a, b in zip(EagerDetector(net, CPU).run(image), runner.run(image), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    assert not list((tmp_path / 'cache').glob('*'))


def test_a_missing_package_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('openvino', reason='openvino is not installed')

    def fail(*_: object) -> None:
        raise BackendError('a package is missing')

    monkeypatch.setattr(detector, 'cached', fail)
    with pytest.raises(BackendError, match=r'^a package is missing$'):
        OpenVinoDetector(HandDetectorNet(4))


def test_detectors_converted_by_another_build_of_pytorch_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip('openvino', reason='openvino is not installed')
    release, keys = torch.__version__.partition('+')[0], []
    monkeypatch.setattr(detector, 'cached', lambda kind, facts, *_: keys.append(facts))
    torch.manual_seed(0)
    state = HandDetectorNet(4).state_dict()
    for build in ('+cpu', '+cu130'):
        monkeypatch.setattr(torch, '__version__', release + build)
        net = HandDetectorNet(4)
        net.load_state_dict(state)
        OpenVinoDetector(net)
    assert keys[0] == keys[1]

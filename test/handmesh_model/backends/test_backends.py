"""Every backend gives what the network itself gives, on every output."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lively_networks import enliven

from handmesh_model.backends import (
    BACKENDS,
    NetworkResult,
    available_backends,
    choose_device,
    create_backend,
)
from handmesh_model.backends.edge import ArrayEdge
from handmesh_model.errors import BackendError, ShapeError
from handmesh_model.network import HandMeshNet

CPU = torch.device('cpu')
DEVICE = choose_device('auto')
MOST_LIXELS = {'float32': 1e-3, 'float16': 0.05}
"""Lixels by which a coordinate may differ; int8 has a test of its own."""
MOST_SHARE = {'float32': 1e-4, 'float16': 0.01}
"""By which anything else may differ, which is from 0 to 1."""
ALL = [(kind.name, p) for kind in BACKENDS.values() for p in kind.precisions if p != 'int8']


def crops(count: int, size: int = 64) -> np.ndarray:
    generator = np.random.default_rng(count)
    return generator.integers(0, 255, (count, size, size, 3)).astype(np.uint8)


def reference(net: HandMeshNet, images: np.ndarray, refine: bool = True) -> dict[str, np.ndarray]:
    """What the module says, without any backend."""
    with torch.inference_mode():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        outputs = net(pixels, refine=refine)
    arrays = {
        name: getattr(outputs, name).numpy() for name in ('vertices', 'joints', 'confidence')
    }
    for ours, theirs in (('presence', outputs.presence), ('right', outputs.side)):
        arrays[ours] = theirs.sigmoid().numpy()
    return arrays


def rough(backend: Any, images: np.ndarray) -> NetworkResult:
    """What a backend says without its refine stage, once it is ready to leave it out."""
    end = time.monotonic() + 60
    while (result := backend.run(images, refine=False)).refined:
        assert time.monotonic() < end, 'the refine stage is never left out'
        time.sleep(0.01)
    return result


@pytest.fixture(scope='module', params=ALL, ids=lambda pair: '-'.join(pair))
def backend(request: pytest.FixtureRequest, net: HandMeshNet) -> Any:
    name, precision = request.param
    kind = BACKENDS[name]
    device = DEVICE if DEVICE.type in kind.device_types else torch.device(kind.device_types[0])
    problem = kind.problem(device)
    if problem is not None:
        pytest.skip(problem)
    made = create_backend(name, net, device, precision, max_batch=4)
    yield made
    made.close()


@pytest.mark.parametrize('count', [1, 2, 5])
def test_parity_on_every_output(backend: Any, net: HandMeshNet, count: int) -> None:
    expected = reference(net, crops(count))
    actual: NetworkResult = backend.run(crops(count))
    again: NetworkResult = backend.run(crops(count))
    if count > 1:
        # What does not look at the crops is found out.
        for name, values in expected.items():
            assert np.ptp(values, axis=0).max() > 2 * most(name, backend.precision), name
    assert actual.refined
    assert_alike(actual, expected, backend.precision)
    for a, b in zip(again, actual, strict=True):
        np.testing.assert_array_equal(a, b)


def most(name: str, precision: str) -> float:
    return (MOST_LIXELS if name in ('vertices', 'joints') else MOST_SHARE)[precision]


def assert_alike(actual: NetworkResult, expected: dict[str, np.ndarray], precision: str) -> None:
    for name, wanted in expected.items():
        array = getattr(actual, name)
        assert array.shape == wanted.shape, name
        assert array.dtype == np.float32, name
        assert np.abs(array - wanted).max() < most(name, precision), name


@pytest.mark.parametrize('count', [1, 5])
def test_parity_without_the_refine_stage(backend: Any, net: HandMeshNet, count: int) -> None:
    with torch.inference_mode():
        whole = net(torch.from_numpy(crops(count)).permute(0, 3, 1, 2).float() / 255)
    mesh = whole.rough_vertices.numpy()
    assert np.abs(mesh - whole.vertices.numpy()).mean() > 2 * MOST_LIXELS[backend.precision]
    expected = reference(net, crops(count), refine=False)
    np.testing.assert_allclose(expected['vertices'], mesh, rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        expected['joints'], net.joint_regressor.numpy() @ mesh, rtol=0, atol=1e-4
    )
    assert_alike(rough(backend, crops(count)), expected, backend.precision)
    # Going back takes no time, and changes nothing.
    refined = backend.run(crops(count))
    assert refined.refined
    assert_alike(refined, reference(net, crops(count)), backend.precision)


def test_results_stay_when_the_backend_runs_again(backend: Any) -> None:
    first = backend.run(crops(1))
    before = first.vertices.copy()
    backend.run(crops(2))
    np.testing.assert_array_equal(first.vertices, before)


def test_crops_may_lie_on_the_device(backend: Any) -> None:
    from_array = backend.run(crops(2))
    from_tensor = backend.run(torch.from_numpy(crops(2)).to(backend.device))
    for a, b in zip(from_array, from_tensor, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('shape', [(1, 60, 60, 3), (0, 64, 64, 3), (64, 64, 3), (1, 3, 64, 64)])
def test_crops_of_a_wrong_shape_are_an_error_and_the_backend_lives(
    backend: Any, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ShapeError, match=r'expected \(N, 64, 64, 3\)'):
        backend.run(np.zeros(shape, np.uint8))
    assert backend.run(crops(1)).joints.shape == (1, 21, 3)


@pytest.mark.parametrize(('name', 'precision'), ALL)
def test_a_closed_backend_says_so(net: HandMeshNet, name: str, precision: str) -> None:
    kind = BACKENDS[name]
    device = DEVICE if DEVICE.type in kind.device_types else torch.device(kind.device_types[0])
    problem = kind.problem(device)
    if problem is not None:
        pytest.skip(problem)
    backend = create_backend(name, net, device, precision)
    assert backend.run(crops(1)).joints.shape == (1, 21, 3)
    for _ in range(2):
        backend.close()
        for refine in (True, False):
            with pytest.raises(BackendError, match='the backend is closed'):
                backend.run(crops(1), refine)


def test_a_closed_eager_backend_lets_go_of_its_weights(net: HandMeshNet) -> None:
    backend: Any = create_backend('eager', net, CPU)
    weights = [weakref.ref(p) for m in backend._modules.values() for p in m.parameters()]
    assert weights
    backend.close()
    gc.collect()
    own = {id(parameter) for parameter in net.parameters()}
    assert all(weight() is None or id(weight()) in own for weight in weights)


def test_the_network_is_left_as_it_was(net: HandMeshNet) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    create_backend('eager', net, CPU)
    assert net.joint_stage is not None
    assert net.joint_stage.segmentation is not None
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_networks_without_heads_are_sure(net: HandMeshNet) -> None:
    config = replace(net.config, presence=False, side=False, confidence=False)
    bare = HandMeshNet(config, net.topology)
    for name, precision in available_backends(DEVICE):
        if precision == 'int8':
            continue
        result = create_backend(name, bare, DEVICE, precision).run(crops(2))
        assert (result.presence == 1).all()
        assert (result.right == 1).all()
        assert (result.confidence == 1).all()


def test_networks_without_a_refine_stage_have_nothing_to_leave_out(net: HandMeshNet) -> None:
    torch.manual_seed(0)
    bare = enliven(HandMeshNet(replace(net.config, refine_stage=False), net.topology))
    for name, precision in available_backends(DEVICE):
        if precision == 'int8':
            continue
        backend = create_backend(name, bare, DEVICE, precision)
        for refine in (True, False):
            result = backend.run(crops(2), refine)
            assert not result.refined
            assert_alike(result, reference(bare, crops(2)), precision)


def test_joints_of_the_refined_mesh_are_others_without_the_refine_stage(net: HandMeshNet) -> None:
    assert net.config.joints_from == 'rough'
    other = HandMeshNet(replace(net.config, joints_from='refined'), net.topology).eval()
    other.load_state_dict(net.state_dict())
    for name, precision in available_backends(DEVICE):
        if precision == 'int8':
            continue
        backend = create_backend(name, other, DEVICE, precision)
        assert_alike(backend.run(crops(2)), reference(other, crops(2)), precision)
        expected = reference(other, crops(2), refine=False)
        assert_alike(rough(backend, crops(2)), expected, precision)
        backend.close()


def test_the_refined_model_serves_until_the_other_is_compiled(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from handmesh_model.backends import openvino

    backend = openvino.OpenVinoBackend(net, CPU)
    expected = backend.run(crops(1))
    gate, compiles = threading.Event(), openvino.infer_request

    def compile_later(model: Any) -> Any:
        assert gate.wait(60)
        return compiles(model)

    monkeypatch.setattr(openvino, 'infer_request', compile_later)
    for _ in range(3):
        meanwhile = backend.run(crops(1), refine=False)
        for a, b in zip(meanwhile, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    gate.set()
    assert not rough(backend, crops(1)).refined
    backend.close()

    def refuse(model: Any) -> None:
        raise RuntimeError('no memory left')

    monkeypatch.setattr(openvino, 'infer_request', compiles)
    stubborn = openvino.OpenVinoBackend(net, CPU)
    monkeypatch.setattr(openvino, 'infer_request', refuse)
    assert stubborn.run(crops(1), refine=False).refined
    stubborn._compiling.join()
    assert stubborn.run(crops(1), refine=False).refined
    assert caplog.text.count('no memory left') == 1


def out_of_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError('CUDA out of memory.\nMore of the same.')


def test_a_device_without_room_for_the_network_is_told(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArrayEdge, 'to', out_of_memory)
    told = r'the network cannot be put on cpu: CUDA out of memory\.$'
    with pytest.raises(BackendError, match=told):
        create_backend('eager', net, CPU)


def test_eager_float32_is_computed_without_tf32(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handmesh_model.backends import eager

    steps: list[object] = []

    @contextmanager
    def exact(device: torch.device) -> Iterator[None]:
        steps.append(device)
        yield
        steps.append('left')

    monkeypatch.setattr(eager, 'exact_float32', exact)
    backend: Any = create_backend('eager', net, CPU)
    backend._modules[True].register_forward_hook(lambda *_: steps.append('run'))
    backend.run(crops(1))
    assert steps == [CPU, 'run', 'left']


@pytest.mark.parametrize('error', [OSError('no space left'), ValueError(''), KeyError('scale')])
def test_whatever_openvino_and_the_disk_raise_is_a_backend_error(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from handmesh_model.backends import openvino

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(openvino, 'artefact', fail)
    reason = str(error) or 'ValueError'
    with pytest.raises(BackendError, match=f'OpenVINO cannot take the network: {reason}'):
        create_backend('openvino', net, CPU)
    assert create_backend('auto', net, CPU).name == 'eager'


def test_networks_converted_by_another_build_of_pytorch_are_found(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handmesh_model.backends.openvino import artefact_facts

    release = torch.__version__.partition('+')[0]
    keys = []
    for build in ('+cpu', '+cu130', ''):
        monkeypatch.setattr(torch, '__version__', release + build)
        keys.append([artefact_facts(net, precision) for precision in ('float32', 'int8')])
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize('precision', ['float32', 'int8'])
def test_networks_whose_confidence_left_0_to_1_are_converted_anew(
    net: HandMeshNet, precision: str
) -> None:
    """As those of format 6 in caches may, if they have no joint stage."""
    from handmesh_model.backends.openvino import artefact_facts

    assert artefact_facts(net, precision)['format'] > 6


def test_auto_can_always_run(net: HandMeshNet) -> None:
    assert create_backend('auto', net, DEVICE).run(crops(1)).joints.shape == (1, 21, 3)


def test_auto_goes_on_to_the_next_where_one_fails(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from handmesh_model.backends import openvino

    def refuse(*_: object, **__: object) -> None:
        raise BackendError('out of order')

    monkeypatch.setattr(openvino.OpenVinoBackend, '__init__', refuse)
    assert create_backend('auto', net, CPU).name == 'eager'
    assert 'out of order' in caplog.text
    with pytest.raises(BackendError, match='out of order'):
        create_backend('openvino', net, CPU)

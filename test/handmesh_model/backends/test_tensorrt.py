"""The TensorRT backend with a TensorRT of numbers; the real one has not been at hand."""

import os
import sys
from enum import Enum
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from handmesh_model.backends.cache import cached
from handmesh_model.backends.edge import ArrayEdge
from handmesh_model.backends.tensorrt import (
    ENGINE_FILE,
    EngineRun,
    TensorRtBackend,
    engine_bytes,
    engine_facts,
    exported,
    import_tensorrt,
)
from handmesh_model.errors import BackendError

CPU = torch.device('cpu')


class Mode(Enum):
    INPUT = 0
    OUTPUT = 1


class FakeContext:
    """An engine that writes the sum of its input to its output, by their addresses."""

    def __init__(self, engine):
        self.engine, self.addresses, self.streams = engine, {}, []

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        if self.engine.broken:
            return False
        self.streams.append(stream)
        view = np.ctypeslib.as_array
        import ctypes

        def at(name, shape):
            pointer = ctypes.cast(self.addresses[name], ctypes.POINTER(ctypes.c_float))
            return view(pointer, shape=shape)

        sums = at('pixels', (2, 3, 4, 4)).reshape(2, -1).sum(axis=1)
        at('rows', (2, 5))[:] = sums[:, None]
        return True


class FakeEngine:
    num_io_tensors = 2
    broken = False

    def get_tensor_name(self, i):
        return ('rows', 'pixels')[i]

    def get_tensor_mode(self, name):
        return Mode.INPUT if name == 'pixels' else Mode.OUTPUT

    def get_tensor_shape(self, name):
        return (2, 5)

    def create_execution_context(self):
        return FakeContext(self)


class FakeRuntime:
    engine = FakeEngine()

    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, data):
        return self.engine if data == b'engine' else None


class Logger:
    WARNING = 1

    def __init__(self, level):
        pass


FAKE = SimpleNamespace(Runtime=FakeRuntime, Logger=Logger, TensorIOMode=Mode)


@pytest.fixture(autouse=True)
def _a_stream_without_cuda(monkeypatch):
    stream = SimpleNamespace(cuda_stream=7)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda device: stream)


def pixels(crops):
    return crops.permute(0, 3, 1, 2).float() / 255


def test_an_engine_is_a_function_of_crops():
    run = EngineRun(FAKE, b'engine', pixels, CPU)
    crops = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    crops[1, 2, 3, 1] = 255
    assert run(crops).tolist() == [[0] * 5, [1] * 5]
    assert run(crops).data_ptr() == run(crops).data_ptr()
    assert set(run._context.streams) == {7}


def test_an_engine_that_fails_says_so(monkeypatch):
    monkeypatch.setattr(FakeEngine, 'broken', True)
    run = EngineRun(FAKE, b'engine', pixels, CPU)
    with pytest.raises(BackendError, match='could not run'):
        run(torch.zeros(2, 4, 4, 3, dtype=torch.uint8))


def test_a_foreign_engine_is_built_anew(tmp_path, monkeypatch):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    made = [b'engine', b'of another version']

    def build(folder):
        (folder / ENGINE_FILE).write_bytes(made.pop())

    def load(folder):
        return EngineRun(FAKE, (folder / ENGINE_FILE).read_bytes(), pixels, CPU)

    with pytest.raises(BackendError, match='another TensorRT version'):
        cached('tensorrt', {}, build, load)
    assert (
        cached('tensorrt', {}, build, load)(torch.zeros(2, 4, 4, 3, dtype=torch.uint8)).any() == 0
    )
    assert not made


def test_the_key_holds_all_that_an_engine_depends_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'H200')
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (9, 0))
    facts = engine_facts('digest', 'float16', 2, torch.device('cuda'))
    assert {'network', 'precision', 'crops', 'gpu', 'torch', 'torch_tensorrt', 'tensorrt'} <= set(
        facts
    )
    assert facts['gpu'] == 'H200'
    assert facts != engine_facts('digest', 'float16', 2, torch.device('cuda'), refined=False)
    assert facts['torch'] == torch.__version__
    # Engines of format 2 may have confidences out of 0 to 1.
    assert facts['format'] > 2


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('refine', [True, False])
def test_what_is_converted_computes_what_the_network_does(net, dtype, refine):
    edge = ArrayEdge(net, 'dense', dtype)
    edge = edge if refine else edge.without_refine()
    crops = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    program = exported(edge, 2)
    taken = edge.pixels(torch.from_numpy(crops))
    with torch.inference_mode():
        rows = program.module()(taken)
        expected = edge(torch.from_numpy(crops))
    result = edge.layout.unpack(rows.numpy())
    assert np.ptp(result.vertices, axis=0).max() > 0.5
    np.testing.assert_allclose(result.vertices, expected[0].numpy(), rtol=0, atol=2e-2)


def test_what_the_converter_refuses_is_told(net):
    def refuse(program, **options):
        raise RuntimeError('no converter for aten.magic')

    package = SimpleNamespace(
        Input=lambda shape, dtype: (shape, dtype),
        dynamo=SimpleNamespace(convert_exported_program_to_serialized_trt_engine=refuse),
    )
    with pytest.raises(BackendError, match=r'no converter for aten\.magic'):
        engine_bytes(package, ArrayEdge(net, 'dense'), 1)


def test_what_is_float32_is_not_rounded_by_the_engine(net):
    asked = {}

    def convert(program, **options):
        asked.update(options)
        # A folder of one's own, which is there while the engine is built.
        assert os.stat(os.path.dirname(options['timing_cache_path'])).st_mode & 0o077 == 0
        return b'engine'

    package = SimpleNamespace(
        Input=lambda shape, dtype: (shape, dtype),
        dynamo=SimpleNamespace(convert_exported_program_to_serialized_trt_engine=convert),
    )
    assert engine_bytes(package, ArrayEdge(net, 'dense'), 1) == b'engine'
    assert asked['disable_tf32']
    assert not os.path.exists(os.path.dirname(asked['timing_cache_path']))
    assert asked['inputs'] == [((1, 3, 64, 64), torch.float32)]


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    with pytest.raises(BackendError, match=r"needs the package tensorrt: .* '\.\[tensorrt\]'"):
        import_tensorrt()
    monkeypatch.setitem(sys.modules, 'tensorrt', ModuleType('tensorrt'))
    monkeypatch.setitem(sys.modules, 'torch_tensorrt', None)
    with pytest.raises(BackendError, match='needs the package torch-tensorrt'):
        import_tensorrt()


def test_it_refuses_other_devices(net):
    with pytest.raises(BackendError, match="'tensorrt' runs on CUDA, not on 'cpu'"):
        TensorRtBackend(net, CPU)

"""What of the CUDA backend a CPU can check: the compiled function, and what it is told."""

import gc
import os
import threading
import weakref
from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from handmesh_model.backends import batches, create_backend, cudagraph
from handmesh_model.backends.cudagraph import (
    PREPARING,
    CapturedProgram,
    CaptureSite,
    CudaGraphBackend,
    compiled,
)
from handmesh_model.backends.edge import ArrayEdge, PackedEdge
from handmesh_model.errors import BackendError

CPU = torch.device('cpu')
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='PyTorch sees no CUDA device here'
)


def test_it_refuses_other_devices(net):
    with pytest.raises(BackendError, match="'cudagraph' runs on CUDA, not on 'cpu'"):
        CudaGraphBackend(net, torch.device('cpu'))


@pytest.mark.slow
@pytest.mark.parametrize('refine', [True, False])
def test_the_compiled_function_gives_what_eager_gives(net, monkeypatch, tmp_path, refine):
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))
    crops = np.random.default_rng(2).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    expected = create_backend('eager', net, torch.device('cpu')).run(crops, refine)
    edge = ArrayEdge(net, 'dense')
    edge = edge if refine else edge.without_refine()
    with torch.inference_mode():
        rows = compiled(PackedEdge(edge))(torch.from_numpy(crops)).numpy()
    for a, b in zip(edge.layout.unpack(rows, refine), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_compiled_kernels_are_kept_beside_the_other_artefacts(net, monkeypatch, tmp_path):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    monkeypatch.delenv('TORCHINDUCTOR_CACHE_DIR', raising=False)
    compiled(PackedEdge(ArrayEdge(net, 'dense')))
    assert os.environ.pop('TORCHINDUCTOR_CACHE_DIR') == str(tmp_path / 'inductor')


def test_as_many_programs_can_be_compiled_as_there_are_sizes_and_stages(monkeypatch):
    monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend='eager'))
    for _ in range(2):
        run = compiled(torch.nn.Linear(2, 1))
        # The compiler's limit for one piece of code is 8.
        for size in range(2, 8):
            assert run(torch.zeros(size, 2)).shape == (size, 1)


def test_a_backend_compiles_more_sizes_than_one_function_may_have(monkeypatch):
    sizes = batches.batch_sizes(2000)
    assert len(sizes) > 8
    monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend='eager'))
    monkeypatch.setattr(cudagraph, 'PackedEdge', lambda edge: edge)
    monkeypatch.setattr(
        cudagraph, 'CapturedProgram', lambda run, shape, site: run(torch.zeros(shape))
    )
    backend = SimpleNamespace(_size=1, _site=None)
    make = CudaGraphBackend._maker(backend, None, torch.nn.Linear(3, 1))
    for size in sizes:
        assert make(size).shape == (size, 1, 1, 1)


def test_kernels_are_compiled_where_the_cache_cannot_be_written(net, monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path / 'file' / 'cache'))
    monkeypatch.delenv('TORCHINDUCTOR_CACHE_DIR', raising=False)
    compiled(PackedEdge(ArrayEdge(net, 'dense')))
    # PyTorch has chosen a place itself.
    assert str(tmp_path) not in os.environ.pop('TORCHINDUCTOR_CACHE_DIR', '')


class FakeCuda:
    """Streams by name, and captures that note how they are made."""

    def __init__(self, monkeypatch, capture_fails=False):
        self.present, self.captures, self.capture_fails = 'main', [], capture_fails
        fakes = {
            'current_stream': lambda device: MagicMock(),
            'CUDAGraph': MagicMock,
            'stream': self.stream,
            'graph': self.graph,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        self.site = CaptureSite(CPU, MagicMock(), (0, 7))

    @contextmanager
    def stream(self, stream):
        before, self.present = self.present, stream
        try:
            yield
        finally:
            self.present = before

    @contextmanager
    def graph(self, graph, **options):
        self.captures.append({**options, 'locked': PREPARING.locked()})
        before, self.present = self.present, options['stream']
        yield
        # As with PyTorch, the stream is only brought back where the capture ends well.
        if self.capture_fails:
            raise RuntimeError('the capture is invalid')
        self.present = before


def test_captures_are_made_one_at_a_time_on_a_stream_of_the_backends_own(monkeypatch):
    cuda, streams = FakeCuda(monkeypatch), []

    def run(crops):
        streams.append((cuda.present, PREPARING.locked()))
        return crops + 1

    program = CapturedProgram(run, (3,), cuda.site)
    assert program.outputs.tolist() == [1, 1, 1]
    assert set(streams) == {(cuda.site.stream, True)}
    wanted = {'stream': cuda.site.stream, 'pool': (0, 7), 'capture_error_mode': 'thread_local'}
    assert cuda.captures == [{**wanted, 'locked': True}]
    assert not PREPARING.locked()
    assert cuda.present == 'main'


def test_a_capture_that_fails_leaves_streams_and_others_alone(monkeypatch):
    cuda = FakeCuda(monkeypatch, capture_fails=True)
    with pytest.raises(RuntimeError, match='invalid'):
        CapturedProgram(lambda crops: crops, (3,), cuda.site)
    assert cuda.present == 'main'
    assert not PREPARING.locked()


def test_what_is_captured_is_exact(monkeypatch):
    cuda, blocks = FakeCuda(monkeypatch), []

    @contextmanager
    def exact(device):
        blocks.append(device)
        yield
        blocks.append('left')

    monkeypatch.setattr(cudagraph, 'exact_float32', exact)

    def run(crops):
        assert blocks == [CPU]
        return crops

    CapturedProgram(run, (3,), cuda.site)
    assert blocks == [CPU, 'left']


def test_all_programs_of_a_backend_are_captured_at_one_site(net, monkeypatch):
    sites, places = [], SimpleNamespace(inputs=torch.zeros(1), outputs=torch.zeros(1, 2))
    monkeypatch.setattr(torch.cuda, 'device', lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, 'Stream', MagicMock())
    monkeypatch.setattr(torch.cuda, 'graph_pool_handle', lambda: object())
    monkeypatch.setattr(ArrayEdge, 'to', lambda edge, *_, **__: edge)
    monkeypatch.setattr(cudagraph, 'compiled', lambda module: module)
    monkeypatch.setattr(
        cudagraph, 'CapturedProgram', lambda run, shape, site: sites.append(site) or places
    )
    monkeypatch.setattr(
        cudagraph, 'StaticPrograms', lambda sizes, make, pinned: [make(size) for size in sizes]
    )
    for _ in range(2):
        CudaGraphBackend(net, torch.device('cuda', 1), max_batch=2)
    # Two sizes, with the refine stage and without.
    assert len(sites) == 8
    assert len(set(sites[:4])) == len(set(sites[4:])) == 1
    assert sites[0].device == torch.device('cuda', 1)
    assert sites[0].pool is not sites[4].pool


def test_a_program_keeps_the_weights_that_its_graph_reads(monkeypatch):
    cuda = FakeCuda(monkeypatch)
    weights = torch.ones(3)
    alive = weakref.ref(weights)
    program = CapturedProgram(partial(torch.mul, weights), (3,), cuda.site)
    del weights
    gc.collect()
    assert alive() is not None
    del program
    gc.collect()
    assert alive() is None


@needs_cuda
def test_a_closed_backend_says_so(net):
    backend = CudaGraphBackend(net, torch.device('cuda'), max_batch=1)
    backend.close()
    with pytest.raises(BackendError, match='closed'):
        backend.run(np.zeros((1, 64, 64, 3), np.uint8))


@needs_cuda
def test_crops_give_what_eager_gives_however_much_memory_is_used_in_between(net):
    crops = np.random.default_rng(3).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    expected = create_backend('eager', net, torch.device('cuda')).run(crops)
    backend = CudaGraphBackend(net, torch.device('cuda'))
    # Takes what the backend may have let go of.
    filled = [
        torch.full((1 << size,), torch.nan, device='cuda')
        for size in range(8, 24)
        for _ in range(8)
    ]
    result = backend.run(crops)
    assert len(filled) == 128
    np.testing.assert_allclose(result.vertices, expected.vertices, rtol=0, atol=0.05)
    np.testing.assert_allclose(result.joints, expected.joints, rtol=0, atol=0.05)


def alike(result, expected):
    np.testing.assert_allclose(result.vertices, expected.vertices, rtol=0, atol=0.05)


@needs_cuda
def test_graphs_share_memory_and_do_not_disturb_each_other(net):
    backend = CudaGraphBackend(net, torch.device('cuda'), max_batch=4)
    programs = [p for stage in backend._programs.values() for p in stage._programs.values()]
    assert len({program._graph.pool() for program in programs}) == 1
    crops = np.random.default_rng(4).integers(0, 255, (5, 64, 64, 3)).astype(np.uint8)
    eager = create_backend('eager', net, torch.device('cuda'))
    for count in (1, 4, 2, 5, 1):
        for refine in (True, False):
            alike(backend.run(crops[:count], refine), eager.run(crops[:count], refine))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='PyTorch sees no two CUDA devices here')
def test_each_of_two_devices_has_its_captures(net):
    crops = np.random.default_rng(5).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    expected = create_backend('eager', net, torch.device('cpu')).run(crops)
    backends = [CudaGraphBackend(net, torch.device('cuda', i)) for i in (0, 1)]
    for backend in (*backends, *backends):
        alike(backend.run(crops), expected)


@needs_cuda
def test_a_network_is_captured_while_another_one_serves(net):
    device = torch.device('cuda')
    crops = np.random.default_rng(6).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    serving = CudaGraphBackend(net, device)
    expected, ended, results = serving.run(crops), threading.Event(), []

    def serve():
        size = 1
        while not ended.is_set():
            size = size % 2**24 + 2**16
            # Allocations, uploads and waits as those of a node that serves images.
            image = torch.empty(size, dtype=torch.uint8, pin_memory=True).to(device)
            image.float().mean().item()
            results.append(serving.run(crops))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        others = [CudaGraphBackend(net, device) for _ in range(3)]
    finally:
        ended.set()
        thread.join()
    assert results
    for result in (*results, *(other.run(crops) for other in others)):
        alike(result, expected)

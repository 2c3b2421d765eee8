"""What of the CUDA backend a CPU can check: the compiled function, and what it is told."""

import gc
import os
import weakref
from contextlib import nullcontext
from functools import partial
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from handmesh_model.backends import create_backend
from handmesh_model.backends.cudagraph import CapturedProgram, CudaGraphBackend, compiled
from handmesh_model.backends.edge import ArrayEdge, PackedEdge
from handmesh_model.errors import BackendError


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
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-3)


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


def test_a_program_keeps_the_weights_that_its_graph_reads(monkeypatch):
    for name in ('Stream', 'current_stream', 'CUDAGraph'):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ('stream', 'graph'):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    weights = torch.ones(3)
    alive = weakref.ref(weights)
    program = CapturedProgram(partial(torch.mul, weights), (3,), torch.device('cpu'))
    del weights
    gc.collect()
    assert alive() is not None
    del program
    gc.collect()
    assert alive() is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason='PyTorch sees no CUDA device here')
def test_a_closed_backend_says_so(net):
    backend = CudaGraphBackend(net, torch.device('cuda'), max_batch=1)
    backend.close()
    with pytest.raises(BackendError, match='closed'):
        backend.run(np.zeros((1, 64, 64, 3), np.uint8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='PyTorch sees no CUDA device here')
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

"""What of the CUDA backend a CPU can check: the compiled function, and what it is told."""

import os

import numpy as np
import pytest
import torch

from handmesh_model.backends import create_backend
from handmesh_model.backends.cudagraph import CudaGraphBackend, compiled, packed_edge
from handmesh_model.errors import BackendError


def test_it_refuses_other_devices(net):
    with pytest.raises(BackendError, match="'cudagraph' runs on CUDA, not on 'cpu'"):
        CudaGraphBackend(net, torch.device('cpu'))


@pytest.mark.slow
def test_the_compiled_function_gives_what_eager_gives(net, monkeypatch, tmp_path):
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))
    crops = np.random.default_rng(2).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    expected = create_backend('eager', net, torch.device('cpu')).run(crops)
    edge = packed_edge(net, 'float32')
    with torch.inference_mode():
        rows = compiled(edge)(torch.from_numpy(crops)).numpy()
    for a, b in zip(edge.edge.layout.unpack(rows), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-3)


def test_compiled_kernels_are_kept_beside_the_other_artefacts(net, monkeypatch, tmp_path):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    monkeypatch.delenv('TORCHINDUCTOR_CACHE_DIR', raising=False)
    compiled(packed_edge(net, 'float32'))
    assert os.environ.pop('TORCHINDUCTOR_CACHE_DIR') == str(tmp_path / 'inductor')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='PyTorch sees no CUDA device here')
def test_a_closed_backend_says_so(net):
    backend = CudaGraphBackend(net, torch.device('cuda'), max_batch=1)
    backend.close()
    with pytest.raises(BackendError, match='closed'):
        backend.run(np.zeros((1, 64, 64, 3), np.uint8))

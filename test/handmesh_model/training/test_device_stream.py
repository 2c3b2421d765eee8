"""The stream whose renders lie on the trainers' device, here the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from handmesh_model.lixels import LixelScale
from handmesh_model.training.config import AugmentationConfig, DataConfig
from handmesh_model.training.device_stream import DeviceStream
from handmesh_model.training.synthetic_stream import RendererError

RENDERER = """
import os
import time
import numpy as np

def renderer():
    def render(rng, size):
        value = int(rng.integers(1, 250))
        return {
            'image': np.full((size, size, 3), value, np.uint8),
            'vertices': np.full((5, 3), value / 100, np.float32),
            'joints': np.full((21, 3), value / 100, np.float32),
            'mask': np.full((size // 2, size // 2), value % 2, np.uint8),
            'mesh_valid': np.bool_(value % 3 == 1),
            'presence': np.float32(1),
            'side': np.float32(value % 3) - 1,
        }
    return render

def dying():
    os._exit(9)

def slow():
    render = renderer()
    return lambda rng, size: time.sleep(0.2) or render(rng, size)
"""
STILL = AugmentationConfig(**dict.fromkeys(vars(AugmentationConfig()), 0.0))
SCALE = LixelScale(32, 8)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / 'flat_renderer.py').write_text(RENDERER)
    monkeypatch.syspath_prepend(tmp_path)
    return 'flat_renderer'


def never() -> bool:
    return False


def stream_of(
    renderer: str, cancelled: Callable[[], bool] = never, **changes: object
) -> DeviceStream:
    values = {'render_size': 32, 'workers': 2, 'device_pool': 40, 'pool_start': 8, 'reuse': 2.0}
    config = DataConfig(renderer=renderer, **{**values, **changes})  # type: ignore[arg-type]
    cpu = torch.device('cpu')
    return DeviceStream(config, STILL, SCALE, 5, 4, (1, 0, 0), 1, cpu, cancelled)


@pytest.fixture
def stream(module: str) -> Iterator[DeviceStream]:
    stream = stream_of(f'{module}:renderer')
    yield stream
    stream.close()


def test_batches_hold_renders_with_labels_in_lixels(stream: DeviceStream) -> None:
    for _ in range(30):
        batch = next(stream)
        assert batch['image'].shape == (4, 32, 32, 3)
        assert batch['image'].dtype == torch.uint8
        value = batch['image'][:, 0, 0, 0].double()
        assert (batch['image'].flatten(1) == batch['image'][:, :1, 0, 0]).all()
        expected = SCALE.to_lixels(np.repeat(value.numpy()[:, None] / 100, 3, axis=1))
        np.testing.assert_allclose(batch['vertices'][:, 2], expected, rtol=1e-5)
        np.testing.assert_allclose(batch['joints'][:, 20], expected, rtol=1e-5)
        assert (batch['mask'][:, 3, 3] == value % 2).all()
        assert batch['mesh_valid'].tolist() == (value % 3 == 1).tolist()
        # Those with a mesh come first.
        assert batch['mesh_valid'].tolist() == sorted(batch['mesh_valid'].tolist(), reverse=True)


def test_renders_are_drawn_no_more_than_allowed_and_old_ones_make_room(
    stream: DeviceStream,
) -> None:
    values = set()
    for _ in range(60):
        values |= set(next(stream)['image'][:, 0, 0, 0].tolist())
        assert stream.fetched >= stream.drawn / 2
    assert stream.fetched > stream.slots
    assert len(values) > 30


def test_the_batch_at_hand_counts_among_what_is_drawn(
    stream: DeviceStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.fetched = 8

    def fetch_one() -> None:
        stream.fetched += 1

    monkeypatch.setattr(stream, '_fetch', fetch_one)
    for _ in range(12):
        next(stream)
        assert stream.fetched >= stream.drawn / stream.reuse


def test_renderers_do_not_overtake_what_was_fetched(stream: DeviceStream) -> None:
    next(stream)
    pool = stream._team.pool
    stream._team.wait_for(pool.allowed, lambda: False)
    assert stream.rendered == pool.allowed
    per_worker = pool.layout.slots // pool.layout.workers
    assert (pool.finished - stream._next <= per_worker).all()


@pytest.mark.parametrize(
    'sizes', [{'device_pool': 6, 'pool_start': 1}, {'workers': 7, 'device_pool': 1}]
)
def test_small_store_takes_no_more_renders_at_once_than_it_holds(
    module: str, sizes: dict[str, int]
) -> None:
    stream = stream_of(f'{module}:renderer', **{'pool_start': 1, **sizes})
    try:
        stream._team.wait_for(60, lambda: False)
        before = stream.fetched
        stream._fetch()
        assert 0 < stream.fetched - before <= stream.slots
        next(stream)
    finally:
        stream.close()


def test_who_gives_up_does_not_wait_for_renders(module: str) -> None:
    began = time.monotonic()
    renderer, is_over = f'{module}:slow', lambda: time.monotonic() > began + 0.1
    stream = stream_of(renderer, is_over, pool_start=64, device_pool=64)
    try:
        assert next(stream, None) is None
    finally:
        stream.close()


def test_dying_renderers_are_an_error(module: str) -> None:
    stream = stream_of(f'{module}:dying')
    try:
        with pytest.raises(RendererError, match='ended 3 times'):
            next(stream)
    finally:
        stream.close()

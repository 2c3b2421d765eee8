"""Pool, renderer processes and the stream of batches that they feed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from process_watch import is_running, wait_until_gone

from handmesh_model.errors import ConfigError
from handmesh_model.lixels import LixelScale
from handmesh_model.sample_rng import sample_rng
from handmesh_model.training import sample_pool
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import Fields, crop_fields
from handmesh_model.training.config import AugmentationConfig, DataConfig
from handmesh_model.training.detector_frames import frame_fields
from handmesh_model.training.renderer import fill, load_renderer
from handmesh_model.training.sample_pool import MAX_WORKERS, PoolLayout, SamplePool
from handmesh_model.training.synthetic_stream import RendererError, RendererTeam, SyntheticStream

VERTICES = 5
FIELDS = crop_fields(16, VERTICES)
RENDERER = """
import os
import time
import numpy as np

def renderer():
    def render(rng, size):
        value = rng.integers(1, 250)
        return {
            'image': np.full((size, size, 3), value, np.uint8),
            'vertices': np.full((5, 3), value, np.float32),
            'joints': np.full((21, 3), value, np.float32),
            'mask': np.full((size // 2, size // 2), value % 2, np.uint8),
            'mesh_valid': np.bool_(True),
            'presence': np.float32(1),
            'side': np.float32(value % 3) - 1,
        }
    return render

def dying():
    os._exit(9)

def slow():
    render = renderer()
    return lambda rng, size: time.sleep(0.2) or render(rng, size)

def failing():
    def render(rng, size):
        raise ValueError('cannot draw')
    return render
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / 'plain_renderer.py').write_text(RENDERER)
    monkeypatch.syspath_prepend(tmp_path)
    return 'plain_renderer'


@pytest.fixture
def pool() -> Iterator[SamplePool]:
    pool = SamplePool(PoolLayout(6, 2, 16, FIELDS))
    yield pool
    pool.close()


def test_the_header_has_room_for_the_most_workers_and_no_more() -> None:
    pool = SamplePool(PoolLayout(MAX_WORKERS, MAX_WORKERS, 16, FIELDS))
    pool.finished[:] = 1
    assert (pool.rendered, pool.allowed, pool.stopped) == (MAX_WORKERS, 0, False)
    pool.close()
    for count in (0, MAX_WORKERS + 1):
        with pytest.raises(ConfigError, match=f'workers .* are {count}, expected 1 to 62'):
            PoolLayout(128, count, 16, FIELDS)


def config_for(renderer: str, **changes: object) -> DataConfig:
    values = {'render_size': 16, 'workers': 2, 'pool_size': 8, 'pool_start': 4, 'reuse': 2.0}
    return DataConfig(renderer=renderer, **{**values, **changes})  # type: ignore[arg-type]


def stream_of(config: DataConfig, **options: Any) -> SyntheticStream:
    augmenter, scale = Augmenter(AugmentationConfig(*[0.0] * 12), 16), LixelScale(16, 4)
    return SyntheticStream(config, augmenter, scale, VERTICES, 4, (1, 0, 0), **options)


@pytest.mark.parametrize('fields', [FIELDS, frame_fields(16)], ids=['crops', 'frames'])
def test_renderers_read_the_layout_that_they_are_told(fields: Fields) -> None:
    layout = PoolLayout(6, 2, 16, fields)
    told = PoolLayout(**json.loads(json.dumps(vars(layout))))
    assert list(told.arrays().items()) == list(layout.arrays().items())
    assert list(told.arrays()) == ['header', 'version', *fields]


def test_pool_gives_back_what_was_put(pool: SamplePool, module: str) -> None:
    render = load_renderer(f'{module}:renderer')
    sample = render(np.random.default_rng(0), 16)
    pool.put(1, sample)
    assert pool.finished.tolist() == [0, 1]
    taken = pool.take(np.random.default_rng(0))
    assert set(taken) == set(sample)
    for name in sample:
        np.testing.assert_array_equal(taken[name], sample[name])


def test_empty_pool_says_so(pool: SamplePool) -> None:
    with pytest.raises(LookupError, match='no sample yet'):
        pool.take(np.random.default_rng(0))


def test_pool_that_memory_cannot_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = PoolLayout(10**6, 1, 256, crop_fields(256, VERTICES))

    def full(descriptor: int, start: int, byte_count: int) -> None:
        assert (start, byte_count) == (0, layout.byte_count)
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(sample_pool.os, 'posix_fallocate', full)
    mebibytes = round(layout.byte_count / 2**20)
    with pytest.raises(
        ConfigError,
        match=rf'takes {mebibytes} MiB of shared memory, .*\(No space left on device\); '
        r'expected a smaller pool_size.*--shm-size',
    ):
        SamplePool(layout)


def test_oldest_slots_are_written_over(pool: SamplePool, module: str) -> None:
    render = load_renderer(f'{module}:renderer')
    for value in range(5):
        sample = render(np.random.default_rng(0), 16)
        sample['presence'] = np.float32(value)
        pool.put(0, sample)
    rng = np.random.default_rng(0)
    # Worker 0 owns three of the six slots; worker 1 has rendered nothing.
    assert {float(pool.take(rng)['presence']) for _ in range(50)} == {2.0, 3.0, 4.0}


def test_slot_that_is_being_written_is_not_taken(pool: SamplePool, module: str) -> None:
    render = load_renderer(f'{module}:renderer')
    for worker in (0, 1):
        sample = render(np.random.default_rng(0), 16)
        sample['presence'] = np.float32(worker)
        pool.put(worker, sample)
    pool.array['version'][0] += 1
    rng = np.random.default_rng(0)
    assert {float(pool.take(rng)['presence']) for _ in range(30)} == {1.0}


def test_renderer_makes_no_more_than_allowed_and_numbers_its_samples(
    pool: SamplePool, module: str
) -> None:
    render = load_renderer(f'{module}:renderer')
    pool.allowed = 5
    turns = []

    def alive() -> bool:
        turns.append(int(pool.finished[0]))
        return len(turns) < 6

    fill(pool, 0, render, [3, 4], alive)
    # Of five renders worker 0 of two makes the first, third and fifth.
    assert pool.finished.tolist() == [3, 0]
    expected = render(sample_rng(3, 4, 0, 2), 16)
    np.testing.assert_array_equal(pool.array['image'][4], expected['image'])


def test_stream_gives_batches_in_lixels(module: str) -> None:
    stream = stream_of(config_for(f'{module}:renderer'))
    try:
        batches = [next(stream) for _ in range(6)]
    finally:
        stream.close()
    for batch in batches:
        assert batch['image'].shape == (4, 16, 16, 3)
        value = batch['image'][:, 0, 0, 0].astype(np.float32)
        np.testing.assert_allclose(batch['vertices'][:, 0, 0], value / 4)
        assert set(batch['side']) <= {-1.0, 0.0, 1.0}


def test_who_gives_up_does_not_wait_for_renders(module: str) -> None:
    began = time.monotonic()
    config = config_for(f'{module}:slow', pool_start=64)
    stream = stream_of(config, cancelled=lambda: time.monotonic() > began + 0.1)
    try:
        assert next(stream, None) is None
    finally:
        stream.close()


def test_stream_waits_for_new_renders(module: str) -> None:
    stream = stream_of(config_for(f'{module}:renderer'))
    try:
        for _ in range(20):
            next(stream)
        # 80 draws, each render to be drawn twice on average and at most 1.5 times as often.
        assert stream.rendered >= 80 / 2 / 1.5
    finally:
        stream.close()


def test_killed_renderer_is_replaced(module: str, caplog: pytest.LogCaptureFixture) -> None:
    stream = stream_of(config_for(f'{module}:renderer'))
    try:
        next(stream)
        victim = stream._team._processes[0]
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        for _ in range(20):
            next(stream)
        assert stream._team._processes[0].pid != victim.pid
    finally:
        stream.close()
    assert (
        'renderer 0 ended by signal 9 (which comes where memory runs out); starting another'
        in caplog.text
    )


@pytest.mark.parametrize('renderer', ['dying', 'failing', 'absent'])
def test_renderers_that_keep_dying_are_reported(renderer: str, module: str) -> None:
    stream = stream_of(config_for(f'{module}:{renderer}', workers=1))
    try:
        with pytest.raises(RendererError, match='ended 3 times without a single sample'):
            next(stream)
    finally:
        stream.close()


def test_renderers_that_die_together_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(team: RendererTeam, worker: int) -> SimpleNamespace:
        return SimpleNamespace(poll=lambda: -signal.SIGKILL, wait=lambda timeout: None)

    monkeypatch.setattr(RendererTeam, '_start', killed)
    team = RendererTeam(config_for('unused', workers=4), PoolLayout(8, 4, 16, FIELDS), (1,))
    team.check()
    team.check()
    with pytest.raises(RendererError, match=r'renderer 0 ended 3 times .* by signal 9 \(which'):
        team.check()
    team.close()


def test_closed_stream_leaves_no_process(module: str) -> None:
    stream = stream_of(config_for(f'{module}:renderer'))
    processes = list(stream._team._processes)
    began = time.monotonic()
    stream.close()
    assert all(process.poll() is not None for process in processes)
    assert time.monotonic() - began < 30


TRAINER = """
import signal, sys, time
from handmesh_model.training.batches import crop_fields
from handmesh_model.training.config import DataConfig
from handmesh_model.training.sample_pool import PoolLayout
from handmesh_model.training.synthetic_stream import RendererTeam

# Handlers, which renderers do not inherit.
signal.signal(signal.SIGTERM, lambda number, frame: None)
signal.signal(signal.SIGINT, lambda number, frame: None)
config = DataConfig(renderer=sys.argv[1], render_size=16, nice=0)
team = RendererTeam(config, PoolLayout(8, 2, 16, crop_fields(16, 5)), (1,))
team.pool.allowed = 4
team.wait_for(4, lambda: False)
print(*[process.pid for process in team._processes], flush=True)
time.sleep(60)
"""


def test_renderers_outlive_a_signal_to_all_but_not_the_trainer(module: str) -> None:
    command = [sys.executable, '-c', TRAINER, f'{module}:renderer']
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(p or '.' for p in sys.path)}
    trainer = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert trainer.stdout is not None
        pids = [int(pid) for pid in trainer.stdout.readline().split()]
        assert len(pids) == 2
        for number in (signal.SIGINT, signal.SIGTERM):
            os.killpg(trainer.pid, number)  # Ctrl-C, and what ends a job by its group
            for pid in pids:
                os.kill(pid, number)  # Slurm and systemd, whose list has every process
        time.sleep(0.3)
        assert all(map(is_running, pids))
    finally:
        trainer.kill()
        trainer.communicate()
    assert wait_until_gone(pids)


def test_renderer_whose_trainer_died_before_it_looked_leaves(
    pool: SamplePool, module: str
) -> None:
    told = {
        'layout': vars(pool.layout),
        'descriptor': pool.descriptor,
        'worker': 0,
        'renderer': f'{module}:renderer',
        'key': [1],
        'nice': 0,
        'trainer': 2**30,
    }
    command = [sys.executable, '-m', 'handmesh_model.training.renderer', json.dumps(told)]
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(p or '.' for p in sys.path)}
    process = subprocess.Popen(command, env=environment, pass_fds=[pool.descriptor])
    try:
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize('name', ['no_such_module:f', 'json:no_such_function', 'json'])
def test_wrong_renderer_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"data.renderer is '{name}'"):
        load_renderer(name)

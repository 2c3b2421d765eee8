"""Order, repetition and failures of batches from a finite dataset."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from process_watch import is_running, wait_until_gone

from handmesh_model.errors import ConfigError, DatasetError, ShapeError
from handmesh_model.lixels import LixelScale
from handmesh_model.training.dataset_stream import DatasetStream, LoaderError

COUNT = 10


class Numbers:
    """Samples that say which they are: x is the index, y the epoch."""

    def __init__(
        self,
        count: int = COUNT,
        fails_at: int = -1,
        dies_at: int = -1,
        error: Exception | None = None,
        meshless: tuple[int, ...] = (),
    ) -> None:
        self.count, self.fails_at, self.dies_at = count, fails_at, dies_at
        self.error = error or DatasetError(f"sample {fails_at} is missing, expected at '/data'")
        self.meshless = meshless
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == self.fails_at:
            raise self.error
        if index == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        place = np.array([[index * 4, self.epoch * 4, 0]], np.float32)
        return {
            'image': np.full((8, 8, 3), index, np.uint8),
            'vertices': place,
            'joints': np.repeat(place, 21, axis=0),
            'mask': np.zeros((4, 4), np.uint8),
            'mesh_valid': np.bool_(index not in self.meshless),
            'presence': np.float32(1),
            'side': np.float32(1),
        }


def stream_from(seen: int = 0, rank: int = 0, ranks: int = 1, **options: Any) -> DatasetStream:
    source = options.pop('source', Numbers())
    return DatasetStream(source, LixelScale(64, 16), 4, (7, rank, seen), ranks, **options)


def keys(stream: DatasetStream, batches: int) -> list[tuple[int, int]]:
    """(epoch, index) of the samples of so many batches."""
    found = []
    for _ in range(batches):
        for x, y, _ in next(stream)['vertices'][:, 0]:
            found.append((int(y), int(x)))
    stream.close()
    return found


def test_every_epoch_has_each_sample_once_in_an_order_of_its_own() -> None:
    drawn = keys(stream_from(), 5)
    first, second = drawn[:COUNT], drawn[COUNT:]
    assert sorted(first) == [(0, i) for i in range(COUNT)]
    assert sorted(second) == [(1, i) for i in range(COUNT)]
    assert [i for _, i in first] != [i for _, i in second]


def test_batches_are_what_the_trainer_expects() -> None:
    batch = next(stream_from())
    assert batch['image'].dtype == np.uint8
    assert batch['mesh_valid'].dtype == bool
    np.testing.assert_array_equal(batch['image'][:, 0, 0, 0], batch['vertices'][:, 0, 0])
    np.testing.assert_allclose(batch['joints'][:, 0, 2], 8)


def test_samples_with_a_mesh_come_first() -> None:
    order = [i for _, i in keys(stream_from(), 1)]
    batch = next(stream_from(source=Numbers(meshless=(order[0], order[2]))))
    expected = [order[1], order[3], order[0], order[2]]
    assert batch['mesh_valid'].tolist() == [True, True, False, False]
    assert batch['image'][:, 0, 0, 0].tolist() == expected
    assert batch['vertices'][:, 0, 0].tolist() == expected


def test_a_later_start_goes_on_where_it_would_have_come_to() -> None:
    assert keys(stream_from(seen=12), 4) == keys(stream_from(), 7)[12:]


def test_a_start_with_another_batch_size_leaves_out_none_and_repeats_none() -> None:
    larger = DatasetStream(Numbers(), LixelScale(64, 16), 6, (7, 0, 8))
    assert keys(stream_from(), 2) + keys(larger, 2) == keys(stream_from(), 5)


def test_ranks_share_each_step() -> None:
    alone = keys(DatasetStream(Numbers(), LixelScale(64, 16), 8, (7, 0, 0)), 3)
    halves = [keys(stream_from(rank=rank, ranks=2), 3) for rank in range(2)]
    for step in range(3):
        together = [half[4 * step : 4 * step + 4] for half in halves]
        assert together[0] + together[1] == alone[8 * step : 8 * step + 8]


def test_workers_change_nothing() -> None:
    assert keys(stream_from(workers=2), 6) == keys(stream_from(), 6)


def test_workers_are_no_part_of_the_trainers_group() -> None:
    stream = stream_from(workers=2)
    for _ in range(2):  # one batch of each
        next(stream)
    workers = stream._batches._workers  # type: ignore[attr-defined]
    groups = {os.getpgid(worker.pid) for worker in workers}
    assert groups == {worker.pid for worker in workers}
    stream.close()
    assert not any(worker.is_alive() for worker in workers)


TRAINER = """
import signal, sys, time
import numpy as np
from handmesh_model.lixels import LixelScale
from handmesh_model.training.dataset_stream import DatasetStream

class Source:
    def __len__(self):
        return 10

    def set_epoch(self, epoch):
        pass

    def __getitem__(self, index):
        if sys.argv[1] == 'fails' and index == 3:
            time.sleep(1000)
        place = np.zeros((1, 3), np.float32)
        return {'vertices': place, 'joints': place, 'mesh_valid': np.bool_(True)}

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: None)
stream = DatasetStream(Source(), LixelScale(64, 16), 4, (7, 0, 0), workers=2)
if sys.argv[1] != 'fails':
    for _ in range(2):  # one batch of each
        next(stream)
print(*[worker.pid for worker in stream._batches._workers], flush=True)
if sys.argv[1] == 'fails':
    time.sleep(0.5)  # until both are at work
    raise RuntimeError('its trace keeps the stream')
time.sleep(60)
"""


@pytest.fixture
def start_trainer() -> Iterator[Callable[[str], tuple[subprocess.Popen, list[int]]]]:
    """A function that starts a trainer; the process and the ids of its two loaders."""
    started: list[subprocess.Popen] = []
    ours: list[int] = []

    def start(does: str) -> tuple[subprocess.Popen, list[int]]:
        environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(p or '.' for p in sys.path)}
        command = [sys.executable, '-c', TRAINER, does]
        pipes: Any = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
        started.append(process)
        assert process.stdout is not None
        loaders = [int(pid) for pid in process.stdout.readline().split()]
        ours.extend(loaders)
        assert len(loaders) == 2
        return process, loaders

    yield start
    for process in started:
        process.kill()
    for pid in filter(is_running, ours):
        os.kill(pid, signal.SIGKILL)
    for process in started:
        process.communicate()


def test_workers_outlive_a_signal_to_all_but_not_the_trainer(
    start_trainer: Callable[[str], tuple[subprocess.Popen, list[int]]],
) -> None:
    trainer, loaders = start_trainer('waits')
    for number in (signal.SIGINT, signal.SIGTERM):
        for pid in (trainer.pid, *loaders):
            os.kill(pid, number)  # Slurm and systemd, whose list has every process
    time.sleep(0.3)
    assert all(map(is_running, loaders))
    trainer.kill()
    assert wait_until_gone(loaders)


def test_trainer_that_fails_while_a_worker_hangs_ends_with_all(
    start_trainer: Callable[[str], tuple[subprocess.Popen, list[int]]],
) -> None:
    trainer, loaders = start_trainer('fails')
    assert trainer.wait(timeout=20) == 1
    assert wait_until_gone(loaders)


@pytest.mark.parametrize('workers', [0, 1])
def test_unreadable_sample_is_reported(workers: int) -> None:
    stream = stream_from(source=Numbers(fails_at=3), workers=workers)
    with pytest.raises(DatasetError, match='sample 3 is missing, expected at') as told:
        keys(stream, 3)
    assert str(told.value).count('\n') == 0
    stream.close()


def test_error_that_a_worker_cannot_send_is_reported() -> None:
    source = Numbers(fails_at=3, error=ShapeError('mask', (3,), '(H, W)'))
    stream = stream_from(source=source, workers=1)
    with pytest.raises(DatasetError, match=r'^mask has shape \(3,\), expected \(H, W\)$'):
        keys(stream, 3)
    stream.close()


def test_dead_worker_is_reported() -> None:
    stream = stream_from(source=Numbers(dies_at=3), workers=1)
    with pytest.raises(LoaderError, match='a process that loads samples died'):
        keys(stream, 3)
    stream.close()


def test_empty_dataset_is_named() -> None:
    with pytest.raises(ConfigError, match='has 0 samples'):
        stream_from(source=Numbers(count=0))

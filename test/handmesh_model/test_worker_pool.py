"""Processes that share work use one thread each, and leave nothing behind."""

import contextlib
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection

import cv2
import pytest

from handmesh_model import worker_pool


@pytest.mark.parametrize('workers', [1, 2])
def test_results_come_in_order(workers: int) -> None:
    with worker_pool.shared_out(abs, range(-20, 0), workers) as results:
        assert list(results) == list(range(20, 0, -1))


@pytest.mark.parametrize('method', ['fork', 'forkserver'])
def test_processes_use_one_thread_of_opencv_each(method: str, monkeypatch) -> None:
    pool = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context(method))
    monkeypatch.setattr(worker_pool, 'ProcessPoolExecutor', pool)
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        # Processes that are not forked do not find functions of tests.
        work = partial(eval, "__import__('cv2').getNumThreads()")
        with worker_pool.shared_out(work, [{}], workers=2) as results:
            assert list(results) == [1]
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_a_dead_process_is_noticed() -> None:
    with (
        pytest.raises(BrokenProcessPool),
        worker_pool.shared_out(os._exit, range(1, 3), workers=2) as results,
    ):
        list(results)


def _lead(news: Connection) -> None:
    os.setpgid(0, 0)
    with worker_pool.shared_out(abs, [1], workers=2) as results:
        news.send(next(results))
        signal.pause()


def test_processes_end_with_their_parent_however_it_ends() -> None:
    fork = multiprocessing.get_context('fork')
    news, told = fork.Pipe(duplex=False)
    parent = fork.Process(target=_lead, args=(told,))
    parent.start()
    told.close()
    assert news.recv() == 1
    parent.kill()
    parent.join()
    try:
        # Nothing is left to hear once nobody has the other end any more.
        assert news.poll(10)
        with pytest.raises(EOFError):
            news.recv()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)

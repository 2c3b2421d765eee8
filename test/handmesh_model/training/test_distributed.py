"""Starting ranks without torchrun, with processes that do nothing but report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from process_watch import is_running, wait_until_gone

from handmesh_model.errors import ConfigError
from handmesh_model.training import distributed
from handmesh_model.training.distributed import (
    FAILED,
    LAUNCHER,
    PeerError,
    Ranks,
    is_abandoned,
    is_first_to_fail,
    join_ranks,
    launch,
)

REPORT = """
import json, os, sys
keys = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'OMP_NUM_THREADS')
keys += ('HANDMESH_FAILED',)
with open(os.path.join(sys.argv[1], os.environ['RANK']), 'w') as file:
    json.dump({key: os.environ.get(key) for key in keys}, file)
"""
FAIL_OR_WAIT = """
import os, sys, time
if os.environ['RANK'] == '1':
    sys.exit(7)
time.sleep(60)
"""
WAIT_FOR_SIGNAL = """
import os, pathlib, signal, sys, time
def leave(number, frame):
    pathlib.Path(sys.argv[1], 'left' + os.environ['RANK']).touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path(sys.argv[1], 'ready' + os.environ['RANK']).touch()
time.sleep(60)
"""
WAIT_FOR_LAUNCHER = """
import os, pathlib, sys, time
from handmesh_model.training.distributed import is_abandoned
folder, deadline = pathlib.Path(sys.argv[1]), time.monotonic() + 60
looks = 0
while not is_abandoned() and time.monotonic() < deadline:
    looks += 1
    if looks == 5:
        (folder / 'part').write_text(str(os.getpid()))
        (folder / 'part').replace(folder / 'waiting')
    time.sleep(0.02)
(folder / 'left').write_text(str(is_abandoned()))
"""
LAUNCH = """
import sys
from handmesh_model.training.distributed import launch
launch(['-c', *sys.argv[1:]], 1, threads=1)
"""


def test_ranks_know_each_other(tmp_path: Path) -> None:
    assert launch(['-c', REPORT, str(tmp_path)], 2, threads=3) == 0
    told = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(2)]
    assert [t['RANK'] for t in told] == [t['LOCAL_RANK'] for t in told] == ['0', '1']
    assert {(t['WORLD_SIZE'], t['OMP_NUM_THREADS'], t['MASTER_ADDR']) for t in told} == {
        ('2', '3', '127.0.0.1')
    }
    assert told[0]['MASTER_PORT'] == told[1]['MASTER_PORT']
    assert told[0][FAILED] == told[1][FAILED]
    assert not Path(told[0][FAILED]).parent.exists()  # gone with the launch


def test_failed_rank_ends_the_others() -> None:
    assert launch(['-c', FAIL_OR_WAIT], 2, threads=1) == 7


def test_rank_that_a_signal_ended_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert launch(['-c', 'import os; os.kill(os.getpid(), 9)'], 1, threads=1) == 9
    assert capfd.readouterr().err == 'rank 0 was ended by signal 9\n'


def test_first_to_fail_is_asked_for_anew_in_each_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('one', 'two'):
        monkeypatch.setenv(FAILED, str(tmp_path / name))
        assert [is_first_to_fail(), is_first_to_fail()] == [True, False]
    # Rather twice than not at all.
    for path in (tmp_path / 'no' / 'folder', None):
        if path is None:
            monkeypatch.delenv(FAILED)
        else:
            monkeypatch.setenv(FAILED, str(path))
        assert [is_first_to_fail(), is_first_to_fail()] == [True, True]


def test_more_ranks_than_gpus_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setenv('LOCAL_RANK', '3')
    with pytest.raises(ConfigError, match=r'LOCAL_RANK is 3, expected less than 2.*ranks=2'):
        join_ranks()


def test_lost_rank_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tensor: torch.Tensor, operation: object) -> None:
        raise RuntimeError('connection closed by peer')

    monkeypatch.setattr(distributed.dist, 'all_reduce', refuse)
    for ask in (lambda ranks: ranks.most(1.0), lambda ranks: ranks.span(1.0)):
        with pytest.raises(PeerError, match=r'another rank is gone \(connection closed'):
            ask(Ranks(0, 2, torch.device('cpu')))


def test_one_rank_alone_asks_nobody() -> None:
    alone = Ranks(0, 1, torch.device('cpu'))
    assert alone.most(1.0, 0.3) == [1.0, 0.3]
    assert alone.span(3.0) == (3.0, 3.0)


def test_span_is_over_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_another_at_5(tensor: torch.Tensor, operation: object) -> None:
        torch.maximum(tensor, torch.tensor([5.0, -5.0], dtype=tensor.dtype), out=tensor)

    monkeypatch.setattr(distributed.dist, 'all_reduce', with_another_at_5)
    pair = Ranks(0, 2, torch.device('cpu'))
    assert (pair.span(3.0), pair.span(8.0)) == ((3.0, 5.0), (5.0, 8.0))


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on_as_sigterm(tmp_path: Path, number: signal.Signals) -> None:
    def signal_when_ready() -> None:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob('ready*'))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=signal_when_ready)
    thread.start()
    assert launch(['-c', WAIT_FOR_SIGNAL, str(tmp_path)], 2, threads=1) == 0
    thread.join()
    assert sorted(path.name for path in tmp_path.glob('left*')) == ['left0', 'left1']


def test_rank_notices_that_its_launcher_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, '-c', LAUNCH, WAIT_FOR_LAUNCHER, str(tmp_path)]
    waiting, deadline = tmp_path / 'waiting', time.monotonic() + 60
    with subprocess.Popen(command) as launcher:
        while not waiting.exists() and launcher.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        launcher.kill()
    rank = int(waiting.read_text())
    try:
        assert wait_until_gone([rank])
    finally:
        if is_running(rank):
            os.kill(rank, signal.SIGKILL)
    assert (tmp_path / 'left').read_text() == 'True'


def test_process_without_a_launcher_or_with_it_is_not_abandoned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(LAUNCHER, raising=False)
    # As of a rank that torchrun started and lost, or whose command is process 1 of a container.
    monkeypatch.setattr(os, 'getppid', lambda: 1)
    assert not is_abandoned()
    monkeypatch.setenv(LAUNCHER, '1')
    assert not is_abandoned()
    monkeypatch.setenv(LAUNCHER, '4711')
    assert is_abandoned()

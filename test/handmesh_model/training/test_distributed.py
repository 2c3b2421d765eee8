"""Starting ranks without torchrun, with processes that do nothing but report."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from handmesh_model.training.distributed import launch

REPORT = """
import json, os, sys
keys = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'OMP_NUM_THREADS')
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


def test_ranks_know_each_other(tmp_path: Path) -> None:
    assert launch(['-c', REPORT, str(tmp_path)], 2, threads=3) == 0
    told = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(2)]
    assert [t['RANK'] for t in told] == [t['LOCAL_RANK'] for t in told] == ['0', '1']
    assert {(t['WORLD_SIZE'], t['OMP_NUM_THREADS'], t['MASTER_ADDR']) for t in told} == {
        ('2', '3', '127.0.0.1')
    }
    assert told[0]['MASTER_PORT'] == told[1]['MASTER_PORT']


def test_failed_rank_ends_the_others() -> None:
    assert launch(['-c', FAIL_OR_WAIT], 2, threads=1) == 7


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

"""How tests leave no process behind, and no shared memory of one."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import robot
from robot import TIMEOUT, NodeProcess

FOLDER = Path(__file__).parent
DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print('deaf')
time.sleep(60)
"""
ORPHAN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from robot import NodeProcess
print(NodeProcess(['-c', 'import time; time.sleep(60)'], sys.argv[2]).process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def wait(is_true):
    end = time.monotonic() + TIMEOUT
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_node_that_a_test_leaves_ends_by_itself(make_robot, painted_node):
    node = painted_node()
    make_robot(topics=('hands',)).wait_for_node()
    robot.end_all([node])
    assert not node.is_alive()
    assert node.end() == 0, node.text()


def test_what_does_not_end_by_itself_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(robot, 'PATIENCE', 0.2)
    deaf = NodeProcess(['-c', DEAF], tmp_path / 'log')
    wait(deaf.text)
    robot.end_all([deaf])
    assert deaf.process.returncode == -signal.SIGKILL


@pytest.mark.skipif(not robot.DIES_WITH_TESTS, reason='there is no setpriv')
def test_no_process_outlives_tests_that_are_killed(tmp_path):
    words = [sys.executable, '-c', ORPHAN, str(FOLDER), str(tmp_path / 'log')]
    run = subprocess.run(words, text=True, capture_output=True, cwd=FOLDER.parents[1])
    assert run.returncode == -signal.SIGKILL, run.stderr
    wait(lambda: not is_running(int(run.stdout)))


def is_running(pid):
    """Whether it does something yet; nobody may be there to hear that it has ended."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
    except OSError:
        return False

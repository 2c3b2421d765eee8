"""
Starts painted nodes in no time: one process imports PyTorch and everything, and forks for each.

Run as a script it is that process. It talks JSON, line by line: it says that it is ready, takes
{"arguments": [...], "log": path}, and answers with the process number.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
_TIMEOUT = 120.0
_PR_SET_PDEATHSIG = 1


class Nursery:
    """The test's end of it; started when it is first needed."""

    def __init__(self):
        self._process = None

    def start(self, arguments, log):
        """Start a painted node; a :class:`ForkedNode`."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, '-u', str(Path(__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {'PYTHONUNBUFFERED': '1', 'OMP_NUM_THREADS': '1'},
                cwd=FOLDER.parents[1],
            )
            assert self._answer() == 'ready'
        task = {'arguments': [str(word) for word in arguments], 'log': str(log)}
        self._process.stdin.write(json.dumps(task) + '\n')
        self._process.stdin.flush()
        return ForkedNode(self._answer(), Path(log))

    def _answer(self):
        line = self._process.stdout.readline()
        assert line, 'the process that forks nodes has ended'
        return json.loads(line)

    def close(self):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(_TIMEOUT)


class ForkedNode:
    """A node that was forked: what :class:`robot.NodeProcess` is for a started one."""

    def __init__(self, pid, log):
        self.pid = pid
        self.log = log
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = None

    def text(self):
        return self.log.read_text(errors='replace') if self.log.is_file() else ''

    def is_alive(self):
        return not self.ends_within(0)

    def ends_within(self, seconds):
        return self._handle is None or bool(select.select([self._handle], [], [], seconds)[0])

    def tell(self, how):
        """Send a signal, unless it has ended."""
        if self.is_alive():
            os.kill(self.pid, how)

    def end(self, how=signal.SIGINT, timeout=_TIMEOUT):
        """Send a signal and return the exit code; None if something killed the node."""
        self.tell(how)
        try:
            assert self.ends_within(timeout), 'the node does not end'
            code = self.log.with_suffix('.code')
            return int(code.read_text()) if code.is_file() else None
        finally:
            self.kill()

    def kill(self):
        if self._handle is not None:
            self.tell(signal.SIGKILL)
            self.ends_within(10)
            os.close(self._handle)
            self._handle = None


def serve():
    """Fork for every line that comes."""
    sys.path.insert(0, str(FOLDER))
    import painted_hands

    from handmesh_model import predictor, visualization  # noqa: F401
    from handmesh_ros import handmesh_node

    predictor.HandMeshPredictor = painted_hands.PaintedPredictor
    # Nobody asks for exit codes here; the system shall clean up.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C is for pytest, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps('ready'), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            # Whatever ends the tests, and so this process, leaves no node behind.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            _be_node(task, handmesh_node.main)
        print(json.dumps(pid), flush=True)


def _be_node(task, main):
    log = Path(task['log'])
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.close(0)
    sys.argv = ['painted_hands.py', *task['arguments']]
    code = 1
    try:
        code = main()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        log.with_suffix('.code').write_text(str(code))
        # Libraries that were loaded before the fork do not expect to be unloaded behind it.
        os._exit(code)


if __name__ == '__main__':
    serve()

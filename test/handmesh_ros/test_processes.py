"""The processes of a demo end with it, whoever ends it and however often."""

import os
import signal
import subprocess
import threading
from types import SimpleNamespace

import pytest

from handmesh_ros import processes, stop_signals
from handmesh_ros.processes import Child, Children

SIGNALS = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


@pytest.fixture(autouse=True)
def heeded():
    """Who runs the tests with nohup has SIGHUP ignored."""
    before = signal.signal(signal.SIGHUP, lambda *_: None)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def deaf():
    """Starts processes that do not listen to SIGINT."""
    started = []

    def start(name):
        process = subprocess.Popen(
            ['sh', '-c', 'trap "" INT; echo deaf; exec sleep 60'], stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b'deaf\n'
        return Child(name, process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@SIGNALS
def test_signals_while_processes_end_orphan_none(deaf, monkeypatch, number):
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', 0.2)
    timers = [threading.Timer(t, os.kill, (os.getpid(), number)) for t in (0.05, 0.4)]
    children = Children()
    children._children += [deaf('camera'), deaf('node')]
    with pytest.raises(ZeroDivisionError), children:  # noqa: PT012
        for timer in timers:
            timer.start()
        raise ZeroDivisionError
    codes = [child.process.returncode for child in children._children]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL]
    assert not timers[1].is_alive(), 'the first signal is passed over'


@SIGNALS
def test_signals_while_a_process_ends_do_not_orphan_it(deaf, monkeypatch, number):
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', 0.0)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    assert deaf('node').stop() == -signal.SIGKILL


@SIGNALS
def test_a_signal_ends_a_command_and_its_handlers_are_put_back(capfd, number):
    before = signal.getsignal(number)
    assert processes.run_as_command(lambda: os.kill(os.getpid(), number)) == 130
    assert capfd.readouterr().err == 'demo stopped\n'
    assert signal.getsignal(number) == before


def test_output_is_taken_from_a_process_though_nobody_listens(monkeypatch):
    def closed(*_, **__):
        raise OSError('Input/output error')

    child = Child('node', SimpleNamespace(stdout=['first\n', 'second\n']))
    monkeypatch.setattr('builtins.print', closed)
    child._pass_on()
    assert child.lines == ['first\n', 'second\n']

"""The processes of a demo end with it, whoever ends it and however often."""

import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from handmesh_ros import processes, stop_signals
from handmesh_ros.processes import Child, Children, RunError

SIGNALS = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


@pytest.fixture(autouse=True)
def heeded(monkeypatch):
    """
    Nobody has asked for the end yet, and no signal that is lost ends the tests.

    Who runs them with nohup has SIGHUP ignored, which would stay so.
    """
    monkeypatch.setattr(stop_signals, '_requested_at', None)
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', 60.0)
    before = {n: signal.signal(n, lambda *_: None) for n in stop_signals.STOP_SIGNALS}
    yield
    for number, former in before.items():
        signal.signal(number, former)


@pytest.fixture
def deaf():
    """Starts processes that do not listen to SIGINT."""
    started = []

    def start(name, script='trap "" INT; echo deaf; exec sleep 60'):
        process = subprocess.Popen(['sh', '-c', script], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b'deaf\n'
        return Child(name, process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def writing(deaf):
    """Starts processes that need some time to end after SIGINT."""
    return lambda name: deaf(
        name, 'trap "sleep 0.4; exit 0" INT; echo deaf; while :; do sleep 0.05; done'
    )


def signalled(child, *numbers):
    """
    Have signals come while a process is waited for that has been asked to end.

    :returns: those that have not come yet.
    """
    coming = list(numbers)
    wait = child.process.wait

    def signalled_wait(timeout=None):
        while coming:
            os.kill(os.getpid(), coming.pop())
            if coming:
                with pytest.raises(subprocess.TimeoutExpired):  # the first signal kills nobody
                    wait(0.2)
        return wait(timeout)

    child.process.wait = signalled_wait
    return coming


@SIGNALS
def test_signals_while_processes_end_orphan_none(deaf, monkeypatch, number):
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', 0.1)
    children = Children()
    children._children += [deaf('camera'), deaf('node')]
    coming = signalled(children._children[0], number, number)
    with pytest.raises(ZeroDivisionError), children:
        raise ZeroDivisionError
    codes = [child.process.returncode for child in children._children]
    assert codes == [-signal.SIGKILL, -signal.SIGKILL]
    assert not coming


@SIGNALS
def test_signals_while_a_process_ends_do_not_orphan_it(deaf, monkeypatch, number):
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', 0.0)
    node = deaf('node')
    signalled(node, number, number)
    with stop_signals.handled_by(processes.interrupt), pytest.raises(KeyboardInterrupt):
        node.stop()
    assert node.process.returncode == -signal.SIGKILL


@SIGNALS
@pytest.mark.parametrize('impatience', [0.0, 1.0])
def test_the_first_signal_while_processes_end_ends_the_demo_and_kills_none(
    writing, capfd, monkeypatch, number, impatience
):
    monkeypatch.setattr(stop_signals, 'IMPATIENCE', impatience)
    children = Children()
    recorder = writing('recorder')
    children._children.append(recorder)
    signalled(recorder, number)

    def scene():
        with children:
            pass
        pytest.fail('the demo goes on with the next scene')

    assert processes.run_as_command(scene) == 130
    assert recorder.process.returncode == 0
    assert capfd.readouterr().err == 'demo stopped\n'


@SIGNALS
def test_the_signal_that_stops_a_demo_may_come_twice_and_kills_none(writing, number):
    children = Children()
    recorder = writing('recorder')
    children._children.append(recorder)
    coming = signalled(recorder, number)

    def scene():
        with children:
            os.kill(os.getpid(), number)

    assert processes.run_as_command(scene) == 130
    assert not coming
    assert recorder.process.returncode == 0


@SIGNALS
def test_a_process_that_a_node_ends_leaves_the_node_to_write_its_report(writing, number):
    """A signal asks such a node to end, it raises nothing; the same one may come twice."""
    with stop_signals.asking():
        for is_requested in (False, True):
            assert stop_signals.is_stop_requested() is is_requested
            node = writing('node')
            coming = signalled(node, number)
            assert node.stop() == 0
            assert not coming
    assert stop_signals.is_stop_requested()


def test_an_error_is_told_though_a_signal_comes_while_processes_end(writing, capfd):
    children = Children()
    recorder = writing('recorder')
    children._children.append(recorder)
    coming = signalled(recorder, signal.SIGINT)

    def scene():
        with children:
            raise RunError('no picture')

    assert processes.run_as_command(scene) == 1
    assert capfd.readouterr().err == 'demo failed: no picture\n'
    assert not coming


@SIGNALS
def test_a_signal_ends_a_command_and_its_handlers_are_put_back(capfd, number):
    before = signal.getsignal(number)
    assert processes.run_as_command(lambda: os.kill(os.getpid(), number)) == 130
    assert capfd.readouterr().err == 'demo stopped\n'
    assert signal.getsignal(number) == before


def test_a_failure_is_named_as_what_its_program(capfd):
    def fail():
        raise RunError('no film')

    assert processes.run_as_command(fail, 'benchmark') == 1
    assert capfd.readouterr().err == 'benchmark failed: no film\n'


@pytest.mark.parametrize('echo', [True, False])
def test_last_words_are_told_where_nobody_has_seen_them(capfd, echo):
    child = Child.start('no_such_module', ['--out', 'x'], echo)
    child.process.wait(60)
    said = 'ended with code 1' if echo else 'failed: .*No module named handmesh_ros.no_such_module'
    with pytest.raises(RunError, match=f'^no_such_module {said}$'):
        child.check()
    child._reader.join(60)
    assert ('No module named' in capfd.readouterr().out) is echo


def test_a_process_that_says_nothing_and_fails_is_named(deaf):
    child = deaf('camera', 'echo deaf; exit 3')
    child.process.wait(60)
    child.echo = False
    with pytest.raises(RunError, match=r'^camera failed: it said nothing$'):
        child.check()


def test_a_process_that_ends_well_or_goes_on_has_not_failed(deaf):
    child = deaf('camera')
    child.check()
    ended = deaf('camera', 'echo deaf')
    ended.process.wait(60)
    ended.check()


def test_what_was_measured_holds_however_its_processes_end(deaf, capfd):
    def fail_at_the_end(**options):
        with Children(**options) as children:
            script = 'trap "exit 4" INT; echo deaf; while :; do sleep 0.05; done'
            children._children.append(deaf('node', script))
        return 'figures'

    with pytest.raises(RunError, match=r'^node ended with code 4$'):
        fail_at_the_end()
    assert fail_at_the_end(must_end_well=False) == 'figures'
    assert capfd.readouterr().err == 'node ended with code 4\n'


def test_values_reach_a_node_as_they_are():
    parameters = {'out': Path('a b'), 'rate': 2.0, 'source': '0', 'lockstep': True}
    assert processes.ros_arguments(parameters, ['--log-level', 'info']) == [
        *('--ros-args', '--log-level', 'info', '-p', 'out:="a b"', '-p', 'rate:=2.0'),
        *('-p', 'source:="0"', '-p', 'lockstep:=true'),
    ]


def test_output_is_taken_from_a_process_though_nobody_listens(monkeypatch):
    def closed(*_, **__):
        raise OSError('Input/output error')

    child = Child('node', SimpleNamespace(stdout=['first\n', 'second\n']))
    monkeypatch.setattr('builtins.print', closed)
    child._read()
    assert child.lines == ['first\n', 'second\n']

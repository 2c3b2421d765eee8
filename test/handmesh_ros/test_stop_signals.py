import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handmesh_ros import stop_signals

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def run(script, number):
    """Run a script in a process of its own, in which `number` is a signal."""
    script = f"""
import os, signal, sys, time
from handmesh_ros import stop_signals
number = signal.Signals({int(number)})
# Who runs the tests with nohup has it ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def hit():
    os.kill(os.getpid(), number)
{script}
"""
    command = [sys.executable, '-c', script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout.split(), done.stderr


@EACH
def test_a_signal_among_the_imports_ends_with_0(number):
    code, said, errors = run(
        "stop_signals.end_at_once(); print('before', flush=True); hit(); print('after')", number
    )
    assert (code, said, errors) == (0, ['before'], '')


@EACH
def test_a_signal_only_asks(number):
    script = """
with stop_signals.asking():
    print(stop_signals.is_stop_requested())
    hit(); hit()
    print(stop_signals.is_stop_requested())
"""
    assert run(script, number) == (0, ['False', 'True'], '')


@EACH
def test_a_signal_repeated_later_ends_at_once(number):
    script = """
stop_signals.IMPATIENCE = 0.05
with stop_signals.asking():
    hit()
    time.sleep(0.1)
    print('asked', flush=True)
    hit()
    print('never')
"""
    assert run(script, number) == (128 + number, ['asked'], '')


def test_who_starts_a_process_with_nohup_has_it_stay():
    script = """
signal.signal(number, signal.SIG_IGN)
stop_signals.end_at_once()
hit()
with stop_signals.asking():
    hit()
    print(stop_signals.is_stop_requested())
"""
    assert run(script, signal.SIGHUP) == (0, ['False'], '')


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stop_signals.STOP_SIGNALS]
    with stop_signals.asking():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_signals.is_stop_requested()
    assert [signal.getsignal(number) for number in stop_signals.STOP_SIGNALS] == before
    with stop_signals.asking():
        assert not stop_signals.is_stop_requested()

"""How an executable waits while it serves."""

import time

import pytest
from rclpy.executors import ExternalShutdownException

from handmesh_ros import executable


class Executor:
    """Stands for one that has a callback whenever it is asked."""

    def __init__(self):
        self.timeouts = []

    def spin_once(self, timeout_sec):
        self.timeouts.append(timeout_sec)


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.setattr(executable, 'is_over', lambda node: False)
    return Executor()


@pytest.fixture
def spun(executor, monkeypatch):
    """The same for :func:`executable.spin`, which makes its own."""
    executor.ends = 0

    def shutdown():
        executor.ends += 1

    executor.add_node, executor.shutdown = (lambda node: None), shutdown
    monkeypatch.setattr(executable, 'SingleThreadedExecutor', lambda: executor)
    return executor


def test_callbacks_are_served_until_the_node_shall_end(spun, monkeypatch):
    monkeypatch.setattr(executable, 'is_over', lambda node: len(spun.timeouts) == 3)
    executable.spin(None)
    assert (len(spun.timeouts), spun.ends) == (3, 1)


def test_callbacks_are_served_until_time_is_up(spun):
    start = time.monotonic()
    executable.spin(None, start + 0.02)
    assert time.monotonic() - start >= 0.02
    assert spun.timeouts
    served = len(spun.timeouts)
    executable.spin(None, start)
    assert (len(spun.timeouts), spun.ends) == (served, 2)


def test_an_error_of_a_callback_ends_the_executor_as_well(spun, monkeypatch):
    def fail(timeout_sec):
        raise ZeroDivisionError

    monkeypatch.setattr(spun, 'spin_once', fail)
    with pytest.raises(ZeroDivisionError):
        executable.spin(None)
    assert spun.ends == 1


def test_what_holds_already_is_not_waited_for(executor):
    assert executable.spin_until(None, executor, lambda: True, 0.0)
    assert executor.timeouts == []


def test_callbacks_are_served_once_even_when_time_is_up(executor):
    assert not executable.spin_until(None, executor, lambda: False, time.monotonic() - 1)
    assert executor.timeouts == [0.0]


def test_what_comes_to_hold_with_the_last_callback_is_in_time(executor):
    def is_true():
        return len(executor.timeouts) == 1

    assert executable.spin_until(None, executor, is_true, time.monotonic() - 1)


def test_time_that_is_left_is_waited_for_and_no_longer(executor):
    start = time.monotonic()
    assert not executable.spin_until(None, executor, lambda: False, start + 0.02)
    assert time.monotonic() - start >= 0.02
    assert 0 <= max(executor.timeouts) <= 0.02


def test_who_shall_end_waits_for_nothing(executor, monkeypatch):
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    with pytest.raises(ExternalShutdownException):
        executable.spin_until(None, executor, lambda: False, time.monotonic() + 60)
    assert len(executor.timeouts) == 1

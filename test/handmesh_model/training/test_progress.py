"""The line that says how far a run is."""

import io

import pytest

from handmesh_model.training import progress
from handmesh_model.training.progress import Progress, duration


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0, '0 s'), (89.4, '89 s'), (91, '2 min'), (3600, '60 min'), (12_060, '3 h 21 min')],
)
def test_duration_in_words(seconds, text):
    assert duration(seconds) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_plain_line_has_figures_speed_and_time_left(clock):
    stream = io.StringIO()
    line = Progress(10_000, 2000, stream)
    clock[0] += 10
    assert line.update(3000, {'loss': 1.23456}) == pytest.approx(100)
    assert '3,000 of 10,000  loss 1.235  100 img/s  70 s left' in stream.getvalue()


def test_known_end_of_the_time_counts(clock):
    stream = io.StringIO()
    line = Progress(10_000, 0, stream)
    clock[0] += 10
    line.update(100, {}, seconds_left=30)
    for done, seconds_left in ((200, 0), (300, -10)):
        clock[0] += 40
        line.update(done, {}, seconds_left=seconds_left)
    first, *others = stream.getvalue().splitlines()
    assert first.endswith(' img/s  30 s left')
    assert len(others) == 2
    assert all(other.endswith(' img/s  0 s left') for other in others)


def test_rest_is_not_counted_as_training(clock):
    line = Progress(10_000, 0, io.StringIO())
    clock[0] += 500
    line.rest()
    clock[0] += 10
    assert line.update(1000, {}) == pytest.approx(100)


def test_terminal_gets_a_bar():
    stream = Terminal()
    line = Progress(100, 50, stream)
    line.update(75, {'loss': 2.0})
    line.say('validation')
    line.close()
    assert '75%' in stream.getvalue()
    assert 'loss 2' in stream.getvalue()
    assert 'validation\n' in stream.getvalue()

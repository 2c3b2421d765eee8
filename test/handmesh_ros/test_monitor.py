from collections import Counter
from itertools import pairwise
from typing import get_args

import pytest
from set_clock import Clock

from handmesh_ros.monitor import FAULT_KINDS, FAULT_MEMORY, FaultKind, Monitor, kinds_of


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(clock):
    return Monitor(clock)


def test_rate_of_even_arrivals(monitor, clock):
    for _ in range(31):
        clock.now += 0.1
        monitor.count('received')
    assert monitor.counts['received'] == 31
    assert monitor.rate('received') == pytest.approx(10)
    clock.now += 100
    assert monitor.rate('received') == 0
    assert monitor.silence('received') == pytest.approx(100)


def test_rate_of_nothing_is_zero(monitor):
    assert monitor.rate('received') == 0
    monitor.count('received')
    assert monitor.rate('received') == 0


def test_stage_times(monitor, clock):
    for i in range(1, 101):
        with monitor.stage('network'):
            clock.now += i / 1000
    median, high = monitor.percentiles('network')
    assert median == pytest.approx(0.0505)
    assert high == pytest.approx(0.09505)
    assert monitor.stages() == ['network']
    assert monitor.percentiles('publish') is None


def test_same_fault_is_logged_once_in_a_while_and_counted_always(monitor, clock):
    said = 0
    for _ in range(300):
        said += monitor.fault('image', 'step is 3')
        clock.now += 0.1
    assert said == 3
    assert monitor.faults()['image'].count == 300


def word(number):
    """Another word for each number."""
    return ''.join(chr(ord('a') + int(digit)) for digit in str(number))


def test_new_texts_are_logged_at_once_but_not_in_floods(monitor, clock):
    said = [monitor.fault('image', f'step is {word(i)}') for i in range(20)]
    assert said == [True] * 5 + [False] * 15
    assert monitor.fault('calibration', 'K is zero')
    clock.now += 5.1
    assert monitor.fault('image', f'step is {word(30)}')
    said = 0
    for i in range(1000):
        clock.now += 0.01
        said += monitor.fault('image', f'step is {word(40 + i)}')
    assert 5 <= said <= 15


def test_texts_that_differ_in_numbers_alone_are_the_same(monitor, clock):
    said = []
    for i in range(600):
        clock.now += 0.1
        if monitor.fault('age', f'image dropped: it is {0.37 * i:.3g} s old'):
            said.append(clock.now)
        # Large and small numbers are written otherwise.
        monitor.fault('time', f'image stamps went back by {10.0 ** (i % 20 - 10):.3g} s')
    assert len(said) == 6
    assert min(b - a for a, b in pairwise(said)) >= 10
    assert monitor.faults()['age'].text.endswith('it is 222 s old')
    assert len(monitor.faults()['time'].logged) == 1


def test_texts_that_take_turns_are_each_logged_once_in_a_while(monitor, clock):
    said = Counter()
    for i in range(600):
        text = ('no frame_id', "frame 'b' after 'a'", "frame 'a' after 'b'")[i % 3]
        said[text] += monitor.fault('frame', text)
        clock.now += 0.1
    assert len(said) == 3
    assert all(5 <= count <= 6 for count in said.values())
    assert len(monitor.faults()['frame'].logged) <= 3


def test_fault_is_present_for_a_while(monitor, clock):
    assert not monitor.is_present('image')
    monitor.fault('image', 'step is 3')
    assert monitor.is_present('image')
    clock.now += FAULT_MEMORY + 0.1
    assert not monitor.is_present('image')
    assert monitor.faults()['image'].text == 'step is 3'


def test_every_kind_of_fault_is_known_once():
    assert list(get_args(FaultKind)) == list(FAULT_KINDS)
    listed = [kind for part in ('images', 'calibration', 'network') for kind in kinds_of(part)]
    # That no image comes is told of by its own status, while it lasts.
    assert sorted([*listed, 'silence']) == sorted(FAULT_KINDS)


def test_kinds_of_a_status_come_in_the_order_in_which_they_win():
    assert kinds_of('images', True) == ('image', 'serving')
    assert kinds_of('images', False) == ('qos', 'frame', 'age', 'boxes', 'time')
    assert kinds_of('images') == kinds_of('images', True) + kinds_of('images', False)
    assert kinds_of('calibration') == ('calibration', 'depth')
    assert kinds_of('network') == kinds_of('network', True) == ('inference', 'parameters')

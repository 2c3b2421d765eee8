"""Statuses from a monitor's memory; pure functions."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from set_clock import Clock

from handmesh_ros.diagnostics import SILENCE, STUCK, NodeFacts, statuses
from handmesh_ros.monitor import FAULT_KINDS, FAULT_MEMORY, Monitor, kinds_of

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def monitor(clock):
    monitor = Monitor(clock)
    for _ in range(10):
        clock.now += 0.1
        monitor.count('received')
        monitor.count('processed')
        monitor.note('image age', 0.02)
        monitor.note('latency', 0.05)
        monitor.note('network', 0.03)
    return monitor


def look(monitor, **facts):
    """The three statuses by their parts, and their values."""
    facts = {'name': 'node', 'state': 'active', 'image_topic': '/image'} | facts
    made = statuses(monitor, NodeFacts(**facts))
    parts = {status.name.removeprefix('node: '): status for status in made}
    assert list(parts) == ['images', 'calibration', 'network']
    values = {
        part: {pair.key: pair.value for pair in status.values} for part, status in parts.items()
    }
    return parts, values


def test_all_is_well(monitor):
    parts, values = look(monitor, network={'device': 'cpu', 'weights': 'open'})
    assert {part.level for part in parts.values()} == {OK}
    assert parts['images'].message == '10.0 images a second'
    assert values['images']['processed'] == '10'
    assert values['images']['image age p95 ms'] == '20.00'
    assert values['images']['latency median ms'] == '50.00'
    assert values['network']['network median ms'] == '30.00'
    assert values['network']['device'] == 'cpu'


def test_stages_stay_apart_from_ages(monitor):
    _, values = look(monitor)
    assert not {key for key in values['network'] if key.startswith(('image age', 'latency'))}
    assert not {key for key in values['images'] if key.startswith('network')}


@pytest.mark.parametrize('kind', ['image', 'serving'])
def test_images_that_get_no_answer_are_errors_of_theirs(monitor, kind):
    monitor.fault(kind, 'no room for an overlay')
    parts, values = look(monitor)
    assert (parts['images'].level, parts['images'].message) == (ERROR, 'no room for an overlay')
    assert values['images'][f'{kind} faults'] == '1'
    assert parts['network'].level == OK


@pytest.mark.parametrize('kind', ['qos', 'frame', 'age', 'boxes', 'time'])
def test_faults_of_the_stream_warn_and_then_stay_as_a_count(monitor, clock, kind):
    monitor.fault(kind, 'something is odd')
    parts, values = look(monitor)
    assert (parts['images'].level, parts['images'].message) == (WARN, 'something is odd')
    clock.now += FAULT_MEMORY + 0.1
    monitor.count('received')
    parts, values = look(monitor)
    assert parts['images'].level == OK
    assert values['images'][f'{kind} faults'] == '1'
    assert values['images'][f'last {kind} fault'] == 'something is odd'


@pytest.mark.parametrize('kind', FAULT_KINDS)
def test_each_kind_of_fault_is_listed_by_one_status_and_told_of_at_its_level(monitor, kind):
    traits = FAULT_KINDS[kind]
    monitor.fault(kind, 'something is odd')
    parts, values = look(monitor)
    listed = [part for part in parts if f'{kind} faults' in values[part]]
    assert listed == ([] if traits.part is None else [traits.part])
    levels = {part.level for part in parts.values() if part.message == 'something is odd'}
    # Depth that lacks for an image is no trouble yet; the node says when it is.
    told = traits.part is not None and kind != 'depth'
    assert levels == ({ERROR if traits.is_error else WARN} if told else set())


def test_of_several_faults_the_first_of_the_images_and_the_last_of_the_network_is_told(monitor):
    for kind in reversed(FAULT_KINDS):
        monitor.fault(kind, kind)
    parts, _ = look(monitor)
    told = [part.message for part in parts.values()]
    assert told == ['image', 'calibration', 'parameters']
    assert told[-1] == kinds_of('network')[-1]


def test_silence_is_stale_unless_nothing_is_wanted(monitor, clock):
    clock.now += SILENCE + 0.1
    parts, _ = look(monitor)
    assert (parts['images'].level, parts['images'].message) == (STALE, "no images on '/image'")
    parts, _ = look(monitor, idle='nobody listens')
    assert parts['images'].level == OK
    assert parts['images'].message == 'nobody listens: images are not taken'
    parts, _ = look(monitor, state='inactive')
    assert parts['images'].message == 'inactive: images are not taken'


def test_failing_inference_and_an_image_that_takes_long_are_errors(monitor, clock):
    monitor.fault('inference', 'out of memory')
    parts, _ = look(monitor)
    assert (parts['network'].level, parts['network'].message) == (ERROR, 'out of memory')
    parts, _ = look(monitor, busy=STUCK + 1)
    assert parts['network'].level == ERROR
    assert parts['network'].message == 'the image at hand takes 11 s by now'


def test_camera_is_told_of(monitor):
    parts, values = look(monitor, camera={'distortion': 'none'})
    assert (parts['calibration'].level, values['calibration']) == (OK, {'distortion': 'none'})
    assert parts['calibration'].message == 'metric output on'
    parts, _ = look(monitor)
    assert (parts['calibration'].level, parts['calibration'].message) == (OK, 'no camera_info yet')
    parts, _ = look(monitor, calibration='no camera_info')
    assert (parts['calibration'].level, parts['calibration'].message) == (
        WARN,
        'no camera_info; pixels only',
    )


def test_doubts_about_metric_output_are_warned_of(monitor):
    doubts = ('depth is too small', 'another frame')
    parts, _ = look(monitor, camera={'distortion': 'none'}, doubts=doubts)
    assert (parts['calibration'].level, parts['calibration'].message) == (
        WARN,
        'metric output on; depth is too small; another frame',
    )

"""A monitor's memory as diagnostic_msgs; pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from handmesh_ros.monitor import Monitor, StatusPart, kinds_of

SILENCE = 2.0
"""Seconds without images after which the stream counts as stale."""
COUNTS = ('received', 'processed', 'dropped', 'stale', 'unwatched', 'faulty', 'failed')
STUCK = 10.0
"""Seconds that one image may take before the network is taken to hang."""


@dataclass(frozen=True)
class NodeFacts:
    """
    What diagnostics say of the node besides its monitor.

    :param name: full name of the node.
    :param state: of its life cycle, such as 'active'.
    :param image_topic: resolved name of the topic that images come on.
    :param idle: why no images are taken although the node is active, or ''.
    :param calibration: why metric output is off, if that is known, or ''.
    :param camera: what is known of it, such as what is done about distortion; empty until the
        first CameraInfo that can be used.
    :param doubts: what is wrong with metric output although it is on, such as depth that cannot
        be used.
    :param network: device, weights and the like.
    :param busy: seconds that the image at hand takes by now.
    """

    name: str
    state: str
    image_topic: str = ''
    idle: str = ''
    calibration: str = ''
    camera: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    network: Mapping[str, str] = field(default_factory=dict)
    busy: float = 0.0


def statuses(monitor: Monitor, facts: NodeFacts) -> list[DiagnosticStatus]:
    """The three statuses of a node: its images, its camera's calibration, its network."""
    return [images(monitor, facts), calibration(monitor, facts), network(monitor, facts)]


def images(monitor: Monitor, facts: NodeFacts) -> DiagnosticStatus:
    """How the image stream is doing."""
    status = _status(facts, 'images')
    if facts.state != 'active':
        status.message = f'{facts.state}: images are not taken'
    elif facts.idle:
        status.message = f'{facts.idle}: images are not taken'
    elif failed := [kind for kind in kinds_of('images', True) if monitor.is_present(kind)]:
        status.level = DiagnosticStatus.ERROR
        status.message = monitor.faults()[failed[0]].text
    elif monitor.silence('received') > SILENCE:
        status.level = DiagnosticStatus.STALE
        silence = monitor.faults().get('silence')
        status.message = f"no images on '{facts.image_topic}'"
        if silence is not None and not monitor.counts['received']:
            status.message = silence.text
    elif present := [kind for kind in kinds_of('images', False) if monitor.is_present(kind)]:
        status.level = DiagnosticStatus.WARN
        status.message = monitor.faults()[present[0]].text
    else:
        status.message = f'{monitor.rate("received"):.1f} images a second'
    for what in COUNTS:
        _add(status, what, str(monitor.counts[what]))
    for what in ('received', 'processed'):
        _add(status, f'{what} a second', f'{monitor.rate(what):.1f}')
    _add_times(status, monitor, ('image age', 'latency'))
    _add_faults(status, monitor, 'images')
    return status


def calibration(monitor: Monitor, facts: NodeFacts) -> DiagnosticStatus:
    """Whether metric output is possible."""
    status = _status(facts, 'calibration')
    if facts.state != 'active':
        status.message = facts.state
    elif facts.calibration:
        status.level = DiagnosticStatus.WARN
        status.message = f'{facts.calibration}; pixels only'
    elif monitor.is_present('calibration'):
        status.level = DiagnosticStatus.WARN
        status.message = monitor.faults()['calibration'].text
    elif not facts.camera:
        status.message = 'no camera_info yet'
    else:
        status.level = DiagnosticStatus.WARN if facts.doubts else DiagnosticStatus.OK
        status.message = '; '.join(('metric output on', *facts.doubts))
    for key, value in facts.camera.items():
        _add(status, key, value)
    _add_faults(status, monitor, 'calibration')
    return status


def network(monitor: Monitor, facts: NodeFacts) -> DiagnosticStatus:
    """What runs where, and how long each stage takes."""
    status = _status(facts, 'network')
    status.message = facts.state
    # The last one wins: without good parameters there is no network.
    for kind in kinds_of('network', True):
        if monitor.is_present(kind) or (kind == 'parameters' and facts.state == 'unconfigured'):
            fault = monitor.faults().get(kind)
            if fault is not None:
                status.level = DiagnosticStatus.ERROR
                status.message = fault.text
    if facts.busy > STUCK:
        status.level = DiagnosticStatus.ERROR
        status.message = f'the image at hand takes {facts.busy:.0f} s by now'
    for key, value in facts.network.items():
        _add(status, key, value)
    stages = [stage for stage in monitor.stages() if stage not in ('image age', 'latency')]
    _add_times(status, monitor, stages)
    _add_faults(status, monitor, 'network')
    return status


def _status(facts: NodeFacts, part: StatusPart) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=DiagnosticStatus.OK, name=f'{facts.name}: {part}', hardware_id='handmesh'
    )


def _add(status: DiagnosticStatus, key: str, value: str) -> None:
    status.values.append(KeyValue(key=key, value=value))


def _add_times(status: DiagnosticStatus, monitor: Monitor, stages: object) -> None:
    for stage in stages:  # type: ignore[attr-defined]
        times = monitor.percentiles(stage)
        if times is not None:
            _add(status, f'{stage} median ms', f'{times[0] * 1000:.2f}')
            _add(status, f'{stage} p95 ms', f'{times[1] * 1000:.2f}')


def _add_faults(status: DiagnosticStatus, monitor: Monitor, part: StatusPart) -> None:
    faults = monitor.faults()
    for kind in kinds_of(part):
        if kind in faults:
            _add(status, f'{kind} faults', str(faults[kind].count))
            _add(status, f'last {kind} fault', faults[kind].text)

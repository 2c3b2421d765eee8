"""All of ``handmesh benchmark``: what is measured, in which order, and for how long."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handmesh_model.benchmark.machine import describe_machine, load_average
from handmesh_model.benchmark.timing import Effort
from handmesh_model.errors import HandmeshError

Progress = Callable[[str], None]
PARTS = ('network', 'stages', 'tracking', 'steadiness', 'ros')
"""What can be measured on its own, in this order."""
NETWORKS = ('paper', 'open', 'open-large')
"""``open`` is what ``Options.weights`` names."""


@dataclass(frozen=True)
class Options:
    """
    What to measure.

    :param parts: some of :data:`PARTS`.
    :param quick: a short run, to see that all is well.
    :param weights: of the open network, as for
        :class:`~handmesh_model.predictor.HandMeshPredictor`.
    :param device: 'auto', 'cpu', 'cuda', ...
    :param backend: of everything but the comparison of backends.
    :param mediapipe: an interpreter that imports mediapipe; empty to go without.
    """

    parts: tuple[str, ...] = PARTS
    quick: bool = False
    weights: str = 'open'
    device: str = 'auto'
    backend: str = 'auto'
    mediapipe: str = ''


def run_benchmark(
    options: Options, tell: Progress = print, report: dict[str, Any] | None = None
) -> dict[str, Any]:
    """
    Measure everything that can be measured here; what cannot is noted under 'left_out'.

    :param report: empty; filled as figures come, so that an error leaves those before it.
    :returns: the report.
    :raises HandmeshError: if weights, device or backend cannot be used.
    """
    options = _checked(options)
    report = {} if report is None else report
    report |= {'machine': describe_machine(), 'quick': options.quick}
    report['options'] = {name: getattr(options, name) for name in ('weights', 'device', 'backend')}
    report['left_out'] = {}
    if 'network' in options.parts:
        _networks(options, report, tell)
    if {'stages', 'tracking', 'steadiness'} & set(options.parts):
        _around(options, report, tell)
    if 'ros' in options.parts:
        report.update(_ros(options, report['left_out'], tell))
    report['machine']['load_average_after'] = load_average()
    return report


def has_figures(report: Mapping[str, Any]) -> bool:
    """Whether anything has been measured."""
    return any(report.get(name) for name in (*PARTS[:-1], 'node'))


def _checked(options: Options) -> Options:
    """
    Find what cannot be used before minutes of measuring.

    :returns: the options, with the weights that 'auto' means.
    """
    from handmesh_model.backends import choose_device
    from handmesh_model.backends.registry import choose_backends
    from handmesh_model.weight_files import chosen_weights, weight_files

    device = choose_device(options.device, options.backend)
    choose_backends(options.backend, device, 'auto')
    weight_files(options.weights, device)
    return replace(options, weights=str(chosen_weights(options.weights, device)))


def _networks(options: Options, report: dict[str, Any], tell: Progress) -> None:
    from handmesh_model.backends import choose_device
    from handmesh_model.benchmark.networks import (
        BATCHES,
        make_network,
        measure_network,
        medians,
    )

    device = choose_device(options.device)
    effort = Effort(2.0, 3, 20, 1) if options.quick else Effort(20.0, 10, 300, 3)
    batches = BATCHES[:1] if options.quick else BATCHES
    fastest = report['network_ms'] = {}
    reports = report['network'] = {}
    for name in networks_of(options):
        tell(f'network {name}')
        make = partial(make_network, options.weights if name == 'open' else name, device)
        # Calibrating takes its time, and the paper's network is untrained here.
        with_int8 = name != 'paper' and not options.quick
        reports[name] = measure_network(make, device, effort, batches, with_int8, tell)
        fastest[name] = medians(reports[name])
        for backend, reason in reports[name]['left_out'].items():
            report['left_out'][f'{name}: {backend}'] = reason


def networks_of(options: Options) -> tuple[str, ...]:
    """Names of the networks to measure: the shipped ones together, other weights by themselves."""
    return NETWORKS if options.weights == 'open' else NETWORKS[:2]


def _around(options: Options, report: dict[str, Any], tell: Progress) -> None:
    from handmesh_model.benchmark.stages import measure_stages
    from handmesh_model.benchmark.steadiness import measure_steadiness
    from handmesh_model.benchmark.tracking import measure_tracking
    from handmesh_model.predictor import HandMeshPredictor

    predictor = HandMeshPredictor(options.weights, options.device, options.backend)
    if 'stages' in options.parts:
        tell('stages around the network')
        effort = Effort(2.0, 5, 50, 1) if options.quick else Effort(10.0, 20, 300, 3)
        report['stages'] = measure_stages(predictor, effort, tell=tell)
        for size, timings in report['stages'].items():
            if not timings:
                report['left_out'][f'stages, {size}'] = 'no hand is found in the picture'
    if 'tracking' in options.parts:
        count = 30 if options.quick else 300
        tell(f'tracking, {count} frames')
        report['tracking'] = measure_tracking(predictor, count)
        if options.mediapipe:
            tell(f'tracking beside MediaPipe, {count} frames')
            report |= _beside_mediapipe(options, predictor, count, report['left_out'])
    if 'steadiness' in options.parts:
        count = 64 if options.quick else 210
        tell(f'steadiness, hands at rest and {count} frames of moving ones')
        report['steadiness'] = measure_steadiness(predictor, count)
    predictor.close()


def _beside_mediapipe(
    options: Options, predictor: Any, count: int, left_out: dict[str, str]
) -> dict[str, Any]:
    from handmesh_model.benchmark.peer import Peer
    from handmesh_model.benchmark.tracking import measure_tracking

    try:
        with closing(Peer(options.mediapipe, predictor.max_hands)) as peer:
            found = measure_tracking(predictor, count, peer=peer)
            return {'beside_mediapipe': {**found, 'version': peer.version}}
    except HandmeshError as error:
        left_out['mediapipe'] = str(error)
        return {}


def _ros(options: Options, left_out: dict[str, str], tell: Progress) -> dict[str, Any]:
    """
    What handmesh_ros measures, in a process of its own: this package never imports ROS.

    :returns: nothing where ROS or its messages are missing, with a note in ``left_out``.
    :raises KeyboardInterrupt: if a signal stopped it.
    """
    if find_spec('rclpy') is None or find_spec('handmesh_ros') is None:
        left_out['ros'] = 'no ROS 2 in this shell: source env.sh, or your workspace, first'
        return {}
    tell('messages and node')
    with tempfile.TemporaryDirectory(prefix='handmesh_benchmark_') as folder:
        path = Path(folder) / 'ros.json'
        words = ['-m', 'handmesh_ros.benchmark', '--json', str(path)]
        words += ['--weights', options.weights]
        words += ['--device', options.device, '--backend', options.backend]
        words += ['--quick'] if options.quick else []
        code = _exit_code([sys.executable, *words])
        if code or not path.is_file():
            left_out['ros'] = f'handmesh_ros.benchmark ended with code {code}, see its output'
            return {}
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return found


def _exit_code(command: Sequence[str]) -> int:
    """
    Run a program that has processes of its own to end, and is given all the time for it.

    :returns: its exit code.
    :raises KeyboardInterrupt: once it has ended, if a signal asked for that meanwhile.
    """
    came: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, frame: object) -> None:
        came.append(number)
        if child is not None:
            child.send_signal(signal.SIGINT)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays so, as SIGHUP under nohup.
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heeded}
    try:
        # Not in the terminal's group: Ctrl-C comes from here, and only once, since a second kills.
        child = subprocess.Popen(command, start_new_session=True)
        if came:
            child.send_signal(signal.SIGINT)
        code = child.wait()
    finally:
        for number, former in before.items():
            signal.signal(number, former)
    if came:
        raise KeyboardInterrupt
    return code

"""
The ROS part of ``handmesh benchmark``: messages, and the whole node through DDS.

``handmesh benchmark`` starts it where ROS is; by itself it writes its part of the figures.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
from rclpy.lifecycle import LifecycleNode
from rclpy.signals import SignalHandlerOptions

from handmesh_model.benchmark.timing import Effort
from handmesh_ros.benchmark_messages import MESSAGES, Frame, measure_around, measure_messages
from handmesh_ros.benchmark_node import ALL, MAIN, SCENARIOS, measure_scenario, start_listener
from handmesh_ros.isolation import isolated_environment
from handmesh_ros.processes import Children, run_as_command

SECONDS, QUICK_SECONDS = 20.0, 5.0
"""Of each stream that count."""


def run(options: argparse.Namespace) -> dict[str, Any]:
    """
    Measure everything.

    :returns: the part of the report that needs ROS.
    :raises HandmeshError: if weights, device or backend cannot be used, or a process fails.
    """
    effort = Effort(3.0, 10, 100) if options.quick else Effort(15.0, 50, 1000)
    report = _measure_in_process(options.weights, options.device, options.backend, effort)
    scenarios = (MAIN,) if options.quick else SCENARIOS
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    parameters = {
        'weights': options.weights,
        'device': options.device,
        'backend': options.backend,
        'max_hands': 1,
    }
    streams: dict[str, Any] = {}
    for number, scenario in enumerate(scenarios, 1):
        tell(f'node {number}/{len(scenarios)}: {scenario.name}')
        streams[scenario.name] = measure_scenario(scenario, seconds, parameters)
    latency = streams[MAIN.name]['latency_ms']
    return {
        **report,
        'node_latency_ms': {key: latency.get(name) for key, name in _LATENCIES.items()},
        'node': streams,
    }


_LATENCIES = {'p50': 'median', 'p95': 'p95', 'p99': 'p99'}


def _measure_in_process(weights: str, device: str, backend: str, effort: Effort) -> dict[str, Any]:
    """What is measured in this process, with a listener as another one."""
    frame = Frame(weights, device, backend)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = LifecycleNode('handmesh_benchmark')
        node.trigger_configure()
        with tempfile.TemporaryDirectory(prefix='handmesh_benchmark_') as folder:
            tell('messages, as objects and as patched bytes')
            with _listener(MESSAGES, Path(folder)):
                messages = measure_messages(node, frame, effort)
            tell('a whole picture but for the network')
            with _listener(ALL, Path(folder)):
                around = measure_around(node, frame, effort)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return {
        'messages_ms': {way: messages[way]['median'] for way in ('objects', 'wire')},
        'messages': messages,
        'around_network_ms': around['whole']['median'],
        'around_network': around,
    }


@contextmanager
def _listener(topics: Sequence[str], folder: Path) -> Iterator[None]:
    """A listener of some topics while a block runs."""
    with Children(echo=False, must_end_well=False) as children:
        start_listener(children, topics, folder / 'heard.json')
        yield


def tell(text: str) -> None:
    """Show progress, where the figures of the standard output are not disturbed."""
    print(f'  {text}', file=sys.stderr, flush=True)


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='benchmark', description=__doc__)
    parser.add_argument('--json', type=Path, required=True, help='file for the figures')
    parser.add_argument('--quick', action='store_true', help='short, one stream only')
    parser.add_argument('--seconds', type=float, default=0.0, help='of each stream')
    parser.add_argument('--weights', default='open')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', 'cuda:N'")
    parser.add_argument('--backend', default='auto')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """
    Measure, and write the figures; whoever ends it by a signal ends its processes with it.

    :returns: 1 after an error, which is told in a line, and 130 if it was stopped.
    """
    options = parse(args)
    # Before ROS reads it: this process, too, keeps to its own domain.
    os.environ.update(isolated_environment())
    return run_as_command(lambda: _run(options), 'benchmark')


def _run(options: argparse.Namespace) -> int:
    report = run(options)
    options.json.write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())

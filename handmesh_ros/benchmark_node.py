"""The whole node in a stream of images: camera, node and listener, each a process of its own."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from handmesh_model.benchmark.timing import spread
from handmesh_ros.benchmark_listener import KINDS, READY
from handmesh_ros.processes import READY_TIMEOUT, Child, Children, ros_arguments

_SETTLING = 3.0
"""Seconds of images that do not count: the detector is loaded, caches fill."""
_NODE_READY = 'Active: waiting'
_ENDING = ('benchmark_camera', 'handmesh_node', 'benchmark_listener')


@dataclass(frozen=True)
class Scenario:
    """
    One stream of images and who listens to the node.

    :param rate: images a second.
    :param topics: that are subscribed to.
    """

    width: int
    height: int
    rate: float
    topics: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as '640x480 at 30 Hz, hands'."""
        heard = 'all topics' if len(self.topics) == len(KINDS) else ', '.join(self.topics)
        return f'{self.width}x{self.height} at {self.rate:g} Hz, {heard}'


ALL = tuple(KINDS)
MAIN = Scenario(640, 480, 30.0, ('hands',))
"""What a robot's arm lives on; the figure that everybody asks for."""
SCENARIOS = (
    MAIN,
    Scenario(640, 480, 30.0, ALL),
    Scenario(640, 480, 60.0, ALL),
    Scenario(1280, 720, 30.0, ALL),
    Scenario(1280, 720, 60.0, ALL),
)


@dataclass
class Usage:
    """What a process takes of the machine between two moments."""

    process: psutil.Process
    begun: float = field(init=False)
    before: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        self.before = self._cpu_seconds()

    def figures(self) -> dict[str, float]:
        """Share of one core since the beginning, and memory now."""
        spent = self._cpu_seconds() - self.before
        return {
            'cpu_share': round(spent / (time.monotonic() - self.begun), 3),
            'memory_mib': round(self.process.memory_info().rss / 2**20, 1),
        }

    def _cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


def measure_scenario(
    scenario: Scenario, seconds: float, parameters: Mapping[str, object]
) -> dict[str, Any]:
    """
    Run the three processes, and make figures of what the listener heard.

    :param seconds: of images that count.
    :param parameters: of handmesh_node.
    :raises RunError: if a process fails or does not get going.
    """
    with (
        tempfile.TemporaryDirectory(prefix='handmesh_benchmark_') as folder,
        # What was measured holds, however its processes end.
        Children(_ENDING, echo=False, must_end_well=False) as children,
    ):
        return _run(scenario, seconds, parameters, Path(folder), children)


def start_listener(children: Children, topics: Sequence[str], out: Path) -> Child:
    """
    Start the process that listens.

    :param topics: names among :data:`~handmesh_ros.benchmark_listener.KINDS`.
    :param out: file for what it heard.
    """
    return children.start('benchmark_listener', ['--out', str(out), '--topics', *topics])


def _run(
    scenario: Scenario,
    seconds: float,
    parameters: Mapping[str, object],
    folder: Path,
    children: Children,
) -> dict[str, Any]:
    heard, sent = folder / 'heard.json', folder / 'sent.json'
    listener = start_listener(children, scenario.topics, heard)
    node = children.start('handmesh_node', ros_arguments(parameters))
    children.wait(
        lambda: listener.says(READY) and node.says(_NODE_READY),
        READY_TIMEOUT,
        'listener and node to start',
    )
    camera = children.start('benchmark_camera', _camera(scenario, _SETTLING + seconds, sent))
    resident = psutil.Process(node.process.pid)
    children.wait(lambda: _has_heard(node, camera), READY_TIMEOUT, 'images', camera)
    figures = _usage_of(resident, camera, seconds, children)
    children.wait(lambda: not camera.is_alive(), READY_TIMEOUT, 'the camera to end', camera)
    camera.check()
    time.sleep(0.5)  # the last answers are on their way
    listener.stop()
    listener.check()
    stamps, report = json.loads(sent.read_text()), json.loads(heard.read_text())
    return {**evaluate(scenario, stamps, report), **figures, 'stages_ms': stages(report)}


def _camera(scenario: Scenario, seconds: float, out: Path) -> list[str]:
    """Its command line."""
    return [
        *('--width', str(scenario.width), '--height', str(scenario.height)),
        *('--rate', str(scenario.rate), '--seconds', str(seconds), '--out', str(out)),
    ]


def _has_heard(node: Child, camera: Child) -> bool:
    """Whether images flow: the camera is known to the node, or has come and gone."""
    return node.says('Camera is calibrated') or not camera.is_alive()


def _usage_of(
    resident: psutil.Process, camera: Child, seconds: float, children: Children
) -> dict[str, float]:
    """What a process takes while the images come that count, the first of all having just come."""

    def wait(duration: float) -> None:
        end = time.monotonic() + duration

        def is_over() -> bool:
            return time.monotonic() >= end or not camera.is_alive()

        children.wait(is_over, duration + 60, 'images to come', camera)

    wait(_SETTLING)
    usage = Usage(resident)
    wait(seconds)
    return usage.figures()


def evaluate(scenario: Scenario, sent: Sequence[int], report: Mapping[str, Any]) -> dict[str, Any]:
    """
    Figures of a run.

    :param sent: stamps of all images, nanoseconds.
    :param report: what the listener wrote.
    """
    first = sent[0] + round(_SETTLING * 1e9) if sent else 0
    counted = [stamp for stamp in sent if stamp >= first]
    answers = dict(zip(report['hands_stamps'], report['arrivals'].get('hands', ()), strict=True))
    answered = [stamp for stamp in counted if stamp in answers]
    span = (counted[-1] - counted[0]) * 1e-9 if len(counted) > 1 else 0.0
    per_second = (len(counted) - 1) / span if span else 0.0
    return {
        'size': f'{scenario.width}x{scenario.height}',
        'rate_hz': scenario.rate,
        'topics': 'all' if scenario.topics == ALL else list(scenario.topics),
        'sent': len(counted),
        'answered': len(answered),
        'drop_share': round(1 - len(answered) / len(counted), 4) if counted else 1.0,
        'sent_per_second': round(per_second, 2),
        'answered_per_second': round(per_second * len(answered) / max(1, len(counted)), 2),
        'latency_ms': spread([(answers[stamp] - stamp) * 1e-6 for stamp in answered]),
        'messages': {topic: len(times) for topic, times in report['arrivals'].items()},
    }


def stages(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of the node's stages, out of its last diagnostics."""
    found: dict[str, dict[str, float]] = {}
    for status in report['diagnostics'].values():
        for key, value in status.items():
            for figure in ('median', 'p95'):
                stage, match, _ = key.partition(f' {figure} ms')
                if match:
                    found.setdefault(stage, {})[figure] = float(value)
    return found

"""The whole node in a stream of images: camera, node and listener, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from handmesh_model.benchmark.timing import spread
from handmesh_ros.benchmark_listener import KINDS, READY
from handmesh_ros.processes import CANNOT_CONFIGURE, READY_TIMEOUT, end_process, end_processes

_SETTLING = 3.0
"""Seconds of images that do not count: the detector is loaded, caches fill."""
_NODE_READY = 'Active: waiting'


class BenchmarkError(Exception):
    """A process of the benchmark failed; the message says which, and what it said last."""


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
class Process:
    """A Python process whose output goes to a file, to be told if it fails."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, words: Sequence[str], folder: Path) -> Process:
        """Start ``python WORDS``; DDS settings are those of this process's environment."""
        log = folder / f'{name}.log'
        with log.open('wb') as file:
            popen = subprocess.Popen(
                [sys.executable, '-u', *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, popen, log)

    def says(self, text: str) -> bool:
        """Whether its output so far holds this text."""
        return text in self.log.read_text(errors='replace')

    def check(self) -> None:
        """
        Make sure that all is well.

        :raises BenchmarkError: if the process has ended with an error, or cannot configure.
        """
        if self.popen.poll() or self.says(CANNOT_CONFIGURE):
            lines = self.log.read_text(errors='replace').strip().splitlines()
            raise BenchmarkError(
                f'{self.name} failed: {lines[-1] if lines else "it said nothing"}'
            )

    def stop(self) -> None:
        """End it, kindly at first."""
        end_process(self.popen)


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
    :raises BenchmarkError: if a process fails or does not get going.
    """
    with tempfile.TemporaryDirectory(prefix='handmesh_benchmark_') as name:
        folder = Path(name)
        processes: list[Process] = []
        try:
            return _run(scenario, seconds, parameters, folder, processes)
        finally:
            end_processes([process.popen for process in reversed(processes)])


def _run(
    scenario: Scenario,
    seconds: float,
    parameters: Mapping[str, object],
    folder: Path,
    processes: list[Process],
) -> dict[str, Any]:
    def start(name: str, *words: str) -> Process:
        processes.append(Process.start(name, ['-m', f'handmesh_ros.{name}', *words], folder))
        return processes[-1]

    heard, sent = folder / 'heard.json', folder / 'sent.json'
    listener = start('benchmark_listener', '--out', str(heard), '--topics', *scenario.topics)
    given = [w for key, v in parameters.items() for w in ('-p', f'{key}:={json.dumps(v)}')]
    node = start('handmesh_node', '--ros-args', *given)
    _wait(lambda: listener.says(READY) and node.says(_NODE_READY), processes)
    camera = start(
        'benchmark_camera',
        *('--width', str(scenario.width), '--height', str(scenario.height)),
        *('--rate', str(scenario.rate), '--seconds', str(_SETTLING + seconds), '--out', str(sent)),
    )
    resident = psutil.Process(node.popen.pid)
    _wait(lambda: _has_heard(node, camera), processes)
    figures = _usage_of(resident, camera, seconds, processes)
    _wait(lambda: _has_ended(camera), processes)
    time.sleep(0.5)  # the last answers are on their way
    listener.stop()
    listener.check()
    stamps, report = json.loads(sent.read_text()), json.loads(heard.read_text())
    return {**evaluate(scenario, stamps, report), **figures, 'stages_ms': stages(report)}


def _has_heard(node: Process, camera: Process) -> bool:
    """Whether images flow: the camera is known to the node, or has come and gone."""
    return node.says('Camera is calibrated') or _has_ended(camera)


def _has_ended(process: Process) -> bool:
    return process.popen.poll() is not None


def _usage_of(
    resident: psutil.Process, camera: Process, seconds: float, processes: Sequence[Process]
) -> dict[str, float]:
    """What a process takes while the images come that count, the first of all having just come."""

    def wait(duration: float) -> None:
        end = time.monotonic() + duration
        _wait(lambda: time.monotonic() >= end or _has_ended(camera), processes, duration + 60)

    wait(_SETTLING)
    usage = Usage(resident)
    wait(seconds)
    return usage.figures()


def _wait(
    is_true: Callable[[], bool], processes: Sequence[Process], timeout: float = READY_TIMEOUT
) -> None:
    end = time.monotonic() + timeout
    while not is_true():
        for process in processes:
            process.check()
        if time.monotonic() > end:
            names = ', '.join(process.name for process in processes)
            raise BenchmarkError(f'waited {timeout:.0f} s for {names}')
        time.sleep(0.05)


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

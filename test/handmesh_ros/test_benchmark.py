"""The figures of a stream, and one short benchmark of messages and node."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from handmesh_ros import benchmark, benchmark_messages, benchmark_node, processes, stop_signals
from handmesh_ros.benchmark_messages import Frame, Recorder
from handmesh_ros.benchmark_node import ALL, Scenario, evaluate, stages
from handmesh_ros.processes import Child, Children, RunError

SECOND = 1_000_000_000
SCENARIO = Scenario(640, 480, 10.0, ALL)


def heard(answers, **more):
    """What a listener writes: answers are (stamp, arrival), nanoseconds."""
    stamps, arrivals = zip(*answers, strict=True) if answers else ((), ())
    return {'hands_stamps': list(stamps), 'arrivals': {'hands': list(arrivals)}, **more}


def test_images_of_the_first_seconds_do_not_count():
    sent = [i * SECOND // 10 for i in range(50)]
    answers = [(stamp, stamp + 20_000_000) for stamp in sent if stamp % SECOND]
    figures = evaluate(SCENARIO, sent, heard(answers))
    assert (figures['sent'], figures['answered']) == (20, 18)
    assert figures['drop_share'] == pytest.approx(0.1)
    assert figures['sent_per_second'] == pytest.approx(10)
    assert figures['answered_per_second'] == pytest.approx(9)
    assert figures['latency_ms'] == {'count': 18, 'median': 20, 'p95': 20, 'p99': 20}
    assert figures['topics'] == 'all'


def test_node_that_answers_nothing():
    figures = evaluate(SCENARIO, [0, 5 * SECOND], heard([]))
    assert (figures['answered'], figures['drop_share']) == (0, 1)
    assert figures['latency_ms'] == {'count': 0}
    assert evaluate(SCENARIO, [], heard([]))['sent'] == 0


def test_stages_come_from_diagnostics():
    status = {'crop median ms': '0.50', 'crop p95 ms': '0.75', 'device': 'cpu'}
    report = heard([], diagnostics={'network': status})
    assert stages(report) == {'crop': {'median': 0.5, 'p95': 0.75}}


def sleeping(name):
    return Child(name, subprocess.Popen(['sleep', '60']))


def test_a_camera_that_fails_is_told_with_its_last_words(monkeypatch):
    """Listener and node are well; the camera ends at once."""

    class Ready(Child):
        def says(self, text):
            return text != processes.CANNOT_CONFIGURE

    def start(module, arguments, echo):
        assert not echo, 'output disturbs the figures'
        if module == 'benchmark_camera':
            child = Child(module, subprocess.Popen(['false']), echo, ['no film\n'])
            child.process.wait(60)
            return child
        return Ready(module, sleeping(module).process)

    monkeypatch.setattr(processes.Child, 'start', start)
    monkeypatch.setattr(benchmark_node, '_usage_of', lambda *_: {})
    with pytest.raises(RunError, match=r'^benchmark_camera failed: no film$'):
        benchmark_node.measure_scenario(SCENARIO, 1.0, {})


def test_what_the_node_takes_is_that_of_the_images_that_count(monkeypatch):
    """A clock that the waiting moves on, and a node that only settles with all of a core."""
    now = [100.0]
    monkeypatch.setattr(benchmark_node.time, 'monotonic', lambda: now[0])
    monkeypatch.setattr(benchmark_node.time, 'sleep', lambda _: now.__setitem__(0, now[0] + 0.05))

    def cpu_times():
        since = now[0] - 100
        settling, counted = min(since, 3), min(max(since - 3, 0), 5)
        return SimpleNamespace(user=settling + 0.2 * counted, system=0.0)

    memory = SimpleNamespace(rss=2**20)
    node = SimpleNamespace(cpu_times=cpu_times, memory_info=lambda: memory)
    camera = SimpleNamespace(is_alive=lambda: True, says=lambda text: False)
    children = Children()
    children._children.append(camera)
    figures = benchmark_node._usage_of(node, camera, 5.0, children)
    assert figures == {'cpu_share': pytest.approx(0.2, abs=0.02), 'memory_mib': 1.0}
    assert now[0] == pytest.approx(108, abs=0.2)


def test_device_and_backend_reach_the_frame_and_the_node(tmp_path, monkeypatch):
    asked = {}

    def measure_in_process(weights, device, backend, effort):
        asked['frame'] = device, backend
        return {}

    def measure_scenario(scenario, seconds, parameters):
        asked['node'] = parameters['device'], parameters['backend']
        return {'latency_ms': {}}

    monkeypatch.setattr(benchmark, '_measure_in_process', measure_in_process)
    monkeypatch.setattr(benchmark, 'measure_scenario', measure_scenario)
    words = ['--quick', '--json', str(tmp_path / 'ros.json')]
    benchmark.run(benchmark.parse([*words, '--device', 'cpu', '--backend', 'eager']))
    assert asked == {'frame': ('cpu', 'eager'), 'node': ('cpu', 'eager')}
    benchmark.run(benchmark.parse(words))
    assert asked == {'frame': ('auto', 'auto'), 'node': ('auto', 'auto')}


def test_the_frame_is_found_by_the_backend_that_was_asked_for(monkeypatch):
    asked = []

    def predictor(*words, **more):
        asked.append(words)
        return SimpleNamespace(predict=lambda rgb, intrinsics: ['a hand'])

    monkeypatch.setattr(benchmark_messages, 'HandMeshPredictor', predictor)
    assert Frame('open', 'cpu', 'eager').hand == 'a hand'
    assert asked == [('open', 'cpu', 'eager')]


def test_crops_are_made_where_the_recorded_network_runs_and_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(benchmark_messages, 'wait_for_device', waited.append)
    network = SimpleNamespace(
        device=torch.device('cuda', 1), precision='float16', run=lambda crops, refine: crops + 1
    )
    recorder = Recorder(network)
    assert (recorder.device, recorder.precision) == (network.device, 'float16')
    assert recorder.run(np.float32(1)) == 2
    recorder.is_replaying = True
    assert recorder.run(np.float32(5)) == 2
    assert waited == [5]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_processes_with_the_benchmark(tmp_path, monkeypatch, capfd, number):
    started = []

    def run(scenario, seconds, parameters, folder, children):
        started.append(sleeping('benchmark_camera'))
        children._children += started
        os.kill(os.getpid(), number)
        time.sleep(1)
        pytest.fail('the signal is lost')

    monkeypatch.setattr(stop_signals, '_requested_at', None)
    monkeypatch.setattr(benchmark, '_measure_in_process', lambda *_: {})
    monkeypatch.setattr(benchmark_node, '_run', run)
    monkeypatch.setattr(benchmark, 'isolated_environment', dict)
    out = tmp_path / 'ros.json'
    # As at the beginning of the process, but for the exit.
    with stop_signals.handled_by(lambda *_: None):
        assert benchmark.main(['--quick', '--json', str(out)]) == 130
    assert started[0].process.returncode is not None
    assert not out.exists()
    assert capfd.readouterr().err.endswith('benchmark stopped\n')


def test_a_signal_while_the_processes_of_a_stream_end_orphans_none(monkeypatch):
    started = []

    def run(scenario, seconds, parameters, folder, children):
        started.extend(sleeping(name) for name in ('benchmark_listener', 'handmesh_node'))
        children._children += started
        return {}

    def end(process):
        if process is started[-1].process:  # the first to be ended
            os.kill(os.getpid(), signal.SIGINT)
        process.kill()
        return process.wait()

    monkeypatch.setattr(stop_signals, '_requested_at', None)
    monkeypatch.setattr(processes, '_end', end)
    monkeypatch.setattr(benchmark_node, '_run', run)
    with stop_signals.handled_by(processes.interrupt), pytest.raises(KeyboardInterrupt):
        benchmark_node.measure_scenario(SCENARIO, 1.0, {})
    assert [child.process.returncode for child in started] == [-signal.SIGKILL] * 2


@pytest.mark.slow
def test_short_benchmark_of_messages_and_node(tmp_path):
    out = tmp_path / 'ros.json'
    words = ['-m', 'handmesh_ros.benchmark', '--quick', '--seconds', '1', '--json', str(out)]
    ended = subprocess.run(
        [sys.executable, *words], stderr=subprocess.PIPE, text=True, timeout=900
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(out.read_text())
    assert report['messages_ms']['wire'] < report['messages_ms']['objects']
    assert set(report['around_network']['parts']) == {'take', 'decode', 'track', 'publish'}
    (stream,) = report['node'].values()
    assert stream['answered'] > 0
    assert report['node_latency_ms']['p50'] == stream['latency_ms']['median'] > 0
    assert stream['memory_mib'] > 50
    assert {'crop', 'network', 'publish'} <= set(stream['stages_ms'])

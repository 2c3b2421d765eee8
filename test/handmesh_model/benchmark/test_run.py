"""A tiny benchmark from end to end, its report, and MediaPipe's place in it."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from handmesh_model.benchmark import networks, peer, run, stages
from handmesh_model.benchmark.networks import make_network, measure_network, medians
from handmesh_model.benchmark.peer import Peer
from handmesh_model.benchmark.report import format_report, plot_report
from handmesh_model.benchmark.timing import Effort
from handmesh_model.cli import INTERRUPTED, USER_ERROR, main
from handmesh_model.cli import benchmark as command
from handmesh_model.errors import BackendError, OutputError

CPU = torch.device('cpu')
MACHINE = {
    'cpu': 'a CPU',
    'cores': 2,
    'gpu': None,
    'date': 'today',
    'load_average': [1.5, 1, 1],
}
FAKE_WORKER = """
import json, sys
print(json.dumps({'version': 'fake'}), flush=True)
while line := sys.stdin.buffer.readline():
    head = json.loads(line)
    pixels = sys.stdin.buffer.read(head['height'] * head['width'] * 3)
    answer = {'wall_ms': pixels[0], 'cpu_ms': 1, 'hands': int(sys.argv[1])}
    print(json.dumps(answer), flush=True)
"""


def test_every_backend_is_measured_or_left_out_with_a_reason(weights_folder: Path) -> None:
    report = measure_network(
        lambda: make_network(str(weights_folder / 'mesh.safetensors'), CPU),
        CPU,
        Effort(0, 2, 2, 0),
        batches=(1, 2),
        tell=lambda text: None,
    )
    eager = report['backends']['eager']
    assert list(eager['batch']) == ['1', '2']
    assert eager['batch']['1']['times_faster_than_eager'] == 1
    assert medians(report)['eager'] == eager['batch']['1']['median'] > 0
    names = {name.split()[0] for name in (*report['backends'], *report['left_out'])}
    assert names == set(networks.BACKENDS)


def test_paper_network_is_the_papers() -> None:
    config = make_network('paper', CPU).config
    assert (config.input_size, config.depth, config.segmentation) == (256, 50, True)


def test_command_writes_figures_and_a_plot(
    weights_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, 'NETWORKS', ('open',))
    monkeypatch.setattr(run, 'find_spec', lambda name: None)
    out = tmp_path / 'figures.json'
    words = ['--weights', str(weights_folder), '--backend', 'eager', '--device', 'cpu']
    assert main(['benchmark', '--quick', '--json', str(out), *words]) == 0
    report = json.loads(out.read_text())
    assert report['network_ms']['open']['eager'] > 0
    assert report['machine']['cores'] >= 1
    assert 0 <= report['tracking']['detection_share'] <= 1
    assert report['tracking']['stages_ms']['frame']['count'] == 30
    assert set(report['steadiness']) == {'sensor_noise', 'rest', 'motion'}
    assert list(report['stages']) == ['640x480', '1280x720']
    assert 'source env.sh' in report['left_out']['ros']
    assert out.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    shown = capsys.readouterr().out
    assert '| open, eager | float32 | 1 |' in shown
    assert 'left out: ros' in shown
    assert report['options'] == {
        'weights': str(weights_folder),
        'device': 'cpu',
        'backend': 'eager',
    }
    assert f'; weights {weights_folder}; device cpu; backend eager' in shown
    # What the comparison of networks leaves out is told as all else is.
    for backend, reason in report['network']['open']['left_out'].items():
        assert report['left_out'][f'open: {backend}'] == reason
        assert f'open: {backend}' in shown
    assert report['network']['open']['left_out'] or torch.cuda.is_available()


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--backend', 'openvinno'], "backend is 'openvinno'"),
        (['--weights', 'nowhere'], "no weights file 'nowhere'"),
        (['--json', 'file/figures.json'], "cannot write 'file/figures.json'"),
        (['--json', 'folder'], "cannot write 'folder': Is a directory"),
        (['--plot', 'file/plot.png'], "cannot write 'file/plot.png'"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_measured(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    measured: list[object] = []
    monkeypatch.setattr(run, '_networks', lambda *given: measured.append(given))
    monkeypatch.setattr(run, '_around', lambda *given: measured.append(given))
    words = ['--device', 'cpu', '--parts', 'network', 'stages', '--json', 'new.json', *words]
    assert main(['benchmark', *words]) == USER_ERROR
    assert said in capsys.readouterr().err
    assert not measured
    assert not (tmp_path / 'new.json').exists()


def test_a_plot_without_what_draws_it_is_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr('handmesh_model.extras.find_spec', lambda name: None)
    monkeypatch.setattr(run, 'run_benchmark', lambda *_: pytest.fail('it measures'))
    assert main(['benchmark', '--plot', str(tmp_path / 'plot.png')]) == USER_ERROR
    assert '--plot needs the package matplotlib' in capsys.readouterr().err


def test_an_interruption_leaves_the_figures_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(make: object, *more: object) -> dict[str, object]:
        figures = {'median': 1.5, 'p95': 2, 'cpu_median': 1}
        backends = {'eager': {'precision': 'float32', 'batch': {'1': figures}}}
        return {'backends': backends, 'left_out': {'openvino': 'it is missing'}}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(networks, 'measure_network', measured)
    monkeypatch.setattr(run, '_around', interrupted)
    out = tmp_path / 'new' / 'figures.json'
    words = ['--device', 'cpu', '--backend', 'eager', '--json', str(out)]
    assert main(['benchmark', *words]) == INTERRUPTED
    report = json.loads(out.read_text())
    assert report['network_ms'] == {name: {'eager': 1.5} for name in run.NETWORKS}
    told = 'left out: paper: openvino, open: openvino, open-large: openvino: it is missing'
    assert told in capsys.readouterr().out
    monkeypatch.setattr(run, '_networks', interrupted)
    assert main(['benchmark', *words]) == INTERRUPTED
    assert json.loads(out.read_text()) == report, 'what has no figures replaces none'


@pytest.mark.parametrize('module', ['handmesh_model.evaluation', 'scipy'])
def test_figures_are_handed_over_without_what_only_evaluation_needs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
) -> None:
    report = {'machine': MACHINE, 'left_out': {'ros': 'it is missing'}, 'stages': {}}
    monkeypatch.setitem(sys.modules, module, None)
    words = argparse.Namespace(json=tmp_path / 'figures.json', plot=None)
    command._hand_over(report, words)
    assert 'left out: ros: it is missing' in capsys.readouterr().out
    assert json.loads(words.json.read_text()) == report


def test_figures_are_printed_before_a_file_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = {'machine': MACHINE, 'left_out': {'ros': 'it is missing'}}
    with pytest.raises(OutputError):
        command._hand_over(report, argparse.Namespace(json=tmp_path, plot=None))
    assert 'left out: ros: it is missing' in capsys.readouterr().out


@pytest.mark.parametrize(('with_cuda', 'chosen'), [(False, 'open'), (True, 'open-large')])
def test_auto_is_the_network_for_the_device_in_all_parts(
    monkeypatch: pytest.MonkeyPatch, with_cuda: bool, chosen: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: with_cuda)
    monkeypatch.setattr('handmesh_model.backends.devices._cuda', lambda: True)
    monkeypatch.setattr(run, 'describe_machine', dict)
    monkeypatch.setattr(networks, 'make_network', lambda name, device: asked.append(name))
    monkeypatch.setattr(
        networks, 'measure_network', lambda make, *_: make() or {'backends': {}, 'left_out': {}}
    )
    monkeypatch.setattr(run, '_around', lambda options, *_: asked.append(options.weights))
    options = run.Options(parts=('network', 'stages'), weights='auto')
    report = run.run_benchmark(options, lambda text: None)
    assert report['options']['weights'] == chosen
    assert asked == ['paper', *(['open', 'open-large'] if chosen == 'open' else [chosen]), chosen]


def test_auto_is_known_where_networks_are_made() -> None:
    expected = make_network('open', CPU)
    assert make_network('auto', CPU).config == expected.config


def test_stages_without_a_hand_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {'640x480': {'detect': {'median': 1.0}}, '1280x720': {}}
    monkeypatch.setattr(stages, 'measure_stages', lambda *_, **__: found)
    monkeypatch.setattr(
        'handmesh_model.predictor.HandMeshPredictor',
        lambda *_: SimpleNamespace(close=lambda: None),
    )
    report = run.run_benchmark(run.Options(parts=('stages',), device='cpu'), lambda text: None)
    assert report['left_out'] == {'stages, 1280x720': 'no hand is found in the picture'}


def test_report_with_everything_in_it(tmp_path: Path) -> None:
    figures = {'count': 3, 'median': 1.5, 'p95': 2.0, 'p99': 3.0, 'cpu_median': 1.25}
    stream = {
        'sent_per_second': 30.0,
        'answered_per_second': 29.5,
        'latency_ms': figures,
        'drop_share': 0.0167,
        'cpu_share': 0.4,
        'memory_mib': 512.3,
    }
    report = {
        'machine': MACHINE,
        'messages': {'objects': figures, 'wire': figures},
        'messages_ms': {'objects': 1.5, 'wire': 0.1},
        'around_network': {'whole': figures, 'parts': {'take': figures}},
        'node': {'640x480 at 30 Hz, hands': stream},
        'beside_mediapipe': {
            'stages_ms': {'frame': figures},
            'cpu_ms': figures,
            'mediapipe': {'frame_ms': figures, 'cpu_ms': figures},
            'version': '0.10.21',
        },
        'left_out': {},
    }
    text = format_report(report)
    assert 'a CPU, 2 cores; today; load average 1.5, 1, 1' in text
    row = '| 640x480 at 30 Hz, hands | 30.0 | 29.5 | 1.5 | 2 | 3 | 1.7 % | 40.0 % | 512 MiB |'
    assert row in text
    assert '| MediaPipe 0.10.21 | 1.5 | 2 | 3 |' in text
    plot_report(report, tmp_path / 'plot.png')
    assert (tmp_path / 'plot.png').stat().st_size > 1000


def test_peer_is_shown_each_frame_and_its_answers_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / 'worker.py'
    worker.write_text(FAKE_WORKER)
    monkeypatch.setattr(peer, 'WORKER', worker)
    other = Peer(sys.executable, max_hands=2)
    assert other.version == 'fake'
    for value in (7, 9):
        rgb = np.full((48, 64, 3), value, dtype=np.uint8)
        assert other.show(rgb) == (value, 1, 2)
    other.close()


def test_interpreter_without_mediapipe_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / 'worker.py'
    worker.write_text('import no_such_module_of_anybody')
    monkeypatch.setattr(peer, 'WORKER', worker)
    with pytest.raises(BackendError, match="No module named 'no_such_module_of_anybody'"):
        Peer(sys.executable)
    with pytest.raises(BackendError, match="cannot start '/no/python'"):
        Peer('/no/python')


def test_ros_part_is_given_weights_device_and_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def exit_code(words: list[str]) -> int:
        asked.extend(words)
        Path(words[words.index('--json') + 1]).write_text('{"node": {}}')
        return 0

    monkeypatch.setattr(run, 'find_spec', lambda name: True)
    monkeypatch.setattr(run, '_exit_code', exit_code)
    options = run.Options(parts=('ros',), weights='open', device='cpu', backend='eager')
    report = run.run_benchmark(options, tell=lambda text: None)
    assert report['left_out'] == report['node'] == {}
    given = dict(zip(asked[-6::2], asked[-5::2], strict=True))
    assert given == {'--weights': 'open', '--device': 'cpu', '--backend': 'eager'}


SLOW_CHILD = """
import os, signal, sys, time
from pathlib import Path
def end(number, frame):
    time.sleep(0.4)
    Path(sys.argv[2]).write_text(f'its own group: {os.getpgrp() == os.getpid()}')
    sys.exit(130)
signal.signal(signal.SIGINT, end)
os.kill(os.getppid(), int(sys.argv[1]))
time.sleep(10)
"""


@pytest.fixture
def handlers() -> Iterator[dict[int, object]]:
    """Handlers of the signals, none of which ends the tests."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    yield {number: signal.getsignal(number) for number in numbers}
    for number, former in before.items():
        signal.signal(number, former)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_has_the_ros_part_end_its_processes_however_long_that_takes(
    tmp_path: Path, handlers: dict[int, object], number: signal.Signals
) -> None:
    ended = tmp_path / 'ended'
    with pytest.raises(KeyboardInterrupt):
        run._exit_code([sys.executable, '-c', SLOW_CHILD, str(int(number)), str(ended)])
    # Else a Ctrl-C of the terminal would come twice, and the second kills.
    assert ended.read_text() == 'its own group: True'
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_the_ros_part_goes_on_where_nohup_has_the_terminals_end_ignored(
    handlers: dict[int, object],
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    script = f'import os, sys; os.kill(os.getppid(), {int(signal.SIGHUP)}); sys.exit(3)'
    try:
        assert run._exit_code([sys.executable, '-c', script]) == 3
    except KeyboardInterrupt:
        pytest.fail('what is ignored is heeded')


def test_other_weights_are_measured_in_the_place_of_the_shipped_ones() -> None:
    assert run.networks_of(run.Options()) == ('paper', 'open', 'open-large')
    assert run.networks_of(run.Options(weights='my.safetensors')) == ('paper', 'open')

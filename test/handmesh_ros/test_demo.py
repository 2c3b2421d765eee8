"""The whole demo, all its processes real, with painted hands in the place of the weights."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from painted_hands import paint
from robot import TIMEOUT

from handmesh_ros import demo, processes
from handmesh_ros.msg import Hand
from handmesh_ros.outputs import TOPICS
from handmesh_ros.record import Record, read_frames_file

FOLDER = Path(__file__).parent
COUNT = 8


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for i in range(COUNT):
        hands = [('right', 20 + 2 * i, 30, 40, 60)] if i < 6 else []
        cv2.imwrite(str(folder / f'{i}.png'), paint(hands)[:, :, ::-1])
    return folder


@pytest.fixture
def painted(monkeypatch):
    """Lets the demo start the node that needs no weights."""
    start = subprocess.Popen
    node = ['-m', 'handmesh_ros.handmesh_node']

    def popen(words, **kwargs):
        words = list(words)
        for i in range(len(words)):
            if words[i : i + 2] == node:
                words[i : i + 2] = [str(FOLDER / 'painted_hands.py')]
        return start(words, **kwargs)

    monkeypatch.setattr(processes.subprocess, 'Popen', popen)


def test_a_real_camera_is_free_for_the_process_that_plays_it(monkeypatch, tmp_path):
    class Capture:
        is_open = True

        def __init__(self, number):
            assert number == 3

        def isOpened(self):
            return True

        def grab(self):
            return True

        def get(self, _):
            return 25.0

        def release(self):
            Capture.is_open = False

    played = []
    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    monkeypatch.setattr(demo, '_play', lambda source, *_: played.append(source.rate))
    monkeypatch.setattr(demo, 'read_report', lambda out: {'was open': Capture.is_open})
    source = demo.open_source('3')
    options = demo.parse(['--source', '3', '--out', str(tmp_path / 'out')])
    assert Capture.is_open
    assert demo.run_demo(source, options) == {'was open': False}
    assert played == [25.0]


def test_demo_plays_records_and_reports(painted, pictures, tmp_path, capfd):
    out = tmp_path / 'out'
    code = demo.main(['--source', str(pictures), '--out', str(out), '--rate', '20'])
    said = capfd.readouterr().out
    assert code == 0, said
    report = json.loads((out / 'report.json').read_text())
    assert report['frames'] == {
        'sent': COUNT,
        'answered': COUNT,
        'dropped': 0,
        'with_hands': 6,
        'hands_found_share': 0.75,
    }
    assert set(report['topics']) >= {*TOPICS, 'topology', '/tf'} - {'joints/left'}
    # A picture that gets lost on its way, or whose answer does, is sent again.
    attempts = len(read_frames_file(out / 'frames.jsonl'))
    assert COUNT <= report['topics']['hands']['count'] <= attempts
    assert 0 < report['latency_ms']['median'] <= report['latency_ms']['p95']
    assert report['diagnostics']['network']['backend'] == 'painted, float32'

    capture = cv2.VideoCapture(str(out / 'overlay.mp4'))
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == report['video_frames']
    assert COUNT <= frames <= attempts
    assert cv2.imread(str(out / 'contact_sheet.png')) is not None

    with np.load(out / 'joints.npz') as arrays:
        seen = arrays['state'] == Hand.TRACKED
        frames, first = np.unique(arrays['frame'][seen], return_index=True)
        np.testing.assert_array_equal(frames, np.arange(6))
        x = arrays['joints_image'][seen][first, 0, 0]
        np.testing.assert_allclose(np.diff(x), 2.0, atol=0.7)
    assert 'images    8 of 8 answered, 0 dropped, hands in 75 %' in said


def test_a_demo_without_an_answer_says_so(monkeypatch, pictures, capfd):
    report = Record().report([{'frame': 0, 'stamp': 1}])
    monkeypatch.setattr(demo, 'run_demo', lambda source, options: report)
    assert demo.main(['--source', str(pictures)]) == 1
    assert capfd.readouterr().err == 'demo failed: no image was answered\n'


def test_a_demo_of_images_without_a_stamp_knows_no_latency(tmp_path):
    report = Record(answers={0: 1}).report([])
    assert 'latency   not known: the images carry no stamp\n' in demo.summary(report, tmp_path)


def test_missing_source_ends_at_once_and_is_named(tmp_path, capfd):
    code = demo.main(['--source', str(tmp_path / 'nowhere'), '--out', str(tmp_path / 'out')])
    assert code == 1
    assert f"source '{tmp_path / 'nowhere'}' does not exist" in capfd.readouterr().err


def test_node_that_fails_fails_the_demo(pictures, tmp_path, capfd):
    weights = str(tmp_path / 'no_weights')
    code = demo.main(
        ['--source', str(pictures), '--out', str(tmp_path / 'out'), '--weights', weights]
    )
    captured = capfd.readouterr()
    assert code == 1
    assert weights in captured.out
    assert 'demo failed: handmesh_node could not be configured' in captured.err


def test_interrupted_demo_leaves_no_process(pictures, tmp_path):
    words = ['-m', 'handmesh_ros.demo', '--source', str(pictures), '--out', str(tmp_path / 'out')]
    process = subprocess.Popen(
        [sys.executable, '-u', *words, '--device', 'cpu'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=FOLDER.parents[1],
        env=os.environ | {MARK: str(tmp_path)},
    )
    try:
        for line in process.stdout:
            if 'handmesh_node' in line:
                break
        children = _children(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
        assert process.returncode == 130
        # The camera comes once the two others are there.
        assert len(children) in (2, 3)
        assert not [child for child in children if Path(f'/proc/{child}').exists()]
        assert not _marked(tmp_path)
    finally:
        for left in _marked(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        process.wait()
        process.stdout.close()


MARK = 'HANDMESH_TEST'
"""Variable of the environment by which the processes of a demo are known, whoever started them."""


def _marked(value):
    """Process numbers of those that have the mark with a value."""
    found = []
    for folder in Path('/proc').iterdir():
        with suppress(OSError):
            words = (folder / 'environ').read_bytes().split(b'\0') if folder.name.isdigit() else ()
            if f'{MARK}={value}'.encode() in words:
                found.append(int(folder.name))
    return found


def _children(pid):
    """Process numbers whose parent is the given one."""
    found = []
    for folder in Path('/proc').iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / 'stat').read_text()
            except OSError:
                continue
            if int(status.rpartition(')')[2].split()[1]) == pid and folder.name != str(
                os.getpid()
            ):
                found.append(int(folder.name))
    return found

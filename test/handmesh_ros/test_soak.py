"""The soak on a small scale, with painted hands; the full one is run on demand."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
from painted_hands import paint

from handmesh_ros import processes, soak
from handmesh_ros.sources import Source

FOLDER = Path(__file__).parent


@pytest.fixture
def painted(monkeypatch):
    """Lets the soak start the node that needs no weights."""
    start = subprocess.Popen

    def popen(words, **kwargs):
        at = words.index('handmesh_ros.handmesh_node')
        return start(
            [*words[: at - 1], str(FOLDER / 'painted_hands.py'), *words[at + 1 :]], **kwargs
        )

    monkeypatch.setattr(processes.subprocess, 'Popen', popen)


def test_soak_counts_good_and_bad(painted, tmp_path):
    picture = tmp_path / 'hands.png'
    cv2.imwrite(str(picture), paint([('right', 20, 30, 40, 60)])[:, :, ::-1])
    words = ['--frames', '60', '--bad-every', '10', '--source', str(picture)]
    assert soak.main([*words, '--out', str(tmp_path)]) == 0
    report = json.loads((tmp_path / 'soak.json').read_text())
    assert report['complaints'] == []
    assert report['good images answered'] == report['with hands'] == 60
    assert report['bad inputs sent'] == 6
    # One of them is a CameraInfo, and on a busy machine a good image may come before another.
    assert 1 <= int(report['counts']['faulty']) <= 5
    assert report['node exit code'] == 0


def test_a_source_that_gives_nothing_ends_the_soak(monkeypatch, tmp_path):
    calls, stopped = [], []

    def frames():
        calls.append(1)
        assert len(calls) < 10, 'it would go on for ever'
        return iter(())

    child = SimpleNamespace(process=SimpleNamespace(pid=0), stop=lambda: stopped.append(1))
    monkeypatch.setattr(soak.sources, 'open_source', lambda text: Source('it', frames, None, 1.0))
    monkeypatch.setattr(soak.Child, 'start', lambda *_: child)
    monkeypatch.setattr(soak.SoakNode, '_spin', lambda *_: True)
    assert soak.main(['--frames', '60', '--out', str(tmp_path)]) == 1
    assert stopped

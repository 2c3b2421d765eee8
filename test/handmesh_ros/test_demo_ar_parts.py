"""The AR demo's own steps, without its processes."""

import cv2
import numpy as np
import pytest

pytest.importorskip('mujoco')

from handmesh_model.ar.performances import PERFORMANCES, Performance, press
from handmesh_ros import demo_ar
from handmesh_ros.processes import RunError


def test_a_run_without_pictures_says_so(monkeypatch, tmp_path, capfd):
    report = {'video_frames': 0, 'button_events': 0, 'latency_ms': {}}
    monkeypatch.setattr(demo_ar, 'make_clip', lambda name, folder: folder / name)
    monkeypatch.setattr(demo_ar, 'run_scene', lambda *_: report)
    arguments = ['--hands', 'truth', '--scenes', 'touch', 'push', '--out', str(tmp_path)]
    assert demo_ar.main(arguments) == 1
    said = capfd.readouterr().err
    assert said == 'demo failed: no picture came of touch/truth, push/truth\n'
    assert (tmp_path / 'report.json').is_file()
    assert not (tmp_path / 'contact_sheet_truth.png').exists()


def test_each_scene_is_summed_up_in_a_line(monkeypatch, tmp_path, capfd):
    latency = {'median': 21.18, 'p95': 30.94, 'max': 569.91}
    report = {'video_frames': 150, 'button_events': 2, 'latency_ms': latency}
    monkeypatch.setattr(demo_ar, 'make_clip', lambda name, folder: folder / name)
    monkeypatch.setattr(demo_ar, 'run_scene', lambda *_: report)
    assert demo_ar.main(['--hands', 'truth', '--scenes', 'touch', '--out', str(tmp_path)]) == 0
    assert (
        '150 pictures, 2 button events, latency median 21 ms, p95 31 ms, max 570 ms\n'
        in capfd.readouterr().out
    )


def test_a_scene_that_fails_leaves_nothing_of_an_earlier_run(monkeypatch, tmp_path):
    def fail(*_):
        raise RunError('the scene fails')

    out = tmp_path / 'touch'
    out.mkdir()
    written = 'ar_overlay.mp4', 'contact_sheet.png', 'events.json', 'objects.npz', 'report.json'
    for name in written:
        (out / name).write_text('of an earlier run')
    monkeypatch.setattr(demo_ar, '_play', fail)
    with pytest.raises(RunError, match='the scene fails'):
        demo_ar.run_scene('touch', demo_ar.TRUTH, tmp_path / 'press.mp4', out, None)
    assert not list(out.iterdir())


def test_an_overview_has_a_row_for_each_scene_with_pictures(tmp_path):
    folders = [tmp_path / name for name in ('some', 'none')]
    for folder in folders:
        folder.mkdir()
    code = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(folders[0] / 'ar_overlay.mp4'), code, 30, (64, 48))
    for _ in range(4):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    assert demo_ar.overview(folders).shape == (192, 5 * 256, 3)
    assert demo_ar.overview(folders[1:]) is None


def test_clips_of_another_performance_or_seed_are_rendered_anew(tmp_path, monkeypatch):
    frames = press().frames
    made = []
    real = demo_ar.write_performance
    monkeypatch.setattr(
        demo_ar, 'write_performance', lambda *args: made.append(args) or real(*args)
    )

    def rendered(first):
        monkeypatch.setitem(
            PERFORMANCES,
            'press',
            lambda: Performance('press', frames[first : first + 1], press().sides),
        )
        demo_ar.make_clip('press', tmp_path)
        return len(made)

    assert [rendered(10), rendered(10), rendered(20)] == [1, 1, 2]
    monkeypatch.setattr(demo_ar, '_SEED', 4)
    assert [rendered(20), rendered(20)] == [3, 3]

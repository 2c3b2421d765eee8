"""Clips of the performances, and their truth in a file."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from handmesh_model.ar import clips
from handmesh_model.ar.performances import PERFORMANCES, Performance, pinch, pinch_angles
from handmesh_model.errors import DatasetError, OutputError
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import LIMITS
from handmesh_model.synthesis.renderer_version import renderer_modules


@pytest.mark.parametrize('name', PERFORMANCES)
def test_performances_are_smooth_and_before_the_camera(name):
    truth = clips.truth_of(PERFORMANCES[name]())
    assert truth.joints_camera[..., 2].min() > 0.1
    speed = np.linalg.norm(np.diff(truth.joints_camera, axis=0), axis=-1) * 30
    assert speed.max() < 2.0
    # Somewhere the hand is well inside the picture.
    pixels = truth.joints_camera @ clips.clip_intrinsics().T
    pixels = pixels[..., :2] / pixels[..., 2:]
    inside = ((pixels > 0) & (pixels < [clips.WIDTH, clips.HEIGHT])).all(axis=-1)
    assert inside.all(axis=-1).any(axis=0).all()


def test_pinch_closes_to_the_wanted_gap():
    model = HandModel.load()
    gaps = []
    for gap in (0.02, 0.03, 0.04):
        angles = pinch_angles(gap)
        assert (angles >= LIMITS[:, 0] - 1e-9).all()
        assert (angles <= LIMITS[:, 1] + 1e-9).all()
        joints = model.posed_joints(angles)
        gaps.append(np.linalg.norm(joints[8] - joints[4]))
    np.testing.assert_allclose(np.diff(gaps), 0.01, atol=5e-4)


def test_clip_and_truth_are_written_and_read(tmp_path):
    short = Performance('pinch', pinch().frames[40:42], ('right',))
    path = tmp_path / 'pinch.mp4'
    clips.write_performance(path, short, 3)
    truth = clips.read_truth(path.with_suffix('.npz'))
    np.testing.assert_array_equal(truth.vertices_camera, clips.truth_of(short).vertices_camera)
    assert (len(truth), truth.sides) == (2, ('right',))
    assert path.stat().st_size > 1000
    ((hand,), _) = clips.true_hands(truth, clips.clip_intrinsics())
    assert hand.is_metric
    assert hand.box.x_min < hand.joints_image[9, 0] < hand.box.x_max


def test_a_clip_is_that_of_its_performance_and_seed_only_if_it_is(tmp_path, monkeypatch):
    whole = pinch()
    short = Performance('pinch', whole.frames[40:42], ('right',))
    path = tmp_path / 'pinch.mp4'
    assert not clips.is_written(path, short, 3)
    clips.write_performance(path, short, 3)
    assert clips.is_written(path, short, 3)
    assert not clips.is_written(path, short, 4)
    assert not clips.is_written(path, Performance('push', short.frames, short.sides), 3)
    assert not clips.is_written(path, Performance('pinch', whole.frames[41:43], ('right',)), 3)
    with monkeypatch.context() as patch:
        patch.setattr(clips, 'renderer_version', lambda **_: 'another')
        assert not clips.is_written(path, short, 3)
    path.with_suffix('.json').write_text('[]')
    assert not clips.is_written(path, short, 3)


def test_a_clip_is_drawn_anew_after_a_change_in_how_clips_are_filmed(monkeypatch):
    asked = []
    monkeypatch.setattr(clips, 'renderer_version', lambda entries: asked.append(entries))
    clips._made_by(Performance('pinch', (), ('right',)), 3)
    (entries,) = asked
    counted = renderer_modules(entries=entries)
    assert {clips.__name__, 'handmesh_model.synthesis.clip'} <= set(counted)


def black(*_):
    """The frames of a film, cheaper."""
    for _ in range(2):
        yield SimpleNamespace(image=np.zeros((clips.HEIGHT, clips.WIDTH, 3), np.uint8))


def test_a_clip_that_is_not_whole_is_not_there(tmp_path, monkeypatch):
    def full_disk(path, *_):
        Path(path).touch()
        return SimpleNamespace(isOpened=lambda: True, write=lambda rgb: None, release=lambda: None)

    full_disk.fourcc = cv2.VideoWriter.fourcc
    monkeypatch.setattr(clips, 'render_performance', black)
    monkeypatch.setattr(cv2, 'VideoWriter', full_disk)
    with pytest.raises(OutputError, match=r'cannot write all of the video .*a\.mp4'):
        clips.write_performance(tmp_path / 'a.mp4', Performance('pinch', (), ('right',)), 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('ending', ['.json', '.npz'])
def test_a_truth_that_cannot_be_written_is_told(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(clips, 'render_performance', black)
    path = tmp_path / 'a.mp4'
    in_the_way = path.with_suffix(ending)
    in_the_way.mkdir()
    with pytest.raises(OutputError, match=rf'cannot write .*a\{ending}'):
        clips.write_performance(path, Performance('pinch', (), ('right',)), 3)
    assert not clips.is_written(path, Performance('pinch', (), ('right',)), 3)


def test_no_video_is_left_without_its_truth(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(clips, 'render_performance', black)
    monkeypatch.setattr(np, 'savez_compressed', full)
    with pytest.raises(OutputError, match=r'a\.npz.: .*No space left'):
        clips.write_performance(tmp_path / 'a.mp4', Performance('pinch', (), ('right',)), 3)
    assert not list(tmp_path.iterdir())


def test_a_kill_while_drawing_leaves_no_half_of_a_clip(tmp_path, monkeypatch):
    def killed(*arguments):
        yield SimpleNamespace(image=np.zeros((clips.HEIGHT, clips.WIDTH, 3), np.uint8))
        raise KeyboardInterrupt

    monkeypatch.setattr(clips, 'render_performance', killed)
    with pytest.raises(KeyboardInterrupt):
        clips.write_performance(tmp_path / 'a.mp4', Performance('pinch', (), ('right',)), 3)
    assert not list(tmp_path.iterdir())


def test_truth_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / 'a.npz'
    with pytest.raises(DatasetError, match='cannot read truth'):
        clips.read_truth(path)
    np.savez(path, joints_camera=np.zeros((2, 1, 20, 3)), vertices_camera=np.zeros((2, 1, 5, 3)),
             sides=np.array(['right']))  # fmt: skip
    with pytest.raises(DatasetError, match='expected'):
        clips.read_truth(path)
    path.write_bytes(b'no zip')
    with pytest.raises(DatasetError, match='cannot read truth'):
        clips.read_truth(path)

"""The clip: smooth, truthful, readable again; so is the one that is shipped."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.errors import DatasetError, OutputError
from handmesh_model.synthesis.clip import render_clip, write_clip

ASSETS = Path(__file__).parents[3] / 'handmesh_model' / 'assets'


def test_hands_move_smoothly_between_frames() -> None:
    frames = list(render_clip(2, 0.5, 96, 72, hand_count=1))
    assert len(frames) == 15
    for before, after in pairwise(frames):
        assert [hand.side for hand in after.hands] == ['right']
        step = after.hands[0].joints_camera - before.hands[0].joints_camera
        assert 0 < np.linalg.norm(step, axis=1).max() < 0.05
        assert not np.array_equal(before.image, after.image)


def test_video_and_truth_agree_in_length_and_size(tmp_path: Path) -> None:
    video, truth = write_clip(tmp_path / 'new' / 'a.mp4', 3, 0.2, 64, 48)
    facts = json.loads(truth.read_text())
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(facts['frames']) == 6
    assert (facts['width'], facts['height'], facts['rate']) == (64, 48, 30.0)
    command = 'handmesh synthesize clip --seed 3 --seconds 0.2 --width 64 --height 48 --hands 2'
    assert facts['made_by'] == command
    with pytest.raises(OutputError, match=r'\.mp4'):
        write_clip(tmp_path / 'a.txt', 3, 0.1, 64, 48)
    assert {path.name for path in tmp_path.rglob('*')} == {'new', 'a.mp4', 'a.json'}


@pytest.mark.parametrize(
    ('numbers', 'said'),
    [
        ({'width': 65}, 'width is 65, expected an even number of at least 16'),
        ({'height': 14}, 'height is 14'),
        ({'seconds': 0.0}, r'seconds is 0\.0, expected one frame'),
        ({'seconds': float('nan')}, 'seconds is nan'),
        ({'seconds': 1e9}, 'seconds is 1000000000'),
        ({'seed': -1}, 'seed is -1'),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, numbers: dict, said: str
) -> None:
    with pytest.raises(DatasetError, match=said):
        write_clip(tmp_path / 'new' / 'a.mp4', **numbers)
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A writer of videos that says nothing when none of it is kept."""

    fourcc = staticmethod(cv2.VideoWriter.fourcc)

    def __init__(self, path: str, *_) -> None:
        Path(path).touch()

    def isOpened(self) -> bool:
        return True

    def write(self, _: np.ndarray) -> None:
        pass

    def release(self) -> None:
        pass


def test_an_encoder_that_is_missing_is_not_taken_for_a_wrong_name(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(FullDisk, 'isOpened', lambda _: False)
    monkeypatch.setattr(cv2, 'VideoWriter', FullDisk)
    with pytest.raises(OutputError, match=r'a\.mp4.; expected a folder .* encodes mp4v'):
        write_clip(tmp_path / 'a.mp4', 3, 0.1, 64, 48)


def test_a_clip_that_is_not_whole_is_not_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cv2, 'VideoWriter', FullDisk)
    with pytest.raises(OutputError, match=r'cannot write all of the video .*a\.mp4'):
        write_clip(tmp_path / 'a.mp4', 3, 0.1, 64, 48)
    assert not list(tmp_path.iterdir())


def test_the_shipped_clip_is_small_and_its_truth_projects() -> None:
    video = ASSETS / 'demo_clip.mp4'
    assert video.stat().st_size < 1_500_000
    facts = json.loads((ASSETS / 'demo_clip.json').read_text())
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(facts['frames'])
    intrinsics = np.array(facts['intrinsics'])
    sides = set()
    for frame in facts['frames']:
        for hand in frame['hands']:
            sides.add(hand['side'])
            projected = np.array(hand['joints_camera']) @ intrinsics.T
            projected = projected[:, :2] / projected[:, 2:]
            assert projected == pytest.approx(np.array(hand['joints_image']), abs=0.05)
    assert sides == {'left', 'right'}

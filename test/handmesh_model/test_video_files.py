"""Videos that OpenCV writes, all of them or none."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model import video_files
from handmesh_model.errors import OutputError

PICTURES = [np.full((48, 64, 3), (value, 20, 200 - value), np.uint8) for value in (0, 100, 200)]


def test_a_video_has_its_pictures_in_their_colours(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    video_files.write_video(path, path, iter(PICTURES), 30.0, (64, 48))
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == 30
    for rgb in PICTURES:
        found, bgr = capture.read()
        assert found
        assert np.abs(bgr[..., ::-1].mean(axis=(0, 1)) - rgb[0, 0]).max() < 10
    assert not capture.read()[0]


def test_pictures_that_the_writer_loses_are_missed(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    # One of another size is left out without a word.
    other = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(OutputError, match=r"all of the video 'b\.mp4': it has 3 .*expected 4"):
        video_files.write_video(path, Path('b.mp4'), [*PICTURES, other], 30.0, (64, 48))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b'a\xff.mp4')
    with pytest.raises(OutputError, match=r"/a\\udcff\.mp4' is not UTF-8, expected one that is"):
        video_files.open_video(path, path, 30.0, (64, 48))

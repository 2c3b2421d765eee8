"""Files are whole or not there, and what cannot be written is said."""

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.errors import OutputError
from handmesh_model.output_files import write_picture, written_beside


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'a.txt'
    with written_beside(path) as part:
        part.write_text('old')
    with contextlib.suppress(ZeroDivisionError), written_beside(path) as part:
        part.write_text('half')
        raise ZeroDivisionError
    assert path.read_text() == 'old'
    assert list(path.parent.iterdir()) == [path]


def test_a_picture_is_written_as_its_name_says(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    write_picture(tmp_path / 'a.PNG', rgb)
    assert np.array_equal(cv2.imread(str(tmp_path / 'a.PNG'))[..., ::-1], rgb)
    with pytest.raises(OutputError, match=r'a\.foo.* as a picture'):
        write_picture(tmp_path / 'a.foo', rgb)


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is full')
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / '.part-a.png').symlink_to('/dev/full')
    with pytest.raises(OutputError, match=r"cannot write .*/a\.png': .*No space left"):
        write_picture(tmp_path / 'a.png', np.zeros((16, 16, 3), np.uint8))
    assert not list(tmp_path.iterdir())

"""Files are whole or not there, and what cannot be written is said."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from handmesh_model.errors import OutputError
from handmesh_model.image_files import read_image
from handmesh_model.output_files import (
    check_place,
    write_arrays,
    write_json,
    write_picture,
    written_beside,
)


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


def test_a_picture_may_have_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    rgb = np.zeros((16, 20, 3), np.uint8)
    path = tmp_path / os.fsdecode(b'a\xff.png')
    try:
        path.touch()
    except OSError:
        pytest.skip('the file system has UTF-8 names only')
    write_picture(path, rgb)
    assert np.array_equal(read_image(path), rgb)
    with pytest.raises(OutputError, match=r"/a\.\\udcff' as a picture"):
        write_picture(tmp_path / os.fsdecode(b'a.\xff'), rgb)


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is full')
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        with written_beside(path) as part:
            part.symlink_to('/dev/full')
            part.write_bytes(b'a picture')

    with pytest.raises(OutputError, match=r"cannot write .*/a\.png': .*No space left"):
        write(tmp_path / 'a.png')
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_there_is_said_by_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for path in (tmp_path / 'file' / 'a.png', tmp_path / f'{"n" * 300}.png'):
        with pytest.raises(OutputError) as caught:
            write_picture(path, np.zeros((16, 16, 3), np.uint8))
        assert str(caught.value).startswith(f"cannot write '{path}': ")


def test_a_place_is_checked_and_left_as_it_was(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / 'old.json').write_text('old')
    for name in ('old.json', 'new.json'):
        check_place(tmp_path / name)
    check_place(Path('/dev/null'))
    assert [path.name for path in tmp_path.iterdir()] == ['old.json']
    assert (tmp_path / 'old.json').read_text() == 'old'
    for path, reason in ((tmp_path, 'Is a directory'), (tmp_path / 'old.json' / 'a', '')):
        with pytest.raises(OutputError, match=f"cannot write '{path}': {reason}"):
            check_place(path)

    def refuse(path: Path) -> None:
        raise PermissionError(13, 'Permission denied')

    # A file that may be written, in a folder where none may be made.
    monkeypatch.setattr(Path, 'touch', refuse)
    with pytest.raises(OutputError, match=r"old\.json': Permission denied"):
        check_place(tmp_path / 'old.json')


def test_a_name_may_be_as_long_as_the_file_system_lets(tmp_path: Path) -> None:
    path = tmp_path / f'{"n" * 251}.png'
    write_picture(path, np.zeros((16, 16, 3), np.uint8))
    assert list(tmp_path.iterdir()) == [path]


def test_two_who_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / 'a.txt'
    with written_beside(path) as first:
        first.write_text('first')
        with written_beside(path) as second:
            second.write_text('second')
        assert path.read_text() == 'second'
    assert path.read_text() == 'first'


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, file = tmp_path / 'link.txt', tmp_path / 'file.txt'
    link.symlink_to(file)
    with written_beside(link) as part:
        part.write_text('new')
    assert link.is_symlink()
    assert file.read_text() == 'new'


def test_figures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'results.json'
    figures = {'a': float('nan'), 'b': (0.12345678, np.inf), 3: {'c': 'text'}}
    write_json(path, figures)
    assert json.loads(path.read_text()) == {'a': None, 'b': [0.123457, None], '3': {'c': 'text'}}
    earlier = path.read_text()
    with pytest.raises(TypeError):
        write_json(path, {'a': 1, 'b': object()})
    assert path.read_text() == earlier
    assert list(path.parent.iterdir()) == [path]


def test_figures_that_cannot_be_kept_are_told_and_leave_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'results.json'
    write_json(path, {'a': 1})
    writes = Path.write_text

    def half(self: Path, text: str) -> None:
        writes(self, text[: len(text) // 2])
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_text', half)
    with pytest.raises(OutputError, match=r"cannot write '.*/results\.json': .*No space left"):
        write_json(path, {'a': 2})
    assert json.loads(path.read_text()) == {'a': 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_json(pipe, {'a': 1})
    assert json.loads(os.read(reader, 1000)) == {'a': 1}
    os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ('name', 'write'),
    [
        ('report.json', lambda path: write_json(path, {'count': 3})),
        ('joints.npz', lambda path: write_arrays(path, count=np.array(3))),
    ],
)
def test_what_cannot_be_written_is_an_error_of_the_output(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=rf"cannot write '.*file/{name}'"):
        write(tmp_path / 'file' / name)

"""Files of datasets that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.datasets.files import read_grey, read_json
from handmesh_model.errors import DatasetError


@pytest.mark.parametrize('content', [b'{"count": ', b'\xff\xfe', b'[' * 100_000])
def test_what_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'dataset.json').write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read '.*dataset\.json' as JSON"):
        read_json(tmp_path / 'dataset.json')


def test_pictures_may_have_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b'a\xff.png')
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    try:
        path.write_bytes(cv2.imencode('.png', grey)[1].tobytes())
    except OSError:
        pytest.skip('the file system has UTF-8 names only')
    assert np.array_equal(read_grey(path), grey)
    path.write_bytes(b'')
    with pytest.raises(DatasetError, match='cannot be decoded'):
        read_grey(path)

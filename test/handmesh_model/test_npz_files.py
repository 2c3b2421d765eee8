"""What is said of files that are no npz."""

from pathlib import Path

import numpy as np
import pytest

from handmesh_model.npz_files import read_arrays


@pytest.mark.parametrize('contents', [b'', b'some words', b'\x80\x04N.', b'\xff\xd8\xff\xe0'])
def test_other_files_are_called_what_they_are(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / 'file').write_bytes(contents)
    with pytest.raises(ValueError, match=r'^it is no npz file$'):
        read_arrays(tmp_path / 'file')


def test_arrays_come_back_and_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / 'plain.npz', a=np.arange(3))
    assert read_arrays(tmp_path / 'plain.npz')['a'].tolist() == [0, 1, 2]
    np.savez(tmp_path / 'pickled.npz', a=np.array([{}]))
    with pytest.raises(ValueError, match='Object arrays cannot be loaded'):
        read_arrays(tmp_path / 'pickled.npz')

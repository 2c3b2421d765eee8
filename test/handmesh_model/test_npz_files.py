"""What is said of files that are no npz, or unpack to more than they may."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from handmesh_model import npz_files
from handmesh_model.npz_files import read_arrays


def npy(header: str, data: bytes = b'', version: tuple[int, int] = (1, 0)) -> bytes:
    """A file of one array that says of itself what the header says."""
    length = struct.pack('<H' if version == (1, 0) else '<I', len(header))
    return b'\x93NUMPY' + bytes(version) + length + header.encode() + data


def described(shape: tuple[int, ...], descr: str = '<f4') -> str:
    return repr({'descr': descr, 'fortran_order': False, 'shape': shape})


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


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_arrays_of_every_kind_come_back(tmp_path: Path, save) -> None:
    arrays = {
        'columns': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        'empty': np.zeros((0, 3), np.uint8),
        'number': np.array(7),
        'text': np.array(['a', 'bcd']),
        'nothing': np.array(''),
        'large': np.random.default_rng(0).integers(0, 9, 500_000),
    }
    save(tmp_path / 'all.npz', **arrays)
    read = read_arrays(tmp_path / 'all.npz')
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_what_unpacks_to_more_than_the_limit_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'bomb.npz'
    np.savez_compressed(path, small=np.zeros(2), faces=np.zeros(10**6))
    assert path.stat().st_size < 10_000
    most = 8_000_000 + 16 + 2 * 128
    assert len(read_arrays(path, most)['faces']) == 10**6
    monkeypatch.setattr(zipfile.ZipFile, 'open', None)
    told = f"unpacks to {most} bytes, 8000128 of them in 'faces.npy', expected at most {most - 1}"
    with pytest.raises(ValueError, match=told):
        read_arrays(path, most - 1)
    monkeypatch.setattr(npz_files, 'MOST_BYTES', 10**6)
    with pytest.raises(ValueError, match=r'expected at most 1000000$'):
        read_arrays(path)


def test_large_files_of_pictures_are_within_the_default_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_files, 'MOST_BYTES', 1000)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3)).astype(np.uint8)
    np.savez(tmp_path / 'plain.npz', image=pixels)
    np.savez_compressed(tmp_path / 'packed.npz', image=pixels // 16)
    np.testing.assert_array_equal(read_arrays(tmp_path / 'plain.npz')['image'], pixels)
    np.testing.assert_array_equal(read_arrays(tmp_path / 'packed.npz')['image'], pixels // 16)


@pytest.mark.parametrize(
    ('member', 'told'),
    [
        (npy(described((10**12,)), bytes(8)), r'takes 4000000000000 bytes, in 8 bytes'),
        (npy(described((2**32, 2**32)), bytes(8)), r'in 8 bytes'),
        (npy(described((10**12,), '<U0')), r'takes 1000000000000 bytes, in 0 bytes'),
        (npy(described((1,)), bytes(8)), r'takes 4 bytes, in 8 bytes'),
        (npy(described((2,)), bytes(8), (3, 0)), r'npy format \(3, 0\), expected one of \(1, 0\)'),
        (b'some words', 'magic string'),
    ],
    ids=['huge', 'overflowing', 'of no width', 'left over', 'version', 'no array'],
)
def test_a_header_that_says_something_else_than_the_member(
    tmp_path: Path, member: bytes, told: str
) -> None:
    with zipfile.ZipFile(tmp_path / 'false.npz', 'w') as archive:
        archive.writestr('faces.npy', member)
    with pytest.raises(ValueError, match=rf"^'faces\.npy': .*{told}"):
        read_arrays(tmp_path / 'false.npz')


def test_a_member_longer_than_it_says_is_not_read_further(tmp_path: Path) -> None:
    """The directory says 4 numbers of 10 MB, as does the header."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as whole:
        content = npy(described((4,)), bytes(10**7))
        whole.writestr('a.npy', content)
    said, true = len(content) - 10**7 + 16, len(content)
    path = tmp_path / 'long.npz'
    path.write_bytes(archive.getvalue().replace(struct.pack('<I', true), struct.pack('<I', said)))
    with pytest.raises(ValueError, match='CRC'):
        read_arrays(path)


def test_other_compressions_are_refused(tmp_path: Path) -> None:
    """zipfile unpacks a block of them whole, which may be gigabytes for some hundred bytes."""
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w', zipfile.ZIP_BZIP2) as archive:
        archive.writestr('a.npy', npy(described((2,)), bytes(8)))
    with pytest.raises(ValueError, match=r"'a\.npy' is compressed by method 12, expected one of"):
        read_arrays(tmp_path / 'a.npz')


def test_a_lone_array_is_not_read_to_say_its_shape(tmp_path: Path) -> None:
    (tmp_path / 'one.npy').write_bytes(npy(described((10**15,))))
    with pytest.raises(ValueError, match=r'^one array of shape \(1000000000000000,\), expected'):
        read_arrays(tmp_path / 'one.npy')

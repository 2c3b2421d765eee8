"""TIFFs that ask to be turned, and are not."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.image_files import read_image
from handmesh_model.image_sizes import claimed_size
from handmesh_model.tiff_tags import untagged

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 12
BYTE, SHORT, LONG = 1, 3, 4


def tiff(orientation: int, order: str = '<', big: bool = False, kind: int = SHORT) -> bytes:
    """RGB in one strip, which lies right behind the header."""
    room, place = (8, 'Q') if big else (4, 'I')
    strip = 16 if big else 8
    # Three numbers of bits do not fit beside a classic tag, so they lie before the page.
    bits = strip + RGB.size
    page = bits + 6
    tags = [
        (256, SHORT, 1, RGB.shape[1]),
        (257, SHORT, 1, RGB.shape[0]),
        (258, SHORT, 3, None),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 2),
        (273, LONG, 1, strip),
        (274, kind, 1, orientation),
        (277, SHORT, 1, 3),
        (278, SHORT, 1, RGB.shape[0]),
        (279, LONG, 1, RGB.size),
    ]
    mark = b'II' if order == '<' else b'MM'
    start = struct.pack(f'{order}HHHQ', 43, 8, 0, page) if big else None
    data = mark + (start or struct.pack(f'{order}HI', 42, page)) + RGB.tobytes()
    data += struct.pack(f'{order}3H', 8, 8, 8)
    data += struct.pack(order + ('Q' if big else 'H'), len(tags))
    letters = {BYTE: 'B', SHORT: 'H', LONG: 'I'}
    for code, type_, count, value in tags:
        if value is None:
            packed = struct.pack(
                f'{order}3H' if big else f'{order}I', *([8] * 3 if big else [bits])
            )
        else:
            packed = struct.pack(order + letters[type_], value)
        data += struct.pack(f'{order}HH{place}', code, type_, count) + packed.ljust(room, b'\0')
    return data + bytes(room)


@pytest.mark.parametrize('kind', [BYTE, SHORT, LONG])
@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('order', '<>')
def test_a_tiff_is_turned_only_where_it_is_asked_for(
    tmp_path: Path, order: str, big: bool, kind: int
) -> None:
    path = tmp_path / 'a.tif'
    for orientation in range(1, 9):
        path.write_bytes(tiff(orientation, order, big, kind))
        assert np.array_equal(read_image(path, upright=False), RGB)
    path.write_bytes(tiff(6, order, big, kind))
    assert np.array_equal(read_image(path), np.rot90(RGB, -1))


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('order', '<>')
def test_sizes_are_those_before_turning(order: str, big: bool) -> None:
    assert claimed_size(tiff(6, order, big)) == (3, 2)
    assert claimed_size(untagged(tiff(6, order, big))) == (3, 2)


def test_only_the_orientation_is_changed() -> None:
    assert untagged(tiff(6)) == tiff(1)
    assert untagged(tiff(6, '>', big=True)) == tiff(1, '>', big=True)
    png = cv2.imencode('.png', RGB)[1].tobytes()
    for data in (tiff(1), png, b''):
        assert untagged(data) == data


def test_cut_tiffs_are_left_as_they_are_or_turned() -> None:
    good = tiff(6)
    for length in range(len(good)):
        assert untagged(good[:length]) in (good[:length], tiff(1)[:length])

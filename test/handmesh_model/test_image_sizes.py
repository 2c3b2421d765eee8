"""Sizes that pictures claim, against what OpenCV makes of them."""

import cv2
import numpy as np
import pytest

from handmesh_model import image_sizes
from handmesh_model.errors import ImageError
from handmesh_model.image_sizes import check_size, claimed_size

RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
KINDS = {
    'bmp': ('.bmp', []),
    'jpeg': ('.jpg', []),
    'png': ('.png', []),
    'tiff': ('.tiff', []),
    'webp': ('.webp', [cv2.IMWRITE_WEBP_QUALITY, 50]),
    'webp without loss': ('.webp', [cv2.IMWRITE_WEBP_QUALITY, 101]),
}


def encoded(kind: str) -> bytes:
    suffix, parameters = KINDS[kind]
    return cv2.imencode(suffix, RGB, parameters)[1].tobytes()


@pytest.mark.parametrize('kind', KINDS)
def test_sizes_are_those_of_the_pixels(kind: str) -> None:
    assert claimed_size(encoded(kind)) == (64, 48)


def test_sizes_that_opencv_does_not_write() -> None:
    extended = b'RIFF\0\0\0\0WEBPVP8X' + bytes(8) + b'\x3f\0\0\x2f\0\0'
    assert claimed_size(extended) == (64, 48)
    assert claimed_size(b'BM' + bytes(12) + b'\x0c\0\0\0\x40\0\x30\0\1\0\x18\0') == (64, 48)
    downwards = bytearray(encoded('bmp'))
    downwards[22:26] = (-48).to_bytes(4, 'little', signed=True)
    assert claimed_size(bytes(downwards)) == (64, 48)
    entries = b'\1\0\0\4\0\0\0\1\0\0\0\x40' + b'\1\1\0\3\0\0\0\1\0\x30\0\0'
    assert claimed_size(b'MM\0*\0\0\0\x08\0\2' + entries) == (64, 48)


@pytest.mark.parametrize('kind', KINDS)
def test_what_is_cut_or_damaged_has_some_size_or_none(kind: str) -> None:
    good, rng = encoded(kind), np.random.default_rng(1)
    for length in range(min(len(good), 200)):
        assert claimed_size(good[:length]) in (None, (64, 48))
    for _ in range(100):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 8):
            data[at] = rng.integers(0, 256)
        claimed_size(bytes(data))


def test_other_kinds_have_none() -> None:
    assert claimed_size(b'') is None
    assert claimed_size(b'P6 64 48 255 ') is None


@pytest.mark.parametrize(
    ('size', 'said'), [(None, 'no size'), ((0, 7), '0 x 7 pixels'), ((65, 48), '65 x 48 pixels')]
)
def test_too_large_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int] | None, said: str
) -> None:
    monkeypatch.setattr(image_sizes, 'LARGEST', 64 * 48)
    check_size((64, 48), 'it')
    with pytest.raises(ImageError, match=f'it has {said}, expected 1 to 3072 pixels'):
        check_size(size, 'it')


def test_pictures_of_phones_with_64_megapixels_are_believed() -> None:
    check_size((9248, 6936), 'it')
    with pytest.raises(ImageError, match='it has 8193 x 8192 pixels, expected 1 to 67108864 p'):
        check_size((8193, 8192), 'it')

"""How large a picture claims to be: told by its first bytes, before anything is decoded."""

from __future__ import annotations

from handmesh_model.errors import ImageError
from handmesh_model.tiff_tags import first_page, is_tiff

LARGEST = 2**26
"""Pixels beyond which no camera's image is believed; a few bytes can claim billions. Phones called
64 MP take 9248 x 6936."""
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257

Size = tuple[int, int]


def check_size(size: Size | None, name: str) -> None:
    """
    Hold a picture to what a decoder may be given.

    :param size: width and height as :func:`claimed_size` tells them.
    :param name: what the picture is called in the message.
    :raises ImageError: if it is too large, empty, or has no size.
    """
    if size is None or not 0 < size[0] * size[1] <= LARGEST:
        shown = 'no size' if size is None else f'{size[0]} x {size[1]} pixels'
        raise ImageError(f'{name} has {shown}, expected 1 to {LARGEST} pixels')


def claimed_size(data: bytes) -> Size | None:
    """
    Width and height that a picture claims, without any turning.

    :param data: the whole file: BMP, JPEG, PNG, TIFF or WebP, which can be far smaller than their
        pixels.
    :returns: None if it ends before, or is of another kind.
    """
    if data.startswith(b'\x89PNG'):
        return _png_size(data)
    if data.startswith(b'\xff\xd8'):
        return _jpeg_size(data)
    if is_tiff(data):
        return _tiff_size(data)
    if data[8:12] == b'WEBP':
        return _webp_size(data)
    if data.startswith(b'BM'):
        return _bmp_size(data)
    return None


def _png_size(data: bytes) -> Size | None:
    """Every PNG says it in its first chunk."""
    if data[12:16] != b'IHDR' or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], 'big'), int.from_bytes(data[20:24], 'big')


def _jpeg_size(data: bytes) -> Size | None:
    """That of the first frame header, found by walking over the segments before it."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        # SOF0 to SOF15 without DHT, JPG and DAC.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width, 'big'), int.from_bytes(height, 'big')
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None


def _tiff_size(data: bytes) -> Size | None:
    """That of the first page, which is the one that is decoded."""
    found: dict[int, int] = {}
    for tag in first_page(data):
        # Of one that comes twice, decoders take the first.
        found.setdefault(tag.code, tag.value)
    if _TIFF_WIDTH not in found or _TIFF_HEIGHT not in found:
        return None
    return found[_TIFF_WIDTH], found[_TIFF_HEIGHT]


def _webp_size(data: bytes) -> Size | None:
    """Three kinds say it in three ways."""
    kind, head = data[12:16], data[20:30]
    if len(head) < 10:
        return None
    if kind == b'VP8X':
        return 1 + int.from_bytes(head[4:7], 'little'), 1 + int.from_bytes(head[7:10], 'little')
    if kind == b'VP8L':
        bits = int.from_bytes(head[1:5], 'little')
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = int.from_bytes(head[6:8], 'little'), int.from_bytes(head[8:10], 'little')
    return width & 0x3FFF, height & 0x3FFF


def _bmp_size(data: bytes) -> Size | None:
    """Rows from the top down are told by a height below 0."""
    if len(data) < 26:
        return None
    if data[14] == 12:  # the header of OS/2
        return int.from_bytes(data[18:20], 'little'), int.from_bytes(data[20:22], 'little')
    width, height = data[18:22], data[22:26]
    return (
        abs(int.from_bytes(width, 'little', signed=True)),
        abs(int.from_bytes(height, 'little', signed=True)),
    )

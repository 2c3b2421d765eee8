"""sensor_msgs/CompressedImage to arrays; pure functions."""

from __future__ import annotations

import sys
from string import digits

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from handmesh_model.errors import ImageError
from handmesh_model.image_sizes import check_size, claimed_size
from handmesh_ros.images import ENCODINGS, image_to_rgb, set_bytes

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND'
_PADDING = 4096
"""Bytes that may follow the end of a picture; some cameras round sizes up."""
_BAYER = 'bayer_'
"""What the encodings of all mosaics begin with."""


def compressed_image_to_rgb(message: CompressedImage) -> np.ndarray:
    """
    The pixels of a JPEG or PNG, as image_transport's plugin `compressed` sends them.

    Cameras write all kinds of things into the message's ``format``. It is asked for one thing
    alone, which the data does not tell: whether a picture of one channel is a Bayer mosaic.

    :returns: (H, W, 3) uint8 RGB.
    :raises ImageError: if the data is no JPEG or PNG, ends early or is damaged, or is a mosaic of
        a pattern that is not known.
    """
    data = bytes(message.data)
    kind = _kind(data, message.format)
    check_size(claimed_size(data), kind)
    # The plugin writes the encoding of what it has compressed before a semicolon.
    encoding = message.format.partition(';')[0].strip()
    if encoding.startswith(_BAYER):
        pixels = _decode(data, kind, cv2.IMREAD_UNCHANGED)
        if pixels.ndim == 2:
            return _demosaic(pixels, encoding)
    return cv2.cvtColor(_decode(data, kind, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _decode(data: bytes, kind: str, flags: int) -> np.ndarray:
    # Orientation that a picture claims is not for robots: CameraInfo belongs to the pixels.
    flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f'{kind} data cannot be decoded: {error.err}') from error
    if pixels is None:
        raise ImageError(f'{kind} data of {len(data)} bytes is damaged, it cannot be decoded')
    return pixels


def _demosaic(mosaic: np.ndarray, encoding: str) -> np.ndarray:
    """
    The colours of a mosaic.

    :param mosaic: (H, W) uint8 or uint16.
    :param encoding: that it had before it was compressed.
    """
    if encoding in ENCODINGS:
        # JPEGs have 8 bits whatever there was.
        encoding = f'{encoding.rstrip(digits)}{8 * mosaic.itemsize}'
    height, width = mosaic.shape
    message = Image(height=height, width=width, encoding=encoding, step=mosaic.strides[0])
    message.is_bigendian = sys.byteorder == 'big'
    set_bytes(message, mosaic)
    return image_to_rgb(message)


def _kind(data: bytes, claimed: str) -> str:
    """'JPEG' or 'PNG', if it is one and complete; decoders make gray areas of what is missing."""
    for kind, start, end in (('JPEG', _JPEG_START, _JPEG_END), ('PNG', _PNG_START, _PNG_END)):
        if data.startswith(start):
            if end not in data[-_PADDING:]:
                raise ImageError(f'{kind} data of {len(data)} bytes ends early')
            return kind
    raise ImageError(
        f"compressed image of format '{claimed}' starts with {data[:4].hex(' ') or 'nothing'}, "
        'expected a JPEG or PNG'
    )

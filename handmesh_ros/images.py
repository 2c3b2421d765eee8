"""sensor_msgs/Image to arrays and back; pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import Image

from handmesh_model.errors import ImageError
from handmesh_ros import distro

Convert = Callable[[np.ndarray], np.ndarray]


def _color(code: int) -> Convert:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _narrow(convert: Convert) -> Convert:
    """The same for 16 bits a channel, of which the upper 8 are kept."""
    return lambda pixels: convert((pixels >> 8).astype(np.uint8))


def _same(pixels: np.ndarray) -> np.ndarray:
    return pixels


_EIGHT_BIT: dict[str, tuple[int, Convert]] = {
    'rgb': (3, _same),
    'bgr': (3, _color(cv2.COLOR_BGR2RGB)),
    'rgba': (4, _color(cv2.COLOR_RGBA2RGB)),
    'bgra': (4, _color(cv2.COLOR_BGRA2RGB)),
    'mono': (1, _color(cv2.COLOR_GRAY2RGB)),
    'bayer_rggb': (1, _color(cv2.COLOR_BayerRGGB2RGB)),
    'bayer_bggr': (1, _color(cv2.COLOR_BayerBGGR2RGB)),
    'bayer_gbrg': (1, _color(cv2.COLOR_BayerGBRG2RGB)),
    'bayer_grbg': (1, _color(cv2.COLOR_BayerGRBG2RGB)),
}
_UYVY = (2, _color(cv2.COLOR_YUV2RGB_UYVY))
_YUYV = (2, _color(cv2.COLOR_YUV2RGB_YUYV))

_ENCODINGS: dict[str, tuple[int, type, Convert]] = {
    **{f'{name}8': (n, np.uint8, convert) for name, (n, convert) in _EIGHT_BIT.items()},
    **{f'{name}16': (n, np.uint16, _narrow(convert)) for name, (n, convert) in _EIGHT_BIT.items()},
    # OpenCV's own names say nothing about colours; its habit is blue, green, red.
    '8UC1': (1, np.uint8, _EIGHT_BIT['mono'][1]),
    '8UC3': (3, np.uint8, _EIGHT_BIT['bgr'][1]),
    '8UC4': (4, np.uint8, _EIGHT_BIT['bgra'][1]),
    'yuv422': (_UYVY[0], np.uint8, _UYVY[1]),
    'uyvy': (_UYVY[0], np.uint8, _UYVY[1]),
    'yuv422_yuy2': (_YUYV[0], np.uint8, _YUYV[1]),
    'yuyv': (_YUYV[0], np.uint8, _YUYV[1]),
}
"""Channels, type of a channel, and conversion to RGB of what is decoded here, by encoding."""
_HALF_CHROMA = {'nv12': cv2.COLOR_YUV2RGB_NV12, 'nv21': cv2.COLOR_YUV2RGB_NV21}
"""Brightness in full, then a row of colours for every two of brightness."""
_FULL_CHROMA = 'nv24'
"""Brightness in full, then colours in full: U and V in turn."""
_RGB_FROM_YUV = np.array([[1.164, 0, 1.596], [1.164, -0.392, -0.813], [1.164, 2.017, 0]])
"""ITU-R BT.601 for brightness 16 to 235, which OpenCV's own conversions of video formats use."""
ENCODINGS = (*_ENCODINGS, *_HALF_CHROMA, _FULL_CHROMA)
"""What is decoded here; cv_bridge or its stand-in may know more."""


def image_to_rgb(message: Image) -> np.ndarray:
    """
    The pixels of an image message.

    :returns: (H, W, 3) uint8 RGB; for rgb8 without padding a view of the message's data.
    :raises ImageError: if step, size or data do not fit, or the encoding is not known.
    """
    if message.height == 0 or message.width == 0:
        raise ImageError(f'image of {message.width} x {message.height} pixels is empty')
    if message.encoding in _HALF_CHROMA or message.encoding == _FULL_CHROMA:
        return _decode_planes(message)
    size = message.step * message.height
    if len(message.data) != size:
        raise ImageError(
            f'image data has {len(message.data)} bytes, expected {size} '
            f'(step {message.step} x height {message.height})'
        )
    if message.encoding not in _ENCODINGS:
        return _decode_by_library(message)
    channels, kind, convert = _ENCODINGS[message.encoding]
    pixels = _view(message, channels, np.dtype(kind))
    if channels == 2 and message.width % 2:
        raise ImageError(f"'{message.encoding}' image has width {message.width}, expected even")
    try:
        return convert(pixels)
    except cv2.error as error:
        raise ImageError(
            f"cannot convert '{message.encoding}' image of {message.width} x {message.height} "
            f'pixels: {error.err}'
        ) from error


def _view(message: Image, channels: int, kind: np.dtype) -> np.ndarray:
    """The data as (H, W) or (H, W, channels) without a copy where byte order and step allow it."""
    row = message.width * channels * kind.itemsize
    if message.step < row:
        raise ImageError(
            f'image step is {message.step} bytes, expected at least {row} for {message.width} '
            f"pixels of '{message.encoding}'"
        )
    data = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    data = data[:, :row]
    if kind.itemsize > 1:
        order = kind.newbyteorder('>' if message.is_bigendian else '<')
        data = np.ascontiguousarray(data).view(order).astype(kind)
    elif message.step != row:
        data = np.ascontiguousarray(data)
    shape = (message.height, message.width)
    return data.reshape(shape if channels == 1 else (*shape, channels))


def _decode_planes(message: Image) -> np.ndarray:
    """Brightness first and colours behind it; ``step`` is the length of a row of brightness."""
    width, height, step = message.width, message.height, message.step
    full = message.encoding == _FULL_CHROMA
    rows = 3 * height if full else height * 3 // 2
    if not full and (width % 2 or height % 2):
        raise ImageError(
            f"'{message.encoding}' image has {width} x {height} pixels, expected even numbers"
        )
    if step < width or len(message.data) != rows * step:
        raise ImageError(
            f"'{message.encoding}' image of {width} x {height} pixels has step {step} and "
            f'{len(message.data)} bytes, expected a step of at least {width} and {rows} rows of it'
        )
    data = np.frombuffer(message.data, dtype=np.uint8)
    if not full:
        planes = np.ascontiguousarray(data.reshape(rows, step)[:, :width])
        return cv2.cvtColor(planes, _HALF_CHROMA[message.encoding])
    luma = data[: height * step].reshape(height, step)[:, :width]
    chroma = data[height * step :].reshape(height, 2 * step)[:, : 2 * width]
    yuv = np.dstack([luma, chroma.reshape(height, width, 2)])
    shift = _RGB_FROM_YUV @ (-16.0, -128.0, -128.0)
    return cv2.transform(yuv, np.column_stack([_RGB_FROM_YUV, shift]))


def _decode_by_library(message: Image) -> np.ndarray:
    """What cv_bridge, or its stand-in, makes of an encoding that is not known here."""
    unknown = f"image encoding is '{message.encoding}', expected one of {', '.join(ENCODINGS)}"
    decode = distro.image_decoder()
    # Numbers without a colour have no right look; the libraries would cast them to one.
    if decode is None or re.fullmatch(r'\d+[USF](C\d+)?', message.encoding):
        raise ImageError(unknown)
    try:
        rgb = np.asarray(decode(message))
    except Exception as error:  # the libraries raise many kinds
        raise ImageError(f'{unknown} ({error})') from error
    if rgb.dtype != np.uint8 or rgb.shape != (message.height, message.width, 3):
        raise ImageError(
            f"'{message.encoding}' image of {message.width} x {message.height} pixels decodes to "
            f'{rgb.dtype} {rgb.shape}, expected uint8 (height, width, 3)'
        )
    return rgb


def rgb_to_image(rgb: np.ndarray, header: Any) -> Image:
    """
    An rgb8 message of an array.

    :param rgb: (H, W, 3) uint8.
    :param header: std_msgs/Header that the message shall carry.
    """
    height, width = rgb.shape[:2]
    message = Image(header=header, height=height, width=width, encoding='rgb8', step=width * 3)
    set_bytes(message, np.ascontiguousarray(rgb))
    return message


class Canvas:
    """
    An rgb8 message to draw into: its pixels are an array over the message's own data.

    One that is made anew for each image would be copied once more, and 3 MB of fresh memory cost
    the system more than the copy.
    """

    def __init__(self) -> None:
        self._message = Image()
        self._pixels: np.ndarray = np.zeros((0, 0, 3), dtype=np.uint8)

    def lay(self, rgb: np.ndarray, header: Any) -> tuple[Image, np.ndarray]:
        """
        The message with a copy of a picture in it, and its pixels.

        Both are the same ones again for the next picture of this size.

        :param rgb: (H, W, 3) uint8, not empty.
        :param header: std_msgs/Header that the message shall carry.
        """
        if rgb.shape != self._pixels.shape:
            self._message = rgb_to_image(rgb, header)
            self._pixels = np.frombuffer(self._message.data, np.uint8).reshape(rgb.shape)
        else:
            np.copyto(self._pixels, rgb)
        self._message.header = header
        return self._message, self._pixels


def pixels_to_draw_into(message: Any, rgb: np.ndarray) -> np.ndarray | None:
    """
    The pixels of an rgb8 message themselves, or None if they are not what ``rgb`` is.

    :param message: whose picture has been decoded; of any type.
    :param rgb: (H, W, 3) what :func:`image_to_rgb` has made of it.
    """
    if not isinstance(message, Image) or not rgb.flags.writeable:
        return None
    data = np.frombuffer(message.data, dtype=np.uint8)
    is_view = rgb.nbytes == data.nbytes and np.shares_memory(rgb, data)
    return rgb if is_view and message.encoding == 'rgb8' else None


def set_bytes(message: Any, array: np.ndarray) -> None:
    """
    Put an array into the ``data`` of a message, without the setter's check of every byte.

    :param message: any message with a ``uint8[] data``.
    :param array: contiguous, of any type.
    """
    del message.data[:]
    message.data.frombytes(array.tobytes())

"""sensor_msgs/Image with depth to arrays; pure functions."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image

from handmesh_model.errors import ImageError

_KINDS = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
"""Types by encoding (REP 118: whole numbers are millimetres, floating point numbers metres)."""


def image_to_depth(message: Image) -> np.ndarray:
    """
    The depth image of a message.

    :returns: (H, W) uint16 millimetres or float32 metres.
    :raises ImageError: if the encoding is none of depth, or step, size and data do not fit.
    """
    if message.encoding not in _KINDS:
        raise ImageError(
            f"depth has encoding '{message.encoding}', expected 16UC1 (millimetres) or "
            '32FC1 (metres)'
        )
    kind = np.dtype(('>' if message.is_bigendian else '<') + _KINDS[message.encoding])
    row, size = message.width * kind.itemsize, message.step * message.height
    if not row or message.step < row or len(message.data) != size:
        raise ImageError(
            f'depth of {message.width} x {message.height} pixels has step {message.step} and '
            f'{len(message.data)} bytes, expected step {row} at least and step x height bytes'
        )
    data = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    values = np.ascontiguousarray(data[:, :row]).view(kind)
    return values.astype(kind.newbyteorder('='), copy=False)

"""Bags of pictures, made with rosbags alone."""

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
PLUGINS = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def header(stamp):
    time = TYPES['builtin_interfaces/msg/Time'](int(stamp), round(stamp % 1 * 1e9))
    return TYPES['std_msgs/msg/Header'](time, 'eye')


def image(rgb, stamp=0.0, **changes):
    """A sensor_msgs/Image of (H, W, 3) uint8."""
    height, width = rgb.shape[:2]
    fields = {
        'header': header(stamp),
        'height': height,
        'width': width,
        'encoding': 'rgb8',
        'is_bigendian': 0,
        'step': 3 * width,
        'data': np.ascontiguousarray(rgb).ravel(),
    }
    return TYPES['sensor_msgs/msg/Image'](**(fields | changes))


def camera_info(intrinsics, stamp=0.0, distortion=(), size=(0, 0), binning=0, offset=(0, 0)):
    """
    A sensor_msgs/CameraInfo.

    :param size: width and height.
    :param offset: x and y of a region of interest.
    """
    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](*offset, 0, 0, False)
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header=header(stamp),
        height=size[1],
        width=size[0],
        distortion_model='plumb_bob',
        d=np.array(distortion, float),
        k=np.array(intrinsics, float).ravel(),
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=binning,
        binning_y=binning,
        roi=roi,
    )


def write(path, messages, storage='mcap', rate=10.0):
    """
    A bag.

    :param messages: (topic, message or bytes, type or None) each, in the order of their times.
    """
    with Writer(path, version=8, storage_plugin=PLUGINS[storage]) as writer:
        connections = {}
        for number, (topic, message, *kind) in enumerate(messages):
            name = kind[0] if kind else message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=STORE)
            data = message if isinstance(message, bytes) else STORE.serialize_cdr(message, name)
            writer.write(connections[topic], round(1e9 * (1000 + number / rate)), bytes(data))
    return path


def pictures(path, rgbs, storage='mcap', intrinsics=None, rate=10.0):
    """A bag of pictures, with the camera's matrix if there is one."""
    messages = [('/camera/image', image(rgb, i / rate)) for i, rgb in enumerate(rgbs)]
    if intrinsics is not None:
        messages.insert(0, ('/camera/camera_info', camera_info(intrinsics)))
    return write(path, messages, storage, rate)

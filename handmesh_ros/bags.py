"""
Images out of ROS 2 bags, MCAP or SQLite, without a ROS.

A bag is a stranger's file: :mod:`handmesh_ros.bag_reader` opens it, and what its messages claim
about sizes is checked before memory is spent on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handmesh_model.errors import HandmeshError, ImageError, IntrinsicsError
from handmesh_ros.bag_reader import LONGEST_WORD, METADATA, bag_messages, brief_error, opened_bag
from handmesh_ros.frame_names import frame_name
from handmesh_ros.source_camera import SourceCamera, sounds_rectified

if TYPE_CHECKING:
    from handmesh_ros.calibration import Calibration

BAG_SUFFIXES = ('.mcap', '.db3')
IMAGE, COMPRESSED, INFO = (
    f'sensor_msgs/msg/{name}' for name in ('Image', 'CompressedImage', 'CameraInfo')
)
MAX_MESSAGE = 256 << 20
"""Bytes of one message; an 8K image of 16 bits a channel has 199 MB."""
MAX_PIXELS = 1 << 26
_SEARCH = 200
"""Messages that are looked through for a calibrated camera_info, or an image that can be read."""
_PACED = 30
"""Images whose times tell the rate; more would have to be read only for that."""


def is_bag(path: Path) -> bool:
    """Whether a path looks like a bag: a folder with metadata, or a file of a bag's own."""
    if path.is_dir():
        return (path / METADATA).is_file()
    return path.suffix.lower() in BAG_SUFFIXES and path.is_file()


@dataclass(frozen=True, eq=False)
class Bag:
    """
    The images of one topic of a bag.

    :param topic: of the images.
    :param count: how many the bag says it has.
    :param rate: images a second, by the times of the first ones in the bag; 0 if there are too few
        to tell.
    :param camera: by the camera_info beside the images, if that is calibrated for images of their
        size; region of interest and binning are taken off K and P. Of images whose topic says
        that they are rectified, K is that of P, and there is no distortion.
    """

    path: Path
    topic: str
    count: int
    rate: float
    camera: SourceCamera | None

    def frames(self, warn: Callable[[str], object]) -> Iterator[tuple[int, np.ndarray]]:
        """
        Number and (H, W, 3) uint8 RGB of each image that can be read.

        :param warn: told of each image that cannot.
        :raises ImageError: if the bag breaks off.
        """
        with opened_bag(self.path) as reader:
            wanted = _connections(reader, self.topic)
            for index, (connection, _, data) in enumerate(bag_messages(reader, wanted, self.path)):
                try:
                    yield index, _decode(_parse(connection.msgtype, data))
                except ImageError as error:
                    warn(f"image {index} of '{self.topic}' in '{self.path}' is left out: {error}")


def open_bag(path: Path, topic: str = '', warn: Callable[[str], object] = print) -> Bag:
    """
    A bag's images.

    :param path: folder of a bag, or one of its files.
    :param topic: of the images; empty takes the only one.
    :param warn: told of a camera_info that cannot be used or does not fit the images.
    :raises ImageError: if it is no bag that can be read, or has no such topic.
    """
    with opened_bag(path) as reader:
        images = {c.topic: c for c in reader.connections if _is_image(c)}
        chosen = _choose(images, topic, path)
        count = sum(c.msgcount for c in _connections(reader, chosen))
        if count < 1:
            raise ImageError(f"topic '{chosen}' of bag '{path}' holds no images")
        rate = _rate(reader, chosen, path)
        return Bag(path, chosen, count, rate, _camera(reader, chosen, path, warn))


def _rate(reader: Any, topic: str, path: Path) -> float:
    """Images a second at the beginning; 0 if there are too few to tell."""
    times: list[int] = []
    # Where a bag breaks off, those before can be played.
    with suppress(ImageError):
        for _, time, _ in islice(bag_messages(reader, _connections(reader, topic), path), _PACED):
            times.append(time)
    seconds = (times[-1] - times[0]) * 1e-9 if times else 0.0
    return (len(times) - 1) / seconds if seconds > 0 else 0.0


def _camera(
    reader: Any, topic: str, path: Path, warn: Callable[[str], object]
) -> SourceCamera | None:
    """The camera of a topic's images, if the bag has one that fits them."""
    # Needs sensor_msgs, as for images.
    from handmesh_ros.calibration import camera_of_info

    found = _calibration(reader, topic, path, warn)
    if found is None:
        return None
    info_topic, message, calibration = found
    image = _first_image(reader, topic, path)
    try:
        if image is not None:
            calibration.check_size(*image.size)
    except IntrinsicsError as error:
        warn(f"the camera matrix in bag '{path}' is not taken: {error}")
        return None
    frames = message.header.frame_id, '' if image is None else image.frame
    if all(frames) and len(set(map(frame_name, frames))) > 1:
        of_info, of_images = (frame[:LONGEST_WORD] for frame in frames)
        warn(
            f"camera_info on '{info_topic}' of bag '{path}' is in frame '{of_info}', the images "
            f"on '{topic}' in '{of_images}': make sure that it is of the same camera"
        )
    name = f"the camera of bag '{path}'"
    camera = camera_of_info(message, calibration, name)
    if not sounds_rectified(topic):
        return camera
    if np.any(message.d):
        warn(
            f"images on '{topic}' of bag '{path}' sound rectified: P of '{info_topic}' is taken, "
            'its distortion is not'
        )
    # R leads from the lens to images as they are already.
    return replace(camera, rectification=np.eye(3))


class _FirstImage(NamedTuple):
    size: tuple[int, int]
    """Width and height."""
    frame: str


def _first_image(reader: Any, topic: str, path: Path) -> _FirstImage | None:
    """What the first image that can be read is like; None if there is none."""
    images = bag_messages(reader, _connections(reader, topic), path)
    for connection, _, data in islice(images, _SEARCH):
        try:
            message = _parse(connection.msgtype, data)
            height, width = _decode(message).shape[:2]
        except ImageError:
            continue
        return _FirstImage((width, height), message.header.frame_id)
    return None


def _choose(images: dict[str, Any], topic: str, path: Path) -> str:
    listed = ', '.join(sorted(images)[:20]) or 'none'
    if topic:
        if topic not in images:
            raise ImageError(f"bag '{path}' has no image topic '{topic}', it has {listed}")
        return topic
    if len(images) != 1:
        raise ImageError(
            f"bag '{path}' has {len(images)} image topics, expected one or a name: {listed}"
        )
    return next(iter(images))


def _is_image(connection: Any) -> bool:
    return connection.msgtype in (IMAGE, COMPRESSED)


def _connections(reader: Any, topic: str) -> list[Any]:
    """Those that images of a topic were recorded by."""
    return [c for c in reader.connections if _is_image(c) and c.topic == topic]


@lru_cache(maxsize=1)
def _typestore() -> Any:
    from rosbags.typesys import Stores, get_typestore

    # Images and camera_info are the same in all ROS 2; the bag's own definitions are not used.
    return get_typestore(Stores.ROS2_JAZZY)


def _parse(kind: str, data: bytes) -> Any:
    """
    :raises ImageError: if the bytes are no such message.
    """
    if len(data) > MAX_MESSAGE:
        raise ImageError(f'{len(data)} bytes, at most {MAX_MESSAGE} are read')
    try:
        return _typestore().deserialize_cdr(data, kind)
    except Exception as error:  # assertions, struct, numpy
        raise ImageError(f'not a {kind}: {brief_error(error)}') from error


def _decode(message: Any) -> np.ndarray:
    """
    :param message: an image, raw or compressed.
    :raises ImageError: if it cannot be read.
    """
    # They need sensor_msgs, which whoever plays images has.
    from handmesh_ros.compressed_images import compressed_image_to_rgb
    from handmesh_ros.images import image_to_rgb

    if message.__msgtype__ == COMPRESSED:
        return compressed_image_to_rgb(message)
    if message.width * message.height > MAX_PIXELS:
        raise ImageError(
            f'{message.width} x {message.height} pixels, at most {MAX_PIXELS} are read'
        )
    return np.array(image_to_rgb(message))


def _calibration(
    reader: Any, topic: str, path: Path, warn: Callable[[str], object]
) -> tuple[str, Any, Calibration] | None:
    """The camera_info in the images' namespace, or the only one: topic, message and meaning."""
    # Needs sensor_msgs, as for images.
    from handmesh_ros.calibration import camera_info_to_calibration

    infos = [c for c in reader.connections if c.msgtype == INFO]
    names = {c.topic for c in infos}
    base = topic.removesuffix('/compressed').rpartition('/')[0]
    beside = f'{base}/camera_info'
    if beside not in names and len(names) != 1:
        return None
    wanted = [c for c in infos if c.topic == (beside if beside in names else c.topic)]
    fault = ''
    for connection, _, data in islice(bag_messages(reader, wanted, path), _SEARCH):
        try:
            message = _parse(INFO, data)
            calibration = camera_info_to_calibration(message, sounds_rectified(topic))
            return connection.topic, message, calibration
        except HandmeshError as error:
            fault = fault or str(error)
    if fault:
        warn(f"the camera_info in bag '{path}' is not taken: {fault}")
    return None

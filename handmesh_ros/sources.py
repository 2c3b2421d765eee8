"""Where folder_camera's pictures come from: folders, images, videos, bags, cameras, the clip."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import handmesh_model
from handmesh_model.errors import ConfigError, ImageError
from handmesh_model.image_files import IMAGE_SUFFIXES, image_files, read_image
from handmesh_model.opencv_names import opencv_name, shown
from handmesh_model.yaml_files import read_yaml
from handmesh_ros import bags
from handmesh_ros.parameters import RATE_RANGE
from handmesh_ros.source_camera import SourceCamera, camera_of

DEMO_CLIP = Path(handmesh_model.__file__).parent / 'assets' / 'demo_clip.mp4'
FOLDER_RATE = 10.0
"""Images a second of a folder, which has no rate of its own."""
_KEPT_BY_DRIVERS = 16
"""Pictures that a camera's driver may have ready, at most; four are usual."""


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One picture of a source.

    :param index: its number, from 0; unreadable pictures keep theirs.
    :param name: file name, fit to be logged, or the source's name and the number.
    :param rgb: (H, W, 3) uint8.
    """

    index: int
    name: str
    rgb: np.ndarray


@dataclass(frozen=True, eq=False)
class Source:
    """
    A readable source.

    :param frames: starts from the first picture each time it is called.
    :param count: number of pictures, None where it is not known.
    :param rate: pictures a second, within :data:`~handmesh_ros.parameters.RATE_RANGE`.
    :param own_rate: as it tells it itself, if that cannot be played; else None.
    :param camera: as a file beside the source, or a bag itself, tells it; None if none does.
        Picture files then come as they are stored, else turned as they ask for, unless the user
        names a camera.
    :param is_live: pictures come by themselves, each as it is taken.
    :param close: lets go of the device, if it is one; no pictures come afterwards.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]
    count: int | None
    rate: float
    camera: SourceCamera | None = None
    is_live: bool = False
    close: Callable[[], object] = lambda: None
    own_rate: float | None = None

    def played_rate(self, asked: float, warn: Warn) -> float:
        """
        Pictures a second to play.

        :param asked: by the user; 0 for the source's own.
        :param warn: told if that is not its own.
        """
        if not asked and self.own_rate is not None:
            warn(f'{self.name} has {self.own_rate:g} images a second, {self.rate:g} are played')
        return asked or self.rate

    @property
    def intrinsics(self) -> np.ndarray | None:
        """(3, 3) camera matrix, pixels; None if it is not known, or is not all of a camera."""
        if self.camera is None or self.camera.is_distorted:
            return None
        return self.camera.intrinsics

    def play(self, forever: bool) -> Iterator[Frame]:
        """
        The pictures once, or over and over.

        :raises ImageError: if there are none, or none any more.
        """
        while True:
            has_any = False
            for frame in self.frames():
                has_any = True
                yield frame
            if not has_any:
                raise ImageError(f'{self.name} gives no pictures any more')
            if not forever:
                return


Warn = Callable[[str], object]


def open_source(
    text: str, warn: Warn = print, topic: str = '', has_camera: bool = False
) -> Source:
    """
    The source that a user named.

    :param text: 'demo' or empty for the embedded clip, digits or /dev/video and digits for a
        camera, else a path.
    :param warn: told of each picture that cannot be read, the others are played.
    :param topic: of the images, where the source is a bag with several.
    :param has_camera: the user names the camera: picture files come as they are stored.
    :raises ImageError: if there is no such thing, or nothing in it can be read.
    :raises ConfigError: if a file beside the source holds something else than expected.
    """
    source = _open(text, warn, topic, has_camera)
    rate = min(max(source.rate, RATE_RANGE[0]), RATE_RANGE[1])
    return replace(source, rate=rate, own_rate=None if rate == source.rate else source.rate)


def _open(text: str, warn: Warn, topic: str, has_camera: bool) -> Source:
    if text in ('', 'demo'):
        return _video(DEMO_CLIP, 'the embedded demo clip')
    if text.isdecimal():
        return _camera(int(text))
    path = Path(text).expanduser()
    device = re.fullmatch(r'/dev/video(\d+)', os.path.realpath(path))
    if device:
        return _camera(int(device[1]))
    if bags.is_bag(path):
        return _bag(path, topic, warn)
    if path.is_dir():
        return _folder(path, warn, has_camera)
    if not path.exists():
        raise ImageError(
            f"source '{text}' does not exist, expected a folder of images, an image, a video "
            "file, a ROS 2 bag or a camera's number"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _images(str(path), [path], warn, has_camera)
    return _video(path, f"source '{path}'")


def _bag(path: Path, topic: str, warn: Warn) -> Source:
    bag = bags.open_bag(path, topic, warn)

    def frames() -> Iterator[Frame]:
        for index, rgb in bag.frames(warn):
            yield Frame(index, f'{bag.topic}#{index}', rgb)

    name = f'{path}: {bag.topic}'
    return Source(name, frames, bag.count, bag.rate or FOLDER_RATE, bag.camera)


def _natural_key(path: Path) -> list[Any]:
    """Sorts frame2 before frame10."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', path.name)]


def _folder(path: Path, warn: Warn, has_camera: bool) -> Source:
    files = sorted(image_files(path), key=_natural_key)
    if not files:
        raise ImageError(
            f"source folder '{path}' holds no images, expected files ending in "
            + ', '.join(IMAGE_SUFFIXES)
        )
    return _images(str(path), files, warn, has_camera)


def _images(name: str, files: list[Path], warn: Warn, has_camera: bool) -> Source:
    camera = _camera_beside(files[0].parent)
    # A camera's matrix belongs to the pixels as they are stored.
    upright = camera is None and not has_camera
    if all(_read_image(file, upright) is None for file in files):
        raise ImageError(
            f"source '{name}': none of {len(files)} images can be read, the first is "
            f"'{files[0].name}'"
        )

    def frames() -> Iterator[Frame]:
        for index, file in enumerate(files):
            rgb = _read_image(file, upright)
            if rgb is None:
                warn(f"image '{shown(file)}' cannot be read and is left out")
            else:
                yield Frame(index, shown(file.name), rgb)

    return Source(name, frames, len(files), FOLDER_RATE, camera)


def _read_image(path: Path, upright: bool) -> np.ndarray | None:
    with suppress(ImageError):
        return read_image(path, upright)
    return None


def _video(path: Path, title: str) -> Source:
    capture = _open_capture(str(path), title)
    rate = capture.get(cv2.CAP_PROP_FPS)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()

    def frames() -> Iterator[Frame]:
        return _captured(_open_capture(str(path), title), path.name)

    beside = path.with_suffix('.json')
    facts = _sidecar(beside)
    return Source(
        str(path),
        frames,
        count if count > 0 else None,
        _told_rate(facts, beside) or (rate if rate > 0 else FOLDER_RATE),
        camera_of(facts, beside),
    )


def _told_rate(facts: dict[str, Any], path: Path) -> float | None:
    """Pictures a second by the file beside a video, if that tells it."""
    rate = facts.get('rate')
    if rate is None:
        return None
    if type(rate) not in (int, float) or not 0 < rate < math.inf:
        raise ConfigError(f"'{path}' has rate {rate!r}, expected images a second, above 0")
    return float(rate)


def _camera(number: int) -> Source:
    title = f'camera {number}'
    # Opened once: many cameras need seconds to start, and some do not start twice.
    capture = _open_capture(number, title)
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if rate > 0 else 30.0

    def frames() -> Iterator[Frame]:
        _skip_kept(capture, 1 / rate)
        return _captured(capture, title)

    return Source(title, frames, None, rate, is_live=True, close=capture.release)


def _skip_kept(capture: cv2.VideoCapture, period: float) -> None:
    """
    Pass over the pictures that a driver has kept since the camera was opened: those come at once.

    :param period: seconds between two pictures.
    """
    for _ in range(_KEPT_BY_DRIVERS):
        begun = time.monotonic()
        if not capture.grab() or time.monotonic() - begun > period / 2:
            return


def _open_capture(what: str | int, title: str) -> cv2.VideoCapture:
    """
    An opened video whose first picture can be read.

    :raises ImageError: if it has none.
    """
    if isinstance(what, str) and not Path(what).is_file():
        raise ImageError(f"{title} is missing: no file '{what}'")
    capture = cv2.VideoCapture(opencv_name(what, ImageError) if isinstance(what, str) else what)
    if not capture.isOpened() or not capture.grab():
        capture.release()
        raise ImageError(f'{title} cannot be opened as a video or holds no picture')
    if isinstance(what, str):
        capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
    return capture


def _captured(capture: cv2.VideoCapture, name: str) -> Iterator[Frame]:
    try:
        index = 0
        while True:
            good, bgr = capture.read()
            if not good:
                return
            yield Frame(index, f'{name}#{index}', cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            index += 1
    finally:
        capture.release()


def _camera_beside(folder: Path) -> SourceCamera | None:
    file = folder / 'intrinsics.json'
    return camera_of(_sidecar(file), file)


def _sidecar(path: Path) -> dict[str, Any]:
    """The facts in a JSON file beside a source; nothing if there is no such file."""
    try:
        facts = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read '{path}': {error}") from error
    return facts if isinstance(facts, dict) else {}


def read_camera(path: str | Path) -> SourceCamera:
    """
    The camera in a file: JSON or YAML with ``intrinsics`` (3 x 3), or a camera_info YAML as
    camera_calibration writes it, with distortion, rectification, projection and size.

    :raises ConfigError: if the file cannot be read or holds no such camera.
    """
    path = Path(path).expanduser()
    facts = read_yaml(path, 'intrinsics file')
    camera = camera_of(facts, path) if isinstance(facts, dict) else None
    if camera is None:
        raise ConfigError(f"'{path}' has neither 'intrinsics' nor 'camera_matrix'")
    return camera


def assumed_intrinsics(width: int, height: int, field_of_view: float) -> np.ndarray:
    """
    The camera matrix of an ideal camera: square pixels, the axis through the middle.

    :param field_of_view: horizontal, degrees.
    :returns: (3, 3) float64, pixels.
    """
    focal = width / 2 / np.tan(np.radians(field_of_view) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])

"""
The parameters of each node, declared once: name, default, description, range, read-only.

A parameter is one line of a frozen dataclass. What ROS is told (descriptors), what is checked and
what the code reads all come from that line; ``config/handmesh.yaml`` is held to it by a test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from handmesh_model.errors import ConfigError
from handmesh_model.hand import HAND_SIZE_RANGE, SIDES

ANY_SIDE = 'auto'
"""Value of ``side`` that leaves it to the network."""

RATE_RANGE = (0.1, 240.0)
"""Images a second that a source is played and filmed at."""

Settings = TypeVar('Settings')


@dataclass(frozen=True)
class Row:
    """
    What is known of one parameter besides its name, type and default.

    :param low: smallest value allowed.
    :param high: largest value allowed.
    :param special: one more value allowed, which switches something off.
    :param choices: the only values allowed.
    :param read_only: read when the node configures; afterwards it changes only after a clean-up.
    """

    description: str
    low: float | None = None
    high: float | None = None
    special: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False


def parameter(default: Any, description: str, **row: Any) -> Any:
    """One row of a table of parameters; see :class:`Row` for the keywords."""
    return field(default=default, metadata={'row': Row(description, **row)})


@dataclass(frozen=True)
class NodeParameters:
    """Parameters of handmesh_node."""

    autostart: bool = parameter(
        True, 'Configure and activate by itself when the node starts.', read_only=True
    )
    weights: str = parameter(
        'auto',
        "Network weights: 'open' and 'open-large' are shipped, 'auto' takes the large ones on "
        'CUDA; or the path of a checkpoint.',
        read_only=True,
    )
    device: str = parameter(
        'auto', "Where the network runs: 'auto', 'cpu', 'cuda' or 'cuda:N'.", read_only=True
    )
    backend: str = parameter(
        'auto',
        'How the network runs.',
        choices=('auto', 'eager', 'openvino', 'cudagraph', 'tensorrt'),
        read_only=True,
    )
    precision: str = parameter(
        'auto',
        "Numbers that it computes with; 'auto' takes float32 on a CPU, float16 on CUDA. 'int8' is "
        'faster on a CPU, once calibrated.',
        choices=('auto', 'float32', 'float16', 'int8'),
        read_only=True,
    )
    fallback: bool = parameter(
        True,
        'If the network keeps failing, go on with PyTorch on the CPU when loading it anew did not '
        'help.',
    )
    image_transport: str = parameter(
        'raw',
        "'compressed' takes sensor_msgs/CompressedImage from the image topic + '/compressed'.",
        choices=('raw', 'compressed'),
        read_only=True,
    )
    image_reliability: str = parameter(
        'auto',
        'Quality of service of the images; auto is reliable where all their publishers are.',
        choices=('auto', 'reliable', 'best_effort'),
        read_only=True,
    )
    lazy: bool = parameter(True, 'Take images only while somebody listens to an output.')
    boxes: str = parameter(
        'detector',
        "Where hands are looked for: by the own detector, or in boxes from the topic 'boxes' of "
        'sensor_msgs/RegionOfInterest or vision_msgs/Detection2DArray.',
        choices=('detector', 'regions', 'detections'),
        read_only=True,
    )
    boxes_max_age: float = parameter(
        0.5, 'Seconds that an image and its boxes may lie apart.', low=0.0, high=60.0
    )
    max_hands: int = parameter(2, 'Hands looked for in an image.', low=1, high=8, read_only=True)
    hand_size: float = parameter(
        0.0,
        'Metres from wrist to middle knuckle of the user; 0 takes the mean of people.',
        low=HAND_SIZE_RANGE[0],
        high=HAND_SIZE_RANGE[1],
        special=0.0,
    )
    side: str = parameter(
        ANY_SIDE,
        "Take every hand for one of this side, whatever boxes say; 'auto' judges each.",
        choices=(ANY_SIDE, *SIDES),
    )
    enter_presence: float = parameter(
        0.5, 'Presence from which a new hand is believed.', low=0.0, high=1.0
    )
    stay_presence: float = parameter(
        0.3, 'Presence below which a tracked hand counts as not seen.', low=0.0, high=1.0
    )
    hold_time: float = parameter(
        0.3, 'Seconds that a hand not seen is held before it is lost.', low=0.0, high=10.0
    )
    detect_period: float = parameter(
        0.25,
        'Seconds between searches for new hands and checks of tracked ones.',
        low=0.0,
        high=10.0,
    )
    max_age: float = parameter(
        0.0,
        'Images older than this many seconds are dropped and counted; 0 takes any age.',
        low=0.0,
        high=3600.0,
    )
    filter: bool = parameter(
        True,
        'Smooth the hands in the camera frame (One Euro filter); hands/raw has them unsmoothed.',
    )
    filter_min_cutoff: float = parameter(
        1.0,
        'Hz, cutoff of the filter for a hand at rest: lower is steadier and starts slower.',
        low=0.01,
        high=100.0,
    )
    filter_beta: float = parameter(
        20.0,
        'Hz that the cutoff rises by for each m/s: higher lets a moving hand lag less.',
        low=0.0,
        high=1000.0,
    )
    filter_derivative_cutoff: float = parameter(
        1.0, 'Hz, cutoff of the speed that the filter goes by.', low=0.01, high=100.0
    )
    predict_to: str = parameter(
        'image',
        "The time that hands are given for: that of the image, or 'now', the time of publishing.",
        choices=('image', 'now'),
    )
    predict_ahead: float = parameter(
        0.0, 'Seconds that hands are predicted beyond that time.', low=0.0, high=0.5
    )
    predict_limit: float = parameter(
        0.15, 'Seconds at most between an image and what is predicted from it.', low=0.0, high=0.5
    )
    min_joint_confidence: float = parameter(
        0.0, "Confidence from which the topic 'joints' calls a joint valid.", low=0.0, high=1.0
    )
    image_is_rectified: bool = parameter(
        False,
        'The image is undistorted already (image_rect): take P of the CameraInfo, ignore D.',
    )
    depth_tolerance: float = parameter(
        0.02,
        'Seconds that the stamps of image and depth image may differ by.',
        low=0.0,
        high=1.0,
    )
    depth_wait: float = parameter(
        0.05,
        'Seconds that an image waits at most for its depth image, once some have come.',
        low=0.0,
        high=2.0,
    )
    publish_tf: bool = parameter(True, 'Send the wrist frames to TF.')
    publish_finger_tf: bool = parameter(
        False, 'Send the frames of the other 20 joints to TF too, below the wrist.'
    )
    frame_prefix: str = parameter(
        '', "Put before the names of TF frames, for example 'head_' gives head_r_wrist_3."
    )
    diagnostics_period: float = parameter(
        1.0, 'Seconds between two diagnostics messages.', low=0.1, high=60.0, read_only=True
    )


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of folder_camera."""

    source: str = parameter(
        'demo',
        "A folder of images, an image, a video file, a bag, a camera's number, or 'demo'.",
        read_only=True,
    )
    bag_topic: str = parameter(
        '', 'Image topic to play of a bag; empty takes the only one.', read_only=True
    )
    rate: float = parameter(
        0.0,
        "Images a second; 0 takes the source's own rate, 10 for a folder.",
        low=0.0,
        high=RATE_RANGE[1],
        read_only=True,
    )
    duration: float = parameter(
        0.0,
        'Seconds after which to end even if the source goes on; 0 plays to its end.',
        low=0.0,
        high=86400.0,
        read_only=True,
    )
    loop: bool = parameter(False, 'Start over at the end of the source.', read_only=True)
    frame_id: str = parameter('camera_optical_frame', 'Frame of the images.', read_only=True)
    intrinsics_file: str = parameter(
        '',
        'JSON or YAML with the camera matrix, or a camera_info YAML with its distortion; empty '
        'looks beside the source.',
        read_only=True,
    )
    field_of_view: float = parameter(
        60.0,
        'Horizontal degrees assumed where no camera matrix is known.',
        low=5.0,
        high=170.0,
        read_only=True,
    )
    subscribers: int = parameter(
        1,
        'Wait for this many subscribers of the images before the first.',
        low=0,
        high=16,
        read_only=True,
    )
    lockstep: bool = parameter(
        False,
        "Send an image only when the answer to the one before has arrived on 'answer_topic'.",
        read_only=True,
    )
    answer_topic: str = parameter(
        'hands',
        'The topic whose messages, by their stamps, are the answers to images in lockstep.',
        choices=('hands', 'overlay', 'ar_overlay'),
        read_only=True,
    )
    frames_file: str = parameter(
        '', 'Write one JSON line for each image sent: frame, name, stamp.', read_only=True
    )


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of demo_recorder."""

    out: str = parameter('out/demo', 'Folder that the results are written to.', read_only=True)
    frames_file: str = parameter(
        '', 'What folder_camera wrote, to tell frame numbers from stamps.', read_only=True
    )
    expected: int = parameter(
        0,
        'Images to come, for the progress shown; 0 if unknown.',
        low=0,
        high=10**9,
        read_only=True,
    )
    rate: float = parameter(
        10.0,
        'Images a second of the video.',
        low=RATE_RANGE[0],
        high=RATE_RANGE[1],
        read_only=True,
    )


def rows(table: type) -> dict[str, Row]:
    """The row of each parameter of a table, by name."""
    return {f.name: f.metadata['row'] for f in fields(table)}


def defaults(table: type) -> dict[str, Any]:
    """The default of each parameter of a table, by name."""
    return {f.name: f.default for f in fields(table)}


def check_value(table: type, name: str, value: object) -> Any:
    """
    The value of a parameter in its declared type.

    :raises ConfigError: if the name is unknown, or the value has another type or is out of range.
    """
    known = defaults(table)
    if name not in known:
        raise ConfigError(f"unknown parameter '{name}', expected one of {', '.join(known)}")
    kind = type(known[name])
    # YAML makes numbers of '1' for 1.0, and of a camera's '0'.
    if type(value) is int and kind in (float, str):
        value = kind(value)
    if type(value) is not kind:
        raise ConfigError(f"parameter '{name}' is {value!r}, expected {_KINDS[kind]}")
    row = rows(table)[name]
    if row.choices and value not in row.choices:
        raise ConfigError(
            f"parameter '{name}' is {value!r}, expected one of {', '.join(row.choices)}"
        )
    if kind in (int, float):
        _check_range(name, value, row)  # type: ignore[arg-type]
    return value


_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}


def _check_range(name: str, value: float, row: Row) -> None:
    low = -math.inf if row.low is None else row.low
    high = math.inf if row.high is None else row.high
    if value != row.special and not (math.isfinite(value) and low <= value <= high):
        also = '' if row.special is None else f' or {row.special:g}'
        raise ConfigError(f"parameter '{name}' is {value}, expected {low:g} to {high:g}{also}")


def settings_from(table: type[Settings], values: Mapping[str, object]) -> Settings:
    """
    A table filled with values; those not given are the defaults.

    :raises ConfigError: for the first value that does not fit.
    """
    return table(**{name: check_value(table, name, value) for name, value in values.items()})

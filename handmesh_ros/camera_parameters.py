"""The parameters of folder_camera; see :mod:`handmesh_ros.parameters` for how tables work."""

from __future__ import annotations

from dataclasses import dataclass

from handmesh_ros.parameters import RATE_RANGE, parameter


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

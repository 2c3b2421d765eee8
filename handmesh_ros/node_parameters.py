"""
The parameters of handmesh_node; see :mod:`handmesh_ros.parameters` for how tables work.

``config/handmesh.yaml`` and docs/parameters.md are held to them by tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from handmesh_model.hand import HAND_SIZE_RANGE, SIDES
from handmesh_ros.parameters import parameter

ANY_SIDE = 'auto'
"""Value of ``side`` that leaves it to the network."""
DETECTOR, REGIONS, DETECTIONS = 'detector', 'regions', 'detections'
"""Values of ``boxes``."""


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
        DETECTOR,
        "Where hands are looked for: by the own detector, or in boxes from the topic 'boxes' of "
        'sensor_msgs/RegionOfInterest or vision_msgs/Detection2DArray. Hands of less than 24 '
        'pixels are not followed.',
        choices=(DETECTOR, REGIONS, DETECTIONS),
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
        0.3,
        'Presence below which a tracked hand counts as not seen.',
        low=0.0,
        high=1.0,
        # A hand between the two would come and go.
        at_most='enter_presence',
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

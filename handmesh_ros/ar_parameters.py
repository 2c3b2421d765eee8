"""The parameters of the AR nodes; see :mod:`handmesh_ros.parameters` for how tables work."""

from __future__ import annotations

from dataclasses import dataclass

from handmesh_ros.parameters import RATE_RANGE, parameter


@dataclass(frozen=True)
class OverlayParameters:
    """Parameters of ar_overlay_node."""

    layout: str = parameter(
        '', "YAML file of objects to draw; empty draws what comes on 'objects'.", read_only=True
    )
    hand_margin: float = parameter(
        0.002,
        'Metres by which hands are taken to be nearer than measured, so that fingers that touch '
        'an object stay whole.',
        low=0.0,
        high=0.1,
    )
    forearm_length: float = parameter(
        0.0,
        'Metres of a straight forearm added to each hand, to hide what is behind; 0 adds none.',
        low=0.0,
        high=0.6,
    )
    objects_wait: float = parameter(
        0.1,
        "Seconds to wait, after the hands, for objects on 'objects' of the same stamp.",
        low=0.0,
        high=5.0,
    )
    silence: float = parameter(
        0.5,
        "Seconds without any message on 'hands/raw' after which images are shown without hands; "
        'where these take longer to come, up to 3 s are waited by itself.',
        low=0.05,
        high=60.0,
    )
    frame_age: float = parameter(
        0.5,
        'Seconds that a TF frame may differ from an image and still place its objects.',
        low=0.0,
        high=60.0,
    )
    image_is_rectified: bool = parameter(
        False, 'The image is undistorted already: take P of the CameraInfo, ignore D.'
    )


@dataclass(frozen=True)
class PhysicsParameters:
    """Parameters of ar_physics_node."""

    stage: str = parameter(
        'cube', "What there is: 'cube', 'pour' or the path of a YAML file.", read_only=True
    )


@dataclass(frozen=True)
class ButtonsParameters:
    """Parameters of ar_buttons_node."""

    panel: str = parameter(
        'keypad',
        "The buttons: 'keypad', 'walkie_talkie' or the path of a YAML file.",
        read_only=True,
    )
    frame_age: float = parameter(
        0.5,
        "Seconds that the panel's TF frame may differ from an image.",
        low=0.0,
        high=60.0,
    )
    silence: float = parameter(
        0.5,
        "Seconds without any message on 'hands' after which what is pressed is released.",
        low=0.05,
        high=60.0,
    )


@dataclass(frozen=True)
class ArRecorderParameters:
    """Parameters of ar_recorder."""

    out: str = parameter('out/demo-ar', 'Folder that the results are written to.', read_only=True)
    rate: float = parameter(
        30.0,
        'Images a second of the video.',
        low=RATE_RANGE[0],
        high=RATE_RANGE[1],
        read_only=True,
    )
    caption: str = parameter('', 'A line written into each picture.', read_only=True)
    things: str = parameter(
        'ar_physics_node',
        "Namespace of the markers on 'objects' whose places are kept: the physics node's name.",
        read_only=True,
    )

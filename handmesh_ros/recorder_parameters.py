"""The parameters of demo_recorder; see :mod:`handmesh_ros.parameters` for how tables work."""

from __future__ import annotations

from dataclasses import dataclass

from handmesh_ros.parameters import RATE_RANGE, parameter


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

"""
Plays a synthetic clip together with its true hands: a camera and a node without error in one.

Publishes ``image`` and ``camera_info`` as folder_camera does, and ``hands``, ``hands/raw`` and
``topology`` as handmesh_node does, at the same stamps. For examples and tests that shall not
depend on how good the network's weights are. The parameters are folder_camera's; ``source`` must
be 'demo' or a clip made by ``handmesh synthesize clip``, whose JSON lies beside it, or by the AR
demo, with an .npz.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from handmesh_model.extras import need
from handmesh_model.hand import Hand, TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import executable, msg
from handmesh_ros.conversions import hands_to_msg, topology_to_msg
from handmesh_ros.folder_camera import FolderCamera
from handmesh_ros.qos import LATCHED
from handmesh_ros.sources import DEMO_CLIP, Frame
from handmesh_ros.stamps import stamp_to_nanoseconds


class TrueHands(FolderCamera):
    """
    Plays a clip and its truth.

    :raises DatasetError: if the source has no truth beside it.
    :raises ConfigError: if a package that poses its hands is not installed.
    """

    def __init__(self) -> None:
        super().__init__('true_hands')
        source = self.settings.source
        self._truth = _truth_of(DEMO_CLIP if source in ('', 'demo') else Path(source).expanduser())
        self._before: dict[int, Hand] = {}
        self._stamp_before = self._index_before = 0
        self._first_track = 0
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        # What is true is smooth: both are the same.
        self._hands = [
            self.create_publisher(msg.HandArray, topic, qos) for topic in ('hands', 'hands/raw')
        ]
        self._topology = self.create_publisher(msg.HandTopology, 'topology', LATCHED)
        self._topology.publish(topology_to_msg(HandTopology.open_hand()))

    def _is_listened_to(self) -> bool:
        listeners = sum(publisher.get_subscription_count() for publisher in self._hands)
        return listeners >= self.settings.subscribers

    def publish(self, frame: Frame, header: Header) -> None:
        """
        Publish a picture, its CameraInfo and its hands; a hand that left is said to be lost.

        So are all where the clip starts over: no hand goes from its last picture to its first.
        """
        super().publish(frame, header)
        if frame.index < self._index_before:
            numbers = [hand.track_id for hands in self._truth for hand in hands]
            self._first_track += 1 + max(numbers, default=0)
        self._index_before = frame.index
        true = {hand.track_id + self._first_track: hand for hand in self._truth[frame.index]}
        seen = {number: replace(hand, track_id=number) for number, hand in true.items()}
        stamp = stamp_to_nanoseconds(header.stamp)
        since = (stamp - self._stamp_before) * 1e-9
        gone = [
            replace(hand, state=TrackState.LOST, lead=-since)
            for number, hand in self._before.items()
            if number not in seen
        ]
        self._before, self._stamp_before = seen, stamp
        message = hands_to_msg([*seen.values(), *gone], header)
        for publisher in self._hands:
            publisher.publish(message)


def _truth_of(clip: Path) -> list[list[Hand]]:
    """The hands of each frame: of a clip of the AR scenes, or of ``handmesh synthesize clip``."""
    need('true_hands', 'ar', 'numba', 'scipy')
    arrays = clip.with_suffix('.npz')
    if not arrays.is_file():
        from handmesh_model.synthesis.clip_truth import load_clip_truth

        return [[true.hand for true in hands] for hands in load_clip_truth(clip)]
    from handmesh_model.ar import clips

    return clips.true_hands(clips.read_truth(arrays), clips.clip_intrinsics())


def main(args: Sequence[str] | None = None) -> int:
    """Play the clip that the parameters name."""
    return executable.run(TrueHands, lambda node: node.play(), args)  # type: ignore[attr-defined]


if __name__ == '__main__':
    sys.exit(main())

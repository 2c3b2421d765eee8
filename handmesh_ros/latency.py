"""Times of every image as topics, to be plotted or watched; named as Autoware names them."""

from __future__ import annotations

from rclpy.node import Node
from std_msgs.msg import Float64

_DEPTH = 5


class LatencyOutputs:
    """
    ``~/debug/processing_time_ms`` and ``~/debug/pipeline_latency_ms`` (std_msgs/Float64).

    The first is the time that the node worked on an image, the second that from the image's stamp
    to the end of that work.

    :param node: the publishers are made there.
    """

    def __init__(self, node: Node) -> None:
        self._processing = node.create_publisher(Float64, '~/debug/processing_time_ms', _DEPTH)
        self._pipeline = node.create_publisher(Float64, '~/debug/pipeline_latency_ms', _DEPTH)

    def publish(self, processing: float, pipeline: float) -> None:
        """
        Tell the times of one image, if anybody listens.

        :param processing: seconds.
        :param pipeline: seconds.
        """
        for publisher, seconds in ((self._processing, processing), (self._pipeline, pipeline)):
            if publisher.get_subscription_count() > 0:
                publisher.publish(Float64(data=1000 * seconds))

"""The ROS graph around a subscription to images, without DDS."""

from types import SimpleNamespace

from rclpy.qos import QoSProfile


class Graph:
    """
    What an :class:`ImageInput` sees of a node; its subscriptions are called by the test.

    :ivar offered: reliability of each publisher.
    :ivar open: subscriptions, in the order in which they were made.
    :ivar remapped: names by what they are without.
    """

    def __init__(self):
        self.offered = []
        self.open = []
        self.remapped = {}

    def resolve_topic_name(self, name):
        name = name if name.startswith('/') else f'/{name}'
        return self.remapped.get(name, name)

    def get_publishers_info_by_topic(self, topic):
        return [
            SimpleNamespace(qos_profile=QoSProfile(depth=1, reliability=policy))
            for policy in self.offered
        ]

    def create_subscription(self, kind, topic, callback, qos, event_callbacks):
        self.open.append(
            SimpleNamespace(
                topic=topic,
                bring=callback,
                depth=qos.depth,
                reliability=qos.reliability,
                find_incompatible=event_callbacks.incompatible_qos,
            )
        )
        return self.open[-1]

    def destroy_subscription(self, subscription):
        self.open.remove(subscription)

"""Two nodes in one process, each for its own camera, with the predictor that needs no weights."""

import sys

import rclpy
from painted_hands import PaintedPredictor
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter

from handmesh_model import predictor
from handmesh_ros.handmesh_node import HandmeshNode


def main():
    """Serve both until a signal comes."""
    predictor.HandMeshPredictor = PaintedPredictor
    rclpy.init()
    executor = SingleThreadedExecutor()
    nodes = [
        HandmeshNode(
            namespace=name, parameter_overrides=[Parameter('frame_prefix', value=f'{name}_')]
        )
        for name in sys.argv[1:]
    ]
    try:
        for node in nodes:
            executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()

"""
The node: camera images in; hands, joints, points, markers, frames and an overlay out.

A lifecycle node that configures and activates itself unless the parameter ``autostart`` says no.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import threading
from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from handmesh_model.errors import HandmeshError, IntrinsicsError
from handmesh_ros import diagnostics, executable
from handmesh_ros.calibration import Calibration, camera_info_to_calibration
from handmesh_ros.frame_worker import FrameWorker, Surroundings
from handmesh_ros.monitor import Monitor
from handmesh_ros.outputs import HandOutputs
from handmesh_ros.parameters import NodeParameters
from handmesh_ros.ros_parameters import ParameterServer

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_PATIENCE = 2.0
"""Seconds after which a missing CameraInfo is worth a warning."""
_LONG_PATIENCE = 5.0
"""The same for images."""
_WARNINGS = ('age', 'calibration', 'silence', 'time')
"""Kinds of fault that are the stream's, not an error of the node or its user."""


class HandmeshNode(LifecycleNode):
    """Subscribes to `image` and `camera_info`; see the README for what it publishes."""

    def __init__(self) -> None:
        super().__init__('handmesh_node')
        self._state = 'unconfigured'
        self._monitor = Monitor()
        self._server = ParameterServer(
            self, NodeParameters, lambda: self._state in ('inactive', 'active')
        )
        self._lock = threading.Lock()
        self._calibration: Calibration | None = None
        self._calibration_fault = ''
        self._info_key: object = None
        self._worker: FrameWorker | None = None
        self._outputs: HandOutputs | None = None
        self._subscriptions_made: list[object] = []
        self._network: dict[str, str] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        period = self._server.settings.diagnostics_period
        self._timer = self.create_timer(period, self._publish_diagnostics)

    def autostart(self) -> None:
        """Configure and activate, unless told not to; after a failure the node waits for help."""
        if not self._server.settings.autostart:
            self.get_logger().info('Waiting to be configured (autostart is false)')
        elif self.trigger_configure() == SUCCESS and not executable.is_over(self):
            self.trigger_activate()

    # Life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and make the publishers."""
        try:
            settings = self._server.check()
            self._load(settings)
        except HandmeshError as error:
            self._fault('parameters', f'cannot configure: {error}')
            return FAILURE
        self._state = 'inactive'
        return SUCCESS

    def _load(self, settings: NodeParameters) -> None:
        # PyTorch takes seconds to import; a node that only waits does without.
        from handmesh_model.predictor import HandMeshPredictor
        from handmesh_model.tracker import HandTracker
        from handmesh_model.visualization import draw_hands

        predictor = HandMeshPredictor(
            settings.weights,
            settings.device,
            settings.backend,
            settings.max_hands,
            settings.hand_size or None,
        )
        topology = predictor.topology
        self._outputs = HandOutputs(self, topology, draw_hands)
        self._worker = FrameWorker(
            HandTracker(predictor),
            self._outputs,
            self._monitor,
            Surroundings(
                lambda: self._server.settings,
                self._current_calibration,
                lambda: self.get_clock().now().nanoseconds * 1e-9,
                self._fault,
                self.context.ok,
            ),
        )
        self._network = {
            'weights': settings.weights,
            'device': str(predictor.device),
            'backend': predictor.backend.name,
            'mesh': f'{topology.name}, {topology.vertex_count} vertices',
        }
        self.get_logger().info(
            'Configured: ' + ', '.join(f'{key} {value}' for key, value in self._network.items())
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take images."""
        assert self._worker is not None
        assert self._outputs is not None
        super().on_activate(state)
        self._outputs.start()
        self._worker.start()
        self._info_key, self._calibration, self._calibration_fault = None, None, ''
        self._subscriptions_made = [
            self.create_subscription(Image, 'image', self._worker.offer, _SENSOR),
            self.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, _SENSOR),
        ]
        self._state = 'active'
        self._monitor.begin()
        self.get_logger().info(f"Active: waiting for images on '{self._topic('image')}'")
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; the network stays loaded."""
        self._halt()
        super().on_deactivate(state)
        self._state = 'inactive'
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the network and the publishers."""
        self._unload()
        self._state = 'unconfigured'
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End for good."""
        self._halt()
        self._unload()
        self._state = 'finalized'
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before ROS takes its publishers away."""
        self._halt()
        super().destroy_node()

    def _halt(self) -> None:
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        self._subscriptions_made = []
        if self._worker is not None:
            self._worker.stop()

    def _unload(self) -> None:
        if self._worker is not None:
            self._worker.close()
        if self._outputs is not None:
            self._outputs.destroy()
        self._worker = self._outputs = None
        self._network = {}

    # Calibration

    def _on_camera_info(self, message: CameraInfo) -> None:
        rectified = self._server.settings.image_is_rectified
        key = (
            *(message.width, message.height, message.distortion_model, rectified),
            *(message.d.tobytes(), message.k.tobytes(), message.p.tobytes()),
            *(message.binning_x, message.binning_y, message.roi.x_offset, message.roi.y_offset),
            *(message.roi.width, message.roi.height),
        )
        if key == self._info_key:
            return
        try:
            calibration, fault = camera_info_to_calibration(message, rectified), ''
        except IntrinsicsError as error:
            calibration, fault = None, f"camera_info on '{self._topic('camera_info')}': {error}"
        with self._lock:
            self._info_key, self._calibration, self._calibration_fault = key, calibration, fault
        if fault:
            self._fault('calibration', f'{fault}; pixels only')
        else:
            self.get_logger().info('Camera is calibrated: metric topics and TF are on')

    def _current_calibration(self) -> Calibration | None:
        with self._lock:
            return self._calibration

    def _watch_for_images(self) -> None:
        """Say once that no image comes, and whether anybody sends some."""
        if self._monitor.counts['received'] or 'silence' in self._monitor.faults():
            return
        if self._monitor.silence('received') > _LONG_PATIENCE:
            topic = self._topic('image')
            senders = self.count_publishers(topic)
            self._fault('silence', f"no images on '{topic}', which has {senders} publishers")

    def _watch_for_camera_info(self) -> None:
        """Say once that images come without a CameraInfo."""
        with self._lock:
            if self._info_key is not None or self._calibration_fault:
                return
            if self._monitor.since_first('received') < _PATIENCE:
                return
            topic = self._topic('camera_info')
            self._calibration_fault = f"no camera_info on '{topic}'"
        self._fault('calibration', f'{self._calibration_fault}; pixels only')

    # Insight

    def _fault(self, kind: str, text: str) -> None:
        """Remember a fault, and log it unless the same was logged a moment ago."""
        if self._monitor.fault(kind, text):
            log = self.get_logger()
            # Two calls: rclpy ties the level to the place of the call.
            if kind in _WARNINGS:
                log.warning(text)
            else:
                log.error(text)

    def _topic(self, name: str) -> str:
        return self.resolve_topic_name(name)

    def _publish_diagnostics(self) -> None:
        if self._state == 'active':
            self._watch_for_images()
            self._watch_for_camera_info()
        facts = diagnostics.NodeFacts(
            name=self.get_fully_qualified_name().lstrip('/'),
            state=self._state,
            image_topic=self._topic('image'),
            calibration=self._calibration_fault,
            network=self._network,
        )
        message = DiagnosticArray(status=diagnostics.statuses(self._monitor, facts))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _serve(node: HandmeshNode) -> None:
    node.autostart()
    executable.spin(node)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return executable.run(HandmeshNode, _serve, args)


if __name__ == '__main__':
    sys.exit(main())

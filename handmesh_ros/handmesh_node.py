"""
The node: camera images in; hands, joints, points, markers, frames and an overlay out.

A lifecycle node that configures and activates itself unless the parameter ``autostart`` says no.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import gc
import sys
import traceback
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from handmesh_model.errors import HandmeshError
from handmesh_ros import diagnostics, executable
from handmesh_ros.camera_watch import CameraWatch
from handmesh_ros.control import offer_control
from handmesh_ros.depth_stream import DepthStream
from handmesh_ros.frame_worker import Surroundings
from handmesh_ros.hand_size_service import HandSizeService
from handmesh_ros.hand_stream import HandStream, load_tracker
from handmesh_ros.latency import LatencyOutputs
from handmesh_ros.monitor import FAULT_KINDS, FaultKind, Monitor
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.ros_parameters import ParameterServer

if TYPE_CHECKING:
    from handmesh_model.tracker import HandTracker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_LOOK_PERIOD = 0.2
"""Seconds between two looks at who listens and who sends."""


class HandmeshNode(LifecycleNode):
    """
    Subscribes to `image` and `camera_info`; see the README for what it publishes.

    :param options: of ``rclpy.node.Node``, such as ``namespace``; a process can have several.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('handmesh_node', **options)
        self._state = 'unconfigured'
        self._is_enabled = True
        self._monitor = Monitor()
        self._server = ParameterServer(
            self, NodeParameters, lambda: self._state in ('inactive', 'active')
        )
        self._camera = CameraWatch(
            self,
            lambda: self._server.settings.image_is_rectified,
            self._image_topic,
            lambda text: self._fault('calibration', text),
        )
        self._depth = DepthStream(
            lambda text: self._fault('depth', text),
            lambda text: self._monitor.fault('depth', text),
        )
        self._hand_size = HandSizeService(self, self._why_no_hands)
        self._stream: HandStream | None = None
        self._network: dict[str, str] = {}
        self._latency = LatencyOutputs(self)
        offer_control(self, self._enable, self._reset_tracks)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # 0 is nobody in messages.
        self._track_ids = count(1)
        # Simulated time may stand still or jump; watching goes on.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period = self._server.settings.diagnostics_period
        self._diagnosing = self.create_timer(period, self._publish_diagnostics, clock=steady)
        self.create_timer(_LOOK_PERIOD, self._look_around, clock=steady)
        # For whoever only adds the node to an executor.
        self._starting = self.create_timer(0.0, self.autostart, clock=steady)

    def autostart(self) -> None:
        """
        Configure and activate, unless told not to; after a failure the node waits for help.

        It happens by itself when the node is first spun, unless it was called, or the node
        configured, before.
        """
        self._starting.cancel()
        if self._state != 'unconfigured':
            return
        if not self._server.settings.autostart:
            self.get_logger().info('Waiting to be configured (autostart is false)')
        elif self.trigger_configure() == SUCCESS and not executable.is_over(self):
            self.trigger_activate()

    # Life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and make the publishers."""
        try:
            self._server.check()
            self._set_pace()
            self._stream = self._make_stream()
        except HandmeshError as error:
            return self._cannot('configure', str(error))
        except Exception as error:  # rclpy would swallow it
            where = traceback.format_exc(limit=-3)
            return self._cannot('configure', f'{type(error).__name__}: {error}\n{where}')
        self._state = 'inactive'
        return SUCCESS

    def _set_pace(self) -> None:
        """Diagnose as often as the parameter says by now."""
        self._diagnosing.timer_period_ns = round(1e9 * self._server.settings.diagnostics_period)
        # The new period would else begin with the end of the old one.
        self._diagnosing.reset()

    def _make_stream(self) -> HandStream:
        tracker = self._load(0)
        try:
            return HandStream(self, tracker, self._monitor, self._surroundings())
        except BaseException:
            self._network = {}
            tracker.predictor.close()
            raise

    def _cannot(self, what: str, why: str) -> TransitionCallbackReturn:
        self._fault('parameters', f'cannot {what}: {why}')
        return FAILURE

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            settings=lambda: self._server.settings,
            calibration=self._camera.current,
            now=lambda: self.get_clock().now().nanoseconds * 1e-9,
            fault=self._fault,
            is_alive=self.context.ok,
            load=self._load,
            report=self._latency.publish,
            depth=self._depth,
            hand_size=self._hand_size,
        )

    def _load(self, attempt: int) -> HandTracker:
        settings = self._server.settings
        tracker = load_tracker(settings, attempt, self._track_ids)
        predictor = tracker.predictor
        topology = predictor.topology
        self._network = {
            'weights': str(predictor.weights),
            'device': str(predictor.device),
            'backend': f'{predictor.backend.name}, {predictor.backend.precision}',
            'mesh': f'{topology.name}, {topology.vertex_count} vertices',
        }
        if not predictor.estimator.tells_presence:
            self._network['presence'] = 'by detections alone, the network cannot tell'
        if not predictor.estimator.tells_side:
            self._network['side'] = 'as boxes or the parameter say, else right'
        if attempt:
            self._network['loaded anew'] = f'{attempt} times after failures'
        self.get_logger().info(
            'Configured: ' + ', '.join(f'{key} {value}' for key, value in self._network.items())
        )
        return tracker

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take images."""
        assert self._stream is not None
        super().on_activate(state)
        self._stream.announce()
        self._camera.open()
        if self._is_enabled and not self._start():
            self._halt()
            super().on_deactivate(state)
            return FAILURE
        self._state = 'active'
        self.get_logger().info(f"Active: waiting for images on '{self._image_topic()}'")
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

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything after a transition that raised; rclpy keeps to itself what."""
        self._fault(
            'parameters', f'a transition from {state.label} has failed: the node is unconfigured'
        )
        self._halt()
        self._unload()
        self._state = 'unconfigured'
        return SUCCESS

    def destroy_node(self) -> None:
        """Stop the worker before ROS takes its publishers away."""
        self._halt()
        super().destroy_node()

    def _start(self) -> bool:
        """Take images; whether that is possible."""
        assert self._stream is not None
        try:
            self._stream.start()
        except HandmeshError as error:
            self._cannot('take images', str(error))
            return False
        return True

    def _halt(self) -> None:
        self._camera.close()
        if self._stream is not None:
            self._stream.stop()

    def _unload(self) -> None:
        try:
            if self._stream is not None:
                self._stream.close()
        finally:
            # What fails to close is not to be met again.
            self._stream = None
            self._network = {}
        # What refers to itself in circles may hold a network, and memory is wanted back now.
        gc.collect()

    # Control

    def _enable(self, wanted: bool) -> tuple[bool, str]:
        """Take images, or no more; whether that went well, and what to tell who asked for it."""
        if self._stream is not None and self._state == 'active':
            if wanted and not self._stream.is_running and not self._start():
                return False, self._monitor.faults()['parameters'].text
            if not (wanted or self._stream.stop()):
                self._is_enabled = False
                busy = self._stream.busy_for()
                return False, f'disabled, but the image at hand is not done after {busy:.0f} s'
        self._is_enabled = wanted
        text = 'enabled' if wanted else 'disabled'
        return True, text if self._state == 'active' else f'{text}; the node is {self._state}'

    def _reset_tracks(self) -> tuple[bool, str]:
        if self._stream is None or self._state != 'active':
            return False, f'the node is {self._state}, it follows no hands'
        self._stream.forget_hands()
        return True, 'every hand is a new one from the next image on'

    def _why_no_hands(self) -> str:
        """What keeps the node from measuring hands, or ''."""
        if self._state != 'active':
            return f'the node is {self._state}, expected active'
        if not self._is_enabled:
            return 'the node is disabled, expected enabled'
        # It listens to the camera all the time, also while it takes no images.
        if self._camera.current() is None:
            return f'the camera is not calibrated: {self._camera.fault or "no camera_info yet"}'
        return ''

    def _look_around(self) -> None:
        if self._stream is not None:
            self._stream.follow_demand()
            self._camera.look(self._stream.image_frame)

    # Insight

    def _fault(self, kind: FaultKind, text: str) -> None:
        """Remember a fault, and log it unless the same was logged a moment ago."""
        if self._monitor.fault(kind, text):
            log = self.get_logger()
            # Two calls: rclpy ties the level to the place of the call.
            if FAULT_KINDS[kind].is_error:
                log.error(text)
            else:
                log.warning(text)

    def _image_topic(self) -> str:
        return self.resolve_topic_name('image') if self._stream is None else self._stream.topic

    def _idle(self) -> str:
        """Why an active node takes no images, or ''."""
        if not self._is_enabled:
            return 'disabled by the service enable'
        is_taking = self._stream is not None and self._stream.is_taking
        return '' if is_taking else 'nobody listens'

    def _publish_diagnostics(self) -> None:
        stream = self._stream
        if self._state == 'active' and stream is not None:
            stream.watch_for_images()
            self._camera.miss(self._monitor.since_first('received'))
        facts = diagnostics.NodeFacts(
            name=self.get_fully_qualified_name().lstrip('/'),
            state=self._state,
            image_topic=self._image_topic(),
            idle=self._idle() if self._state == 'active' else '',
            calibration=self._camera.fault,
            camera=self._camera.facts(),
            doubts=tuple(filter(None, (self._camera.doubt, self._depth.trouble))),
            network=self._network | ({} if stream is None else stream.network_facts()),
            busy=0.0 if stream is None else stream.busy_for(),
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

"""A frame worker on a bench: the real thread, tracker and decoding; outputs that only remember."""

import time

import numpy as np
from painted_hands import PaintedPredictor, paint
from robot import TIMEOUT, time_of
from std_msgs.msg import Header

from handmesh_model.tracker import HandTracker
from handmesh_ros.frame_worker import FrameWorker, Surroundings
from handmesh_ros.images import rgb_to_image
from handmesh_ros.monitor import Monitor
from handmesh_ros.node_parameters import NodeParameters

BOTH = paint([('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)])
FATES = ('processed', 'stale', 'unwatched', 'faulty', 'failed')
"""What can become of an image that is not dropped."""


class Outputs:
    """Keeps what would have been published."""

    def __init__(self):
        self.published = []
        self.topics = frozenset({'hands'})

    def wanted(self, settings):
        return self.topics

    def reset(self):
        pass

    def publish(self, hands, picture, wanted, settings):
        self.published.append((hands, picture))


class NoDepth:
    """Stands for the stream of depth images where none come."""

    def match(self, header, shape, tolerance, patience):
        return None


class NoMeasurement:
    """Stands for the service that measures hands, which nobody asks to."""

    is_measuring = False

    def see(self, rgb, hands, camera):
        pass


class Bench:
    """
    Serves one image at a time.

    :param make: makes the tracker; its argument counts attempts to replace one that failed.
    :param depth: stands for the stream of depth images, which else has none.
    """

    def __init__(self, make=lambda attempt: HandTracker(PaintedPredictor()), depth=None):
        self.outputs = Outputs()
        self.monitor = Monitor()
        self.faults = []
        self.reports = []
        self.settings = NodeParameters()
        self.calibration = None
        self.boxes = None
        self.worker = FrameWorker(
            make(0),
            self.outputs,
            self.monitor,
            Surroundings(
                settings=lambda: self.settings,
                calibration=lambda: self.calibration,
                now=time.time,
                fault=self.on_fault,
                is_alive=lambda: True,
                load=make,
                report=lambda *seconds: self.reports.append(seconds),
                depth=depth or NoDepth(),
                hand_size=NoMeasurement(),
            ),
            lambda stamp, width, height: self.boxes,
        )
        self.worker.start()

    def on_fault(self, kind, text):
        self.monitor.fault(kind, text)
        self.faults.append((kind, text))

    def counts(self):
        return {fate: self.monitor.counts[fate] for fate in FATES}

    def serve(self, message):
        """Offer a message and wait; returns what became of it."""
        before = self.counts()
        self.worker.offer(message)
        end = time.monotonic() + TIMEOUT
        while (now := self.counts()) == before or self.worker.busy_for():
            assert time.monotonic() < end, f'nothing became of an image; faults: {self.faults}'
            time.sleep(0.0005)
        (fate,) = [fate for fate in FATES if now[fate] > before[fate]]
        assert now[fate] == before[fate] + 1
        return fate

    def serve_good(self, stamp):
        """The hands that are published for a good image; fails if it is not served."""
        header = Header(stamp=time_of(stamp), frame_id='camera')
        before = len(self.outputs.published)
        assert self.serve(rgb_to_image(BOTH, header)) == 'processed', self.faults
        ((hands, picture),) = self.outputs.published[before:]
        assert picture.header == header
        np.testing.assert_array_equal(picture.rgb, BOTH)
        return hands

    def close(self):
        self.worker.close()

"""
A predictor without weights: painted rectangles are hands, red ones right, green ones left.

Everything but the two networks is the real thing: crops, tracker, placement. Where a rectangle is,
the mesh is the topology's template, seen from behind, fingers up, as large as the rectangle.
Tests that want the shipped weights are elsewhere.
"""

import sys
import threading
from types import SimpleNamespace

import cv2
import numpy as np
import torch

from handmesh_model import predictor
from handmesh_model.backends import Backend, NetworkResult
from handmesh_model.errors import BackendError
from handmesh_model.estimator import HandEstimator
from handmesh_model.hand import HandBox
from handmesh_model.stopwatch import Stopwatch
from handmesh_model.topology import HandTopology

SIZE = 64
COLORS = {'right': (250, 20, 20), 'left': (20, 250, 20)}
BACKGROUND = 60
POISON = (20, 20, 250)
"""A picture whose first pixel has this colour makes the network fail."""
BACK_VIEW = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Camera from wrist frame: the hand's back to the camera, fingers up."""


def paint(hands, width=160, height=120):
    """
    A picture of rectangles.

    :param hands: (side, x, y, width, height) each, pixels of its top left corner and its size.
    """
    rgb = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)
    for side, x, y, w, h in hands:
        rgb[y : y + h, x : x + w] = COLORS[side]
    return rgb


def span(profile):
    """From where to where, in fractions of pixels, a profile of coverage 0..1 is filled."""
    (full,) = np.nonzero(profile > 0.99)
    if not len(full):
        return None
    first, last = full[0], full[-1]
    return first - 0.5 - profile[:first].sum(), last + 0.5 + profile[last + 1 :].sum()


class PaintedBackend(Backend):
    name = 'painted'

    def __init__(self, topology, lixels):
        points = topology.template @ BACK_VIEW.T
        wrist = topology.template_joints[0] @ BACK_VIEW.T
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        self.flat = (points[:, :2] - (low + high) / 2) / (high - low).max()
        self.depth = points[:, 2] - wrist[2]
        self.regressor = topology.joint_regressor
        self.lixels = lixels

    def run(self, crops, refine=True):
        meshes, presence = zip(*map(self.fit, crops), strict=True)
        vertices = np.array(meshes, dtype=np.float32)
        return NetworkResult(
            vertices,
            self.regressor @ vertices,
            np.array(presence, dtype=np.float32),
            np.full(len(crops), 0.95, np.float32),
            np.full((len(crops), 21), 0.9, np.float32),
            refine,
        )

    def fit(self, crop):
        """Lixels of the mesh laid over the rectangle in a crop, and whether there is one."""
        cover = np.clip((crop.max(axis=2) - BACKGROUND) / (250.0 - BACKGROUND), 0, 1)
        spans = [span(cover.max(axis=axis)) for axis in (0, 1)]
        if None in spans:
            return np.zeros((len(self.flat), 3)), 0.0
        low, high = np.transpose(spans)
        pixels = self.flat * (high - low).max() + (low + high) / 2
        return self.lixels.to_lixels(np.column_stack([pixels, self.depth])), 0.98


class PaintedPredictor(predictor.HandMeshPredictor):
    def __init__(
        self,
        weights='auto',
        device='auto',
        backend='auto',
        max_hands=2,
        hand_size=None,
        precision='auto',
        side=None,
    ):
        self.side = side
        self.max_hands = max_hands
        self.hand_size = hand_size
        self.weights = weights
        self.device = torch.device('cpu')
        self.topology = HandTopology.open_hand()
        self.stopwatch = Stopwatch()
        config = SimpleNamespace(
            input_size=SIZE, heatmap_size=SIZE, presence=True, side=True, depth_axis='camera'
        )
        self.estimator = HandEstimator(None, config, self.stopwatch)
        self.backend = PaintedBackend(self.topology, self.estimator.lixels)
        self.estimator.backend = self.backend
        self.threads = set()

    def detect(self, rgb):
        self.threads.add(threading.get_ident())
        if tuple(rgb[0, 0]) == POISON:
            raise BackendError('the network failed on purpose')
        boxes = []
        with self.stopwatch('detect'):
            for side, color in COLORS.items():
                mask = (rgb == color).all(axis=2).astype(np.uint8)
                _, _, found, _ = cv2.connectedComponentsWithStats(mask)
                boxes += [
                    HandBox(x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5, score=0.9, side=side)
                    for x, y, w, h, area in found[1:].tolist()
                    if area > 20
                ]
        return boxes[: self.max_hands]


def main():
    """The node as a process, with this predictor in the place of the one with weights."""
    predictor.HandMeshPredictor = PaintedPredictor
    from handmesh_ros.handmesh_node import main as node_main

    return node_main()


if __name__ == '__main__':
    sys.exit(main())

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
from handmesh_model.crop import CROP_MARGIN
from handmesh_model.errors import BackendError
from handmesh_model.estimator import HandEstimator
from handmesh_model.hand import HandBox
from handmesh_model.stopwatch import Stopwatch
from handmesh_model.topology import HandTopology

SIZE = 64
COLORS = {'right': (250, 20, 20), 'left': (20, 250, 20)}
POISON = (20, 20, 250)
"""A picture whose first pixel has this colour makes the network fail."""
BACK_VIEW = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Camera from wrist frame: the hand's back to the camera, fingers up."""


def paint(hands, width=160, height=120):
    """
    A picture of rectangles.

    :param hands: (side, x, y, width, height) each, pixels of its top left corner and its size.
    """
    rgb = np.full((height, width, 3), 60, dtype=np.uint8)
    for side, x, y, w, h in hands:
        rgb[y : y + h, x : x + w] = COLORS[side]
    return rgb


class PaintedBackend(Backend):
    name = 'painted'

    def __init__(self, topology, lixels):
        points = topology.template @ BACK_VIEW.T
        wrist = topology.template_joints[0] @ BACK_VIEW.T
        depth = points[:, 2] - wrist[2]
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        scale = SIZE / CROP_MARGIN / (high - low).max()
        pixels = (points[:, :2] - (low + high) / 2) * scale + (SIZE - 1) / 2
        crop = np.column_stack([pixels, depth]).astype(np.float32)
        self.vertices = lixels.to_lixels(crop)
        self.joints = topology.joint_regressor @ self.vertices

    def run(self, crops):
        middle = crops[:, SIZE // 2, SIZE // 2].astype(int)
        present = (middle.max(axis=1) > 200).astype(np.float32)
        count = len(crops)
        return NetworkResult(
            np.repeat(self.vertices[None], count, axis=0),
            np.repeat(self.joints[None], count, axis=0),
            0.98 * present,
            np.full(count, 0.95, np.float32),
            np.full((count, 21), 0.9, np.float32),
        )


class PaintedPredictor(predictor.HandMeshPredictor):
    def __init__(self, weights='open', device='auto', backend='auto', max_hands=2, hand_size=None):
        self.max_hands = max_hands
        self.hand_size = hand_size
        self.device = torch.device('cpu')
        self.topology = HandTopology.open_hand()
        self.stopwatch = Stopwatch()
        config = SimpleNamespace(input_size=SIZE, heatmap_size=SIZE)
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

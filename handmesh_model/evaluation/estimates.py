"""Running a network on hands whose places in the pictures are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from handmesh_model.backends.exact_float32 import exact_float32
from handmesh_model.crop import Crop, apply_affine, crop_hands
from handmesh_model.estimator import Estimate
from handmesh_model.hand import Hand, HandBox
from handmesh_model.hand_placing import place_estimate
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.lixels import LixelScale
from handmesh_model.network import HandMeshNet, StageOutputs
from handmesh_model.placement import has_metric_depth
from handmesh_model.view import View


@dataclass(frozen=True, eq=False)
class Query:
    """
    A hand to estimate whose place in the picture is known.

    :param load: gives the picture, (H, W, 3) uint8 RGB.
    :param box: around the hand's vertices, with its side.
    :param intrinsics: (3, 3), if known.
    :param hand_size: metres from wrist to middle knuckle, if known.
    """

    load: Callable[[], np.ndarray]
    box: HandBox
    intrinsics: np.ndarray | None = None
    hand_size: float | None = None


class NetworkRunner:
    """
    A network as something that estimates hands, a batch at a time, on the device it lies on.

    :param net: left in the mode (training or not) that it was in.
    :param metric_depth: whether the network's depth is in metres, as of networks trained on
        datasets of real hands; else it is for a hand of the topology's size. None decides by the
        topology, see :func:`handmesh_model.placement.has_metric_depth`.
    :param batch_size: crops in one forward pass.
    """

    def __init__(
        self, net: HandMeshNet, metric_depth: bool | None = None, batch_size: int = 32
    ) -> None:
        self.net = net
        self.batch_size = batch_size
        if metric_depth is None:
            metric_depth = has_metric_depth(net.topology)
        self.metric_depth = metric_depth
        self._scale = LixelScale(net.config.input_size, net.config.heatmap_size)

    def estimate(self, queries: Sequence[Query]) -> Iterator[Hand]:
        """
        Estimate hands.

        :returns: one hand a query, in order.
        """
        size = self.net.config.input_size
        for start in range(0, len(queries), self.batch_size):
            part = queries[start : start + self.batch_size]
            crops = [crop_hands(query.load(), [query.box], size) for query in part]
            outputs = self._forward(np.concatenate([crop.images for crop in crops]))
            for i, (query, crop) in enumerate(zip(part, crops, strict=True)):
                yield self._hand(outputs, i, query, crop)

    def _forward(self, images: np.ndarray) -> StageOutputs:
        device = next(self.net.parameters()).device
        batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
        with _evaluating(self.net), torch.no_grad(), exact_float32(device):
            return self.net(batch)

    def _hand(self, outputs: StageOutputs, i: int, query: Query, crop: Crop) -> Hand:
        joints = self._in_image(outputs.joints[i], crop)
        vertices = self._in_image(outputs.vertices[i], crop)
        confidence = np.ones(JOINT_COUNT)
        if outputs.confidence is not None:
            confidence = outputs.confidence[i].double().cpu().numpy()
        presence = 1.0 if outputs.presence is None else float(outputs.presence[i].sigmoid())
        estimate = Estimate(
            source=query.box,
            presence=presence,
            # Whatever the network thinks of the side, it is known.
            side_agreement=1.0,
            joints_image=joints[:, :2],
            joints_depth=joints[:, 2],
            vertices_image=vertices[:, :2],
            vertices_depth=vertices[:, 2],
            confidence=confidence,
        )
        return place_estimate(
            estimate,
            View(query.intrinsics),
            topology=self.net.topology,
            metric_depth=self.metric_depth,
            depth_axis=self.net.config.depth_axis,
            hand_size=query.hand_size,
        )

    def _in_image(self, lixels: torch.Tensor, crop: Crop) -> np.ndarray:
        """(N, 3): pixels of the picture, and metres relative to the wrist."""
        points = self._scale.from_lixels(lixels.double().cpu().numpy())
        points[:, :2] = apply_affine(crop.image_from_crop[0], points[:, :2])
        return points


@contextmanager
def _evaluating(net: torch.nn.Module) -> Iterator[None]:
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was_training)

"""What a network or a predictor says of one hand, in the image's frame and the camera's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from handmesh_model.camera import place_in_camera
from handmesh_model.crop import Crop, apply_affine, crop_hands
from handmesh_model.hand import HandBox, Side
from handmesh_model.network import HandMeshNet, StageOutputs
from handmesh_model.training.targets import LixelScale


@dataclass(frozen=True, eq=False)
class Estimate:
    """
    One estimated hand.

    :param joints_image: (21, 2) pixels.
    :param joints_camera: (21, 3) metres, absolute with intrinsics, else relative to the wrist.
    :param vertices_image: (V, 2) pixels.
    :param vertices_camera: (V, 3) metres, as the joints.
    :param joints_confidence: (21,) 0..1, or None.
    """

    joints_image: np.ndarray
    joints_camera: np.ndarray
    vertices_image: np.ndarray
    vertices_camera: np.ndarray
    joints_confidence: np.ndarray | None = None


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


def estimate_hands(
    net: HandMeshNet, queries: Sequence[Query], batch_size: int = 32
) -> Iterator[Estimate]:
    """
    Run a network on hands whose boxes are given, a batch at a time, on the device it lies on.

    :param net: left in the mode (training or not) that it was in.
    :param queries: the hands.
    :param batch_size: crops in one forward pass.
    :returns: one estimate a query, in order.
    """
    size = net.config.input_size
    scale = LixelScale(size, net.config.heatmap_size)
    for start in range(0, len(queries), batch_size):
        part = queries[start : start + batch_size]
        crops = [crop_hands(query.load(), [query.box], size) for query in part]
        outputs = _forward(net, np.concatenate([crop.images for crop in crops]))
        for i, (query, crop) in enumerate(zip(part, crops, strict=True)):
            yield _estimate(net, scale, outputs, i, query, crop)


def _forward(net: HandMeshNet, images: np.ndarray) -> StageOutputs:
    device = next(net.parameters()).device
    batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    with _evaluating(net), torch.no_grad():
        return net(batch)


def _estimate(
    net: HandMeshNet, scale: LixelScale, outputs: StageOutputs, i: int, query: Query, crop: Crop
) -> Estimate:
    def in_image(lixels: torch.Tensor) -> np.ndarray:
        points = scale.from_lixels(lixels[i].double().cpu().numpy())
        points[:, :2] = apply_affine(crop.image_from_crop[0], points[:, :2])
        return points

    joints, vertices = in_image(outputs.joints), in_image(outputs.vertices)
    confidence = None
    if outputs.confidence is not None:
        confidence = outputs.confidence[i].double().cpu().numpy()
    side: Side = query.box.side or 'right'
    placed = place_in_camera(
        joints[:, :2],
        joints[:, 2],
        vertices[:, :2],
        vertices[:, 2],
        side=side,
        topology=net.topology,
        intrinsics=query.intrinsics,
        hand_size=query.hand_size,
        confidence=confidence,
    )
    return Estimate(
        joints[:, :2], placed.joints_camera, vertices[:, :2], placed.vertices_camera, confidence
    )


@contextmanager
def _evaluating(net: torch.nn.Module) -> Iterator[None]:
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was_training)

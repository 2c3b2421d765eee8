"""A picture on the device that computes on it: uploaded once, however often it is looked at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from handmesh_model.shrinking import blocks_of


class DeviceImage:
    """
    A picture, and its copies on devices, made when they are first asked for.

    :param rgb: (H, W, 3) uint8; not to be changed while this is in use.
    """

    def __init__(self, rgb: np.ndarray) -> None:
        self.rgb = rgb
        self._copies: dict[torch.device, Tensor] = {}

    def on(self, device: torch.device) -> Tensor:
        """(H, W, 3) uint8 on a device."""
        if device not in self._copies:
            # Out of page-locked memory the upload goes on beside the host's work.
            on_cuda = device.type == 'cuda'
            host = torch.empty(self.rgb.shape, dtype=torch.uint8, pin_memory=on_cuda)
            # By numpy, which reads the read-only views that messages come as without a word.
            host.numpy()[...] = self.rgb
            self._copies[device] = host.to(device, non_blocking=True)
        return self._copies[device]


def crop_on_device(image: Tensor, image_from_crop: np.ndarray, size: int) -> Tensor:
    """
    What :func:`handmesh_model.crop.crop_hands` cuts, computed where the image lies.

    Where crops are smaller than what they show, the image is first averaged over blocks of whole
    pixels, once for all crops of about the same scale.

    :param image: (H, W, 3) uint8.
    :param image_from_crop: (N, 2, 3) axis-aligned affines from crop to image pixels.
    :param size: side S of the crops.
    :returns: (N, S, S, 3) uint8, black outside the picture.
    """
    planes = image.permute(2, 0, 1)[None].float()
    sides = np.array([blocks_of(scale) for scale in image_from_crop[:, 1, 1]])
    shape = (len(sides), size, size, 3)
    crops = torch.empty(shape, dtype=torch.uint8, device=image.device)
    for side in np.unique(sides).tolist():
        chosen = np.flatnonzero(sides == side)
        affines = image_from_crop[chosen].copy()
        # Block k has its centre at pixel k * side + (side - 1) / 2.
        affines[:, :, 2] -= (side - 1) / 2
        part = _sampled(_block_means(planes, side), affines / side, size)
        crops[torch.from_numpy(chosen).to(image.device)] = part
    return crops


def _block_means(planes: Tensor, side: int) -> Tensor:
    """(1, 3, H, W) averaged over blocks of ``side`` squared pixels; black beyond the border."""
    if side == 1:
        return planes
    height, width = planes.shape[2:]
    padded = F.pad(planes, (0, -width % side, 0, -height % side))
    return F.avg_pool2d(padded, side)


def _sampled(planes: Tensor, affines: np.ndarray, size: int) -> Tensor:
    """(n, S, S, 3) uint8 crops of (1, 3, H, W), interpolated linearly."""
    height, width = planes.shape[2:]
    steps = np.arange(size)
    x = affines[:, 0, :1] * steps + affines[:, 0, 2:]
    y = affines[:, 1, 1:2] * steps + affines[:, 1, 2:]
    # grid_sample's -1 and 1 are the picture's outer edges, half a pixel from the outer centres.
    columns = torch.from_numpy((2 * x + 1) / width - 1).float().to(planes.device)
    rows = torch.from_numpy((2 * y + 1) / height - 1).float().to(planes.device)
    shape = (len(affines), size, size)
    grid = torch.stack([columns[:, None].expand(shape), rows[:, :, None].expand(shape)], dim=-1)
    # All crops below each other: one picture, one call.
    below = grid.reshape(1, len(affines) * size, size, 2)
    sampled = F.grid_sample(planes, below, align_corners=False)
    return sampled[0].view(3, *shape).permute(1, 2, 3, 0).round().to(torch.uint8)


def resized_on_device(image: Tensor, height: int, width: int) -> Tensor:
    """
    A picture scaled down by averaging, or up linearly.

    :param image: (H, W, 3) uint8.
    :returns: (height, width, 3) uint8 on the same device.
    """
    planes = image.permute(2, 0, 1)[None].float()
    if height < image.shape[0]:
        planes = F.interpolate(planes, (height, width), mode='area')
    else:
        planes = F.interpolate(planes, (height, width), mode='bilinear', align_corners=False)
    return planes[0].permute(1, 2, 0).round().to(torch.uint8)

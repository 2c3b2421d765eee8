"""
The variation of :mod:`handmesh_model.training.augmentation` for whole batches on a device.

Ranges and probabilities are the same and come from the same configuration; the random numbers are
torch's, and colours are rounded once, at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from handmesh_model.crop import IGNORED_PIXEL
from handmesh_model.training.augmentation import LUMA, NOISE_LEVELS
from handmesh_model.training.config import AugmentationConfig

Batch = dict[str, Tensor]
_REACH = 2
"""Pixels that the blur reaches to each side."""


class DeviceAugmenter:
    """
    Makes varied copies of crop samples, a batch at a time.

    :param config: how much to vary.
    :param size: pixels of the network's input.
    :param generator: random numbers, on the device of the samples.
    """

    def __init__(self, config: AugmentationConfig, size: int, generator: torch.Generator) -> None:
        self.config = config
        self.size = size
        self.generator = generator
        self.device = generator.device
        luma = torch.tensor(LUMA, dtype=torch.float32, device=self.device)
        self._grey = luma.expand(3, 3)
        self._identity = torch.eye(3, device=self.device)

    def vary(self, samples: Batch) -> Batch:
        """
        One variation of each sample.

        :param samples: ``image`` (B, T, T, 3) uint8, ``mask`` (B, T/2, T/2) uint8, ``vertices``
            (B, V, 3) and ``joints`` (B, 21, 3) with x, y in crop pixels, ``mesh_valid``,
            ``presence`` and ``side`` (B,).
        :returns: the same of the input's size, all new tensors.
        """
        affine = self._affine(*samples['image'].shape[:2])
        pixels = samples['image'].permute(0, 3, 1, 2).float()
        image = self._photometric(self._warped(pixels, affine))
        varied = {
            'image': image.round_().clamp_(0, 255).to(torch.uint8),
            'mask': warp_masks(samples['mask'], affine, self.size // 2),
            **{key: transform_points(samples[key], affine) for key in ('vertices', 'joints')},
            **{key: samples[key].clone() for key in ('presence', 'side')},
            'mesh_valid': samples['mesh_valid'].bool(),
        }
        mirror_rows(varied, self._uniform(len(image)) < self.config.mirror)
        varied['image'] = varied['image'].permute(0, 2, 3, 1).contiguous()
        return varied

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.device)

    def _spread(self, *shape: int) -> Tensor:
        """Uniform in -1..1."""
        return self._uniform(*shape) * 2 - 1

    def _affine(self, count: int, source_size: int) -> Tensor:
        """(B, 2, 3) pixels of the samples to pixels of the batch's crops."""
        config, u = self.config, self._spread(4, count)
        zoom = self.size / source_size * torch.exp(u[0] * config.scale)
        angle = u[1] * config.rotation
        cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
        linear = torch.stack([cos, -sin, sin, cos], dim=-1).view(count, 2, 2)
        middle_in, middle_out = (source_size - 1) / 2, (self.size - 1) / 2
        shift = u[2:].T * (config.shift * self.size)
        offset = middle_out + shift - linear.sum(dim=2) * middle_in
        return torch.cat([linear, offset[..., None]], dim=2)

    def _warped(self, image: Tensor, affine: Tensor) -> Tensor:
        """Pictures (B, 3, T, T) warped to (B, 3, S, S); what is beyond them is made up."""
        last = image.shape[-1] - 1
        source = _sources(affine, self.size)
        # As the CPU's four borders: reflected twice as often as black or stretched.
        border = torch.randint(4, (len(image),), generator=self.generator, device=self.device)
        reflected = last - (last - source.abs()).abs()
        source = torch.where((border < 2)[:, None, None, None], reflected, source)
        black = (border == 2)[:, None, None] & ((source < 0) | (source > last)).any(dim=-1)
        warped = functional.grid_sample(
            image, source * (2 / last) - 1, padding_mode='border', align_corners=True
        )
        return warped.masked_fill_(black[:, None], 0.0)

    def _photometric(self, image: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), grey levels, in other light and colours, noisy, partly erased."""
        config, count = self.config, len(image)
        u, chance = self._spread(8, count), self._uniform(3, count)
        if config.blur:
            sigma = torch.where(chance[0] < 0.5, u[7].abs() * config.blur + 0.05, 0.01)
            image = _blurred(image, sigma)
        saturation = 1 + u[0] * config.saturation
        saturation = torch.where(chance[1] < config.grey, 0.0, saturation)[:, None, None]
        gains = torch.exp(u[1] * config.gain + u[2:5] * config.white_balance).T
        matrix = saturation * self._identity + (1 - saturation) * self._grey
        image = torch.einsum('bij,bjhw->bihw', gains[..., None] * matrix, image)
        image = image + (u[5] * config.brightness)[:, None, None, None]
        if config.gamma:
            exponent = torch.exp(u[6] * config.gamma)[:, None, None, None]
            image = image.clamp(0, 255).div_(255).pow(exponent).mul_(255)
        if config.noise:
            level = torch.randint(
                1, NOISE_LEVELS + 1, (count,), generator=self.generator, device=self.device
            )
            sigma = torch.where(chance[2] < 0.7, level * (config.noise / NOISE_LEVELS), 0.0)
            noise = torch.randn(image.shape, generator=self.generator, device=self.device)
            image = torch.addcmul(image, noise, sigma[:, None, None, None])
        return self._erased(image)

    def _erased(self, image: Tensor) -> Tensor:
        """Some pictures get a rectangle of one colour, which may reach beyond them."""
        count, size = len(image), self.size
        sides = size / 12 + self._uniform(count, 2) * (size / 3 - size / 12)
        low = self._uniform(count, 2) * size - sides / 2
        at = torch.arange(size, device=self.device)
        covered = (at >= low[..., None]) & (at <= (low + sides)[..., None])
        covered &= (self._uniform(count) < self.config.erase)[:, None, None]
        rectangle = covered[:, 0, :, None] & covered[:, 1, None, :]
        color = self._uniform(count, 3) * 255
        return torch.where(rectangle[:, None], color[..., None, None], image)


def transform_points(points: Tensor, affine: Tensor) -> Tensor:
    """
    Move labels with the picture.

    :param points: (B, N, 3) x, y pixels and depth.
    :param affine: (B, 2, 3) pixels to pixels.
    :returns: (B, N, 3), depth as it was.
    """
    moved = points[..., :2] @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2]
    return torch.cat([moved, points[..., 2:]], dim=2)


def warp_masks(masks: Tensor, affine: Tensor, size: int) -> Tensor:
    """
    Move masks of half the pictures' resolution with the pictures.

    Pixel m of a mask lies at 2 m + 0.5 of the picture.

    :param masks: (B, h, h) uint8.
    :param affine: (B, 2, 3) picture pixels to picture pixels.
    :param size: side of the result.
    :returns: (B, size, size) uint8; what comes from outside is to be ignored.
    """
    linear, offset = affine[:, :, :2], affine[:, :, 2]
    half = torch.cat([linear, ((linear.sum(dim=2) - 1) / 2 + offset)[..., None] / 2], dim=2)
    last = masks.shape[-1] - 1
    source = _sources(half, size).round().long()
    outside = ((source < 0) | (source > last)).any(dim=-1)
    x, y = source.clamp(0, last).unbind(dim=-1)
    flat = (y * masks.shape[-1] + x).flatten(1)
    moved = masks.flatten(1).gather(1, flat).view(-1, size, size)
    return moved.masked_fill_(outside, IGNORED_PIXEL)


def mirror_rows(batch: Batch, chosen: Tensor) -> None:
    """
    Turn some samples into their mirror images, as
    :func:`handmesh_model.training.augmentation.mirror` does.

    :param batch: ``image`` (B, 3, S, S); labels in crop pixels.
    :param chosen: (B,) bool.
    """
    last = batch['image'].shape[-1] - 1
    for key in ('image', 'mask'):
        rows = chosen.view(-1, *[1] * (batch[key].ndim - 1))
        batch[key] = torch.where(rows, batch[key].flip(-1), batch[key])
    for key in ('vertices', 'joints'):
        x = batch[key][..., 0]
        batch[key][..., 0] = torch.where(chosen[:, None], last - x, x)
    side = batch['side']
    sided = chosen & (side >= 0)
    becomes_valid = (side == 0) & _are_meshes(batch['vertices'], batch['joints'])
    batch['mesh_valid'] = torch.where(sided, becomes_valid, batch['mesh_valid'])
    batch['side'] = torch.where(sided, 1 - side, side)


def _are_meshes(vertices: Tensor, joints: Tensor) -> Tensor:
    """(B,) bool, see :func:`handmesh_model.training.augmentation.is_mesh`."""
    known = vertices.isfinite().all(-1).all(-1) & joints.isfinite().all(-1).all(-1)
    return known & (vertices != vertices[:, :1]).any(-1).any(-1)


def _sources(affine: Tensor, size: int) -> Tensor:
    """(B, size, size, 2) where each pixel of the result comes from."""
    inverse = torch.linalg.inv_ex(affine[:, :, :2])[0]
    at = torch.arange(size, dtype=torch.float32, device=affine.device)
    pixels = torch.stack(torch.meshgrid(at, at, indexing='xy'), dim=-1).view(1, -1, 2)
    source = (pixels - affine[:, None, :, 2]) @ inverse.transpose(1, 2)
    return source.view(-1, size, size, 2)


def _blurred(image: Tensor, sigma: Tensor) -> Tensor:
    """Each picture (B, 3, S, S) by a Gaussian of its own width (B,), pixels."""
    offsets = torch.arange(-_REACH, _REACH + 1, device=image.device)
    taps = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    taps = (taps / taps.sum(dim=1, keepdim=True)).T[..., None, None, None]
    height, width = image.shape[-2:]
    padded = functional.pad(image, (_REACH, _REACH, _REACH, _REACH), mode='reflect')
    rows = sum(taps[i] * padded[:, :, i : i + height] for i in range(len(offsets)))
    return sum(taps[i] * rows[..., i : i + width] for i in range(len(offsets)))  # type: ignore[index,misc,return-value]

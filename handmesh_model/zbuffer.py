"""Which face of a mesh is seen in each pixel: a batched z-buffer in plain PyTorch, any device."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

NOTHING = -1
MAX_CANDIDATES = 1 << 23
"""Pixels tested against faces at one time; bounds memory when a mesh is blown up."""
# A pixel centre on the edge between two faces must not fall through the gap of rounding errors.
TOLERANCE = 1e-5
SMALLEST_AREA = 1e-9
DEPTH_LEVELS = 1 << 30


@torch.no_grad()
def visible_faces(vertices: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """
    Find the nearest face at each pixel centre; both sides of a face are visible.

    :param vertices: (B, V, 3), x and y in pixels (centres at integers), z growing with distance.
    :param faces: (F, 3) vertex numbers.
    :param height: of the picture, pixels.
    :param width: of the picture, pixels.
    :returns: (B, height, width) int64 face numbers, -1 where there is none.
    """
    points = vertices.detach().float().index_select(1, faces.flatten())
    corners = points.view(-1, 3, 3)
    batch_size, face_count = vertices.shape[0], len(faces)
    pixel_count = batch_size * height * width
    planes, usable = _planes(corners)
    limit = corners.new_tensor([width - 1, height - 1])
    # Comparisons with NaN are false, so that faces with NaN are left out by ``usable``.
    low = corners[..., :2].amin(dim=1).nan_to_num().clamp(min=0).minimum(limit + 1).ceil().long()
    high = corners[..., :2].amax(dim=1).nan_to_num().clamp(min=-1).minimum(limit).floor().long()
    extent = (high - low + 1).clamp(min=0)
    counts = torch.where(usable, extent[:, 0] * extent[:, 1], 0)
    rows = counts.nonzero().squeeze(1)
    counts = counts[rows]
    nearest = torch.full((pixel_count,), torch.iinfo(torch.int64).max, device=vertices.device)
    z_low, z_high = _depth_limits(corners, usable)
    for part in _chunks(counts):
        face_row = rows[part].repeat_interleave(counts[part])
        place = within_runs(counts[part])
        first, columns = low.index_select(0, face_row), extent[:, 0].index_select(0, face_row)
        x, y = first[:, 0] + place % columns, first[:, 1] + place // columns
        inside, z = _test(planes.index_select(0, face_row), x, y)
        hits = inside.nonzero().squeeze(1)
        face_row, x, y, z = (values.index_select(0, hits) for values in (face_row, x, y, z))
        pixel = (face_row // face_count * height + y) * width + x
        level = ((z - z_low) / (z_high - z_low)).clamp(0, 1).mul(DEPTH_LEVELS).long()
        key = level * face_count + face_row % face_count
        nearest.scatter_reduce_(0, pixel, key, 'amin')
    seen = nearest != torch.iinfo(torch.int64).max
    found = torch.where(seen, nearest % face_count, NOTHING)
    return found.view(batch_size, height, width)


def within_runs(counts: Tensor) -> Tensor:
    """
    Number the elements of consecutive runs from 0.

    :param counts: (N,) int64 length of each run.
    :returns: (sum of counts,) 0, 1, ... counts[0] - 1, 0, 1, ...
    """
    ends = counts.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    return torch.arange(total, device=counts.device) - (ends - counts).repeat_interleave(counts)


def _planes(corners: Tensor) -> tuple[Tensor, Tensor]:
    """
    Linear functions on each face.

    :param corners: (N, 3, 3).
    :returns: (N, 9): x, y of corner 0; how the barycentric weights of corners 1 and 2 grow with x
        and y; depth of corner 0 and what those weights add to it; and (N,) bool, faces that have
        an area.
    """
    origin, first, second = corners.unbind(1)
    u, v = first - origin, second - origin
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    usable = (area.abs() > SMALLEST_AREA) & area.isfinite()
    inverse = 1 / torch.where(usable, area, 1.0)
    columns = [origin[:, 0], origin[:, 1], v[:, 1], -v[:, 0], -u[:, 1], u[:, 0]]
    scaled = torch.stack(columns, dim=1)
    scaled[:, 2:] *= inverse[:, None]
    return torch.cat([scaled, origin[:, 2:], u[:, 2:], v[:, 2:]], dim=1), usable


def _test(planes: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Whether pixels lie in their faces (N,), and the faces' depth there (N,)."""
    dx, dy = x - planes[:, 0], y - planes[:, 1]
    first = planes[:, 2] * dx + planes[:, 3] * dy
    second = planes[:, 4] * dx + planes[:, 5] * dy
    inside = (first >= -TOLERANCE) & (second >= -TOLERANCE) & (first + second <= 1 + TOLERANCE)
    return inside, planes[:, 6] + first * planes[:, 7] + second * planes[:, 8]


def _depth_limits(corners: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    z = torch.where(usable[:, None], corners[..., 2], 0.0)
    low, high = z.amin(), z.amax()
    return low, torch.maximum(high, low + 1e-6)


def _chunks(counts: Tensor) -> list[slice]:
    """Slices of runs with some MAX_CANDIDATES elements each (a longer run has its own)."""
    ends = counts.cumsum(0)
    if not len(ends) or int(ends[-1]) <= MAX_CANDIDATES:
        return [slice(0, len(counts))]
    group = (ends - 1) // MAX_CANDIDATES
    bounds = [0, *((group[1:] != group[:-1]).nonzero().squeeze(1) + 1).tolist(), len(counts)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]

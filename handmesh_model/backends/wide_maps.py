"""Sampling of large feature maps where they lie, for OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np

WIDE = 2**18
"""
Numbers in a map from which sampling it by regions pays. For ``GridSample`` OpenVINO first turns a
map from channels last to channels first: 6.9 ms for the paper's 64 channels of 128 x 128, where
80 ms are all of the network; next to nothing for the maps of the open networks.
"""


def sample_wide_maps(model: Any) -> int:
    """
    Let ``ROIAlign`` sample wide maps, which takes them channels last, in place.

    It looks at each point as at a region of one pixel, and takes what lies within a pixel of a
    map's border for the border itself; a factor brings back the zeros beyond.

    :param model: ``openvino.Model`` for one crop, static shapes; bilinear ``GridSample`` with
        zeros as padding and corners that are not aligned.
    :returns: how many maps are sampled so.
    """
    nodes = [n for n in model.get_ordered_ops() if n.get_type_name() == 'GridSample']
    wide = [n for n in nodes if np.prod(n.input_value(0).get_shape()) >= WIDE]
    for node in wide:
        sampled = _by_regions(node.input_value(0), node.input_value(1))
        for user in node.output(0).get_target_inputs():
            user.replace_source_output(sampled)
    model.validate_nodes_and_infer_types()
    return len(wide)


def _by_regions(feature_map: Any, grid: Any) -> Any:
    """
    :param feature_map: (1, C, H, W).
    :param grid: (1, V, 1, 2) x and y, -1 and 1 at the outer edges of the map.
    :returns: (1, C, V, 1).
    """
    import openvino.opset13 as ops

    def numbers(values: Any) -> Any:
        return ops.constant(np.asarray(values, dtype=np.float32))

    def shape(*values: int) -> Any:
        return ops.constant(np.asarray(values, dtype=np.int64))

    _, channels, height, width = feature_map.get_shape()
    count = grid.get_shape()[1]
    size = np.array([width, height], dtype=np.float32)
    points = ops.reshape(grid, shape(count, 2), special_zero=False)
    edges = ops.multiply(ops.add(points, numbers(1)), numbers(size / 2))
    half = numbers(0.5)
    # Where pixels have whole coordinates, so that a region's middle is the point itself.
    middle = ops.subtract(edges, half)
    regions = ops.concat([ops.subtract(middle, half), ops.add(middle, half)], 1)
    of_first = ops.constant(np.zeros(count, dtype=np.int32))
    sampled = ops.roi_align(
        feature_map, regions, of_first, 1, 1, 1, 1.0, 'avg', aligned_mode='half_pixel'
    )
    # 1 inside, going down to 0 over the last pixel outside.
    beside = ops.add(edges, half)
    beyond = ops.subtract(numbers(size + 0.5), edges)
    inside = ops.reduce_prod(ops.clamp(ops.minimum(beside, beyond), 0.0, 1.0), shape(1), True)
    rows = ops.multiply(ops.reshape(sampled, shape(count, channels), special_zero=False), inside)
    columns = ops.transpose(rows, shape(1, 0))
    return ops.reshape(columns, shape(1, channels, count, 1), special_zero=False).output(0)

"""How boxes around hands relate to each other."""

from __future__ import annotations

from handmesh_model.hand import HandBox


def intersection_over_union(a: HandBox, b: HandBox) -> float:
    """Area that two boxes share, over the area that they cover; 0..1."""
    width = min(a.x_max, b.x_max) - max(a.x_min, b.x_min)
    height = min(a.y_max, b.y_max) - max(a.y_min, b.y_min)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)

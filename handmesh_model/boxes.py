"""How boxes around hands relate to each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handmesh_model.hand import HandBox


def intersection_over_union(a: HandBox, b: HandBox) -> float:
    """Area that two boxes share, over the area that they cover; 0..1."""
    width = min(a.x_max, b.x_max) - max(a.x_min, b.x_min)
    height = min(a.y_max, b.y_max) - max(a.y_min, b.y_min)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)


def scaled(box: HandBox, factor: float) -> HandBox:
    """The box, larger or smaller about its middle."""
    x, y = box.center
    width, height = box.width * factor / 2, box.height * factor / 2
    return replace(box, x_min=x - width, x_max=x + width, y_min=y - height, y_max=y + height)


def is_near(a: HandBox, b: HandBox) -> bool:
    """Whether a hand could have gone from one box to the other in a moment."""
    distance = np.hypot(*np.subtract(a.center, b.center))
    return bool(distance < 1.5 * max(a.longer_side, b.longer_side))

"""Curves and pictures that show how an evaluation went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.hand import Hand
from handmesh_model.joints import BONES
from handmesh_model.output_files import write_picture
from handmesh_model.topology import HandTopology
from handmesh_model.visualization import DrawingStyle, contact_sheet, draw_hands

WORST = 12
"""Pictures on a contact sheet."""
_CELL = 320
_REFERENCE_COLOR = (255, 255, 255)
_STYLE = DrawingStyle(mesh_opacity=0.45, axes=False, labels=False)


def plot_pck(
    path: Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], unit: str
) -> None:
    """
    Draw PCK curves into a PNG.

    :param curves: name -> thresholds, shares 0..1, area under the curve.
    :param unit: what the thresholds are, for the axis.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, (thresholds, share, area) in curves.items():
        axes.plot(thresholds, share, label=f'{name} (AUC {area:.3f})')
    axes.set(xlabel=unit, ylabel='share of points within', ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc='lower right')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def draw_worst(
    path: Path,
    errors: Sequence[float],
    draw: Callable[[int], np.ndarray],
    count: int = WORST,
) -> list[int]:
    """
    Draw the samples with the greatest errors into one PNG, worst first.

    :param errors: one a sample; infinite for a hand that was not found, NaN for none to be shown.
    :param draw: gives the picture of a sample, (H, W, 3) uint8 RGB.
    :param count: samples at most.
    :returns: which samples were drawn.
    """
    ranked = [int(i) for i in np.argsort(-np.asarray(errors)) if not np.isnan(errors[i])]
    chosen = ranked[:count]
    if chosen:
        sheet = contact_sheet([draw(i) for i in chosen], columns=4, cell=_CELL)
        write_picture(path, sheet)
    return chosen


def overlay(
    rgb: np.ndarray,
    hand: Hand | None,
    topology: HandTopology,
    reference: np.ndarray | None,
    caption: str,
    intrinsics: np.ndarray | None = None,
) -> np.ndarray:
    """
    A picture with the estimated hand in colours and the reference joints in white.

    :param rgb: (H, W, 3) uint8.
    :param hand: None if it was not found.
    :param reference: (21, 2) pixels, NaN where there is none; or None.
    :param caption: a line in the corner.
    :returns: (H', W', 3) uint8, enlarged if the picture is small.
    """
    canvas = draw_hands(rgb, [hand] if hand is not None else [], topology, intrinsics, _STYLE)
    zoom = max(1, round(_CELL / max(canvas.shape[:2])))
    canvas = cv2.resize(canvas, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    if reference is not None:
        points = (reference + 0.5) * zoom - 0.5
        for bone in BONES:
            ends = points[list(bone)]
            if np.isfinite(ends).all():
                start, end = np.round(ends).astype(int).tolist()
                cv2.line(canvas, start, end, _REFERENCE_COLOR, 1, cv2.LINE_AA)
        for point in points[np.isfinite(points).all(axis=1)]:
            cv2.circle(canvas, np.round(point).astype(int).tolist(), 2, _REFERENCE_COLOR, -1)
    return _captioned(canvas, caption)


def _captioned(canvas: np.ndarray, caption: str) -> np.ndarray:
    origin, font = (5, canvas.shape[0] - 7), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, caption, origin, font, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, caption, origin, font, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas

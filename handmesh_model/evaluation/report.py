"""Figures as a table to print and as JSON to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handmesh_model.output_files import write_json

TITLES = {
    'count': 'hands',
    'found': 'found',
    'side': 'side right',
    'error_2d': '2D error / box',
    'pck_05': 'PCK@0.05',
    'pck_05_all': 'PCK@0.05, all',
    'iou': 'IoU',
    'mpjpe_mm': 'MPJPE mm',
    'pa_mpjpe_mm': 'PA-MPJPE mm',
    'mpvpe_mm': 'MPVPE mm',
    'pa_mpvpe_mm': 'PA-MPVPE mm',
    'joint_auc_0_50': 'joint AUC 0-50',
    'joint_auc_20_50': 'joint AUC 20-50',
    'pa_joint_auc_0_50': 'PA joint AUC 0-50',
    'pa_joint_auc_20_50': 'PA joint AUC 20-50',
    'vertex_auc_0_50': 'vertex AUC 0-50',
    'vertex_auc_20_50': 'vertex AUC 20-50',
    'pa_vertex_auc_0_50': 'PA vertex AUC 0-50',
    'pa_vertex_auc_20_50': 'PA vertex AUC 20-50',
    'f_5': 'F@5',
    'f_15': 'F@15',
    'pa_f_5': 'PA F@5',
    'pa_f_15': 'PA F@15',
    'tip_auc_20_50': 'tip AUC 20-50',
    'tip_error_mm': 'tip error mm',
    'hand_miou': 'hand mIoU',
    'hand_hausdorff_px': 'hand Hausdorff px',
    'finger_miou': 'finger mIoU',
    'finger_hausdorff_px': 'finger Hausdorff px',
}
"""What figures are called in tables; others go by their own names."""
RESULTS = 'results.json'
"""What evaluations call the file of their figures."""
PICTURES = ('pck.png', 'worst.png', 'worst_labelled.png', 'worst_clip.png', 'false_hands.png')
"""All that evaluations draw beside it, each some of them."""
SHARES = ('found', 'side')
"""Printed as per cent."""


def format_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """
    Lay figures out as a Markdown table, one line a row, one column a figure.

    :param rows: name of each row and its figures; a figure that a row lacks is left blank.
    """
    keys = [key for key in TITLES if any(key in row for row in rows.values())]
    keys += sorted({key for row in rows.values() for key in row} - set(TITLES))
    cells = [['', *(TITLES.get(key, key) for key in keys)]]
    for name, row in rows.items():
        cells.append([name, *(format_figure(key, row.get(key)) for key in keys)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [_join(line, widths) for line in cells]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join([lines[0], _join(rule, widths), *lines[1:]])


def format_figure(key: str, value: float | None) -> str:
    """One figure as it is printed."""
    if value is None or math.isnan(value):
        return ''
    if key == 'count':
        return f'{value:.0f}'
    if key in SHARES:
        return f'{100 * value:.1f} %'
    if key.endswith(('_mm', '_px')):
        return f'{value:.2f}'
    return f'{value:.3f}'


def write_results(out: Path, document: Mapping[str, Any]) -> None:
    """
    Write results.json, in place of that of an earlier evaluation; its pictures go with it.

    :param out: folder for the results.
    :raises OutputError: if it cannot be written.
    """
    for name in PICTURES:
        (out / name).unlink(missing_ok=True)
    write_json(out / RESULTS, document)


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return '| ' + ' | '.join([first, *rest]) + ' |'

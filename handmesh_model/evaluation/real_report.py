"""The report on photographs of real hands: table, JSON, curve and the worst pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from handmesh_model.datasets.real_images import LABELLED
from handmesh_model.evaluation.plots import draw_worst, overlay, plot_pck
from handmesh_model.evaluation.real_images import RealResult, Row, evaluate_predictor_on_real
from handmesh_model.evaluation.report import RESULTS, format_table, write_results
from handmesh_model.metrics import box_diagonal, pck_auc, pck_curve, point_errors
from handmesh_model.output_files import check_place
from handmesh_model.topology import HandTopology

if TYPE_CHECKING:
    from handmesh_model.predictor import HandMeshPredictor

Curve = tuple[np.ndarray, np.ndarray, float]
PCK_RANGE = (0.0, 0.2)
"""Shares of the box diagonal that the curve covers."""


def report_real_images(
    predictor: HandMeshPredictor,
    root: str | Path,
    out: Path,
    reference_boxes: bool = False,
) -> dict[str, Row]:
    """
    Measure a predictor, print the table, write results.json, and pck.png and worst_*.png of what
    is reliable.

    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it.
    :param out: folder for the results.
    :param reference_boxes: give the predictor the hands' boxes instead of letting it look.
    :returns: the figures of each row of the table.
    :raises DatasetError: if a file is missing.
    :raises OutputError: if the results cannot be written, as a rule before anything is measured.
    """
    check_place(out / RESULTS)
    results = evaluate_predictor_on_real(
        predictor, root, reference_boxes, lambda samples: tqdm(samples, unit='image', disable=None)
    )
    table = {}
    for name, result in results.items():
        table[name] = result.summary
        if result.comparison_summary is not None:
            table[f'{name}: MediaPipe'] = result.comparison_summary
    low, high = results[LABELLED].interval if LABELLED in results else ({}, {})
    shown = {f'{LABELLED}, low': low, f'{LABELLED}, high': high} if low else {}
    print(format_table(table | shown))
    if shown:
        print('low, high: where the mean would lie in 95 of 100 sets of such photographs')
    document: dict[str, Any] = {
        'dataset': 'real-images',
        'folder': str(root),
        'weights': str(predictor.weights),
        'backend': predictor.backend.name,
        'precision': predictor.backend.precision,
        'side': predictor.side,
        'boxes': 'reference' if reference_boxes else 'detected',
        'summary': table,
        'interval': {LABELLED: {key: [low[key], high[key]] for key in low}},
        'images': {name: _per_image(result) for name, result in results.items()},
    }
    write_results(out, document)
    written = [RESULTS]
    curves = _curves(results)
    if curves:
        plot_pck(out / 'pck.png', curves, 'share of the box diagonal')
        written.append('pck.png')
    for name, result in results.items():
        if _draw_worst(out / f'worst_{name}.png', result, predictor.topology):
            written.append(f'worst_{name}.png')
    print(f'{out}/{", ".join(written)}')
    return table


def _per_image(result: RealResult) -> list[dict[str, Any]]:
    return [
        {'file': sample.path.name, 'reliable': sample.reliable, **row}
        for sample, row in zip(result.samples, result.rows, strict=True)
    ]


def _curves(results: Mapping[str, RealResult]) -> dict[str, Curve]:
    """What there is to plot: nothing of a set without a reliable sample."""
    curves = {}
    for name, result in results.items():
        if not any(sample.reliable for sample in result.samples):
            continue
        seen = [None if hand is None else hand.joints_image for hand in result.hands]
        curves[name] = _curve(result, seen)
        if result.comparison is not None:
            others = [sample.comparison_image for sample in result.samples]
            curves[f'{name}: MediaPipe'] = _curve(result, others)
    return curves


def _curve(result: RealResult, joints_image: Sequence[np.ndarray | None]) -> Curve:
    """PCK over all joints of reliable samples; joints of hands not found are infinitely far."""
    errors = []
    for sample, joints in zip(result.samples, joints_image, strict=True):
        if sample.reliable and joints is not None:
            distance = point_errors(joints, sample.joints_image)
            errors.append(distance / box_diagonal(sample.joints_image))
        elif sample.reliable:
            errors.append(np.full(len(sample.joints_image), np.finfo(float).max))
    array = np.stack(errors)
    return *pck_curve(array, *PCK_RANGE), pck_auc(array, *PCK_RANGE)


def _draw_worst(path: Path, result: RealResult, topology: HandTopology) -> bool:
    """Whether there was any to draw."""
    errors = [
        row.get('error_2d', np.inf) if sample.reliable else np.nan
        for sample, row in zip(result.samples, result.rows, strict=True)
    ]

    def draw(i: int) -> np.ndarray:
        sample, hand = result.samples[i], result.hands[i]
        said = 'not found' if hand is None else f'{errors[i]:.3f}'
        caption = f'{sample.path.name} {said}'
        return overlay(sample.load(), hand, topology, sample.joints_image, caption)

    return bool(draw_worst(path, errors, draw))

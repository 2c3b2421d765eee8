"""Reports on published datasets: table, JSON, curves, the worst pictures, the submission."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from handmesh_model.camera import project
from handmesh_model.datasets import FreiHand, HandDataset, ObMan
from handmesh_model.datasets.egodexter import INTRINSICS, TipRecord, read_egodexter
from handmesh_model.datasets.records import HandRecord
from handmesh_model.errors import ConfigError
from handmesh_model.evaluation.benchmarks import (
    BenchmarkResult,
    BoxSource,
    choose_boxes,
    evaluate_records,
    evaluate_tips,
)
from handmesh_model.evaluation.estimates import NetworkRunner
from handmesh_model.evaluation.plots import draw_worst, overlay, plot_pck
from handmesh_model.evaluation.report import RESULTS, format_table, write_results
from handmesh_model.hand import HandBox
from handmesh_model.joints import JOINT_COUNT, TIPS
from handmesh_model.metrics import pck_auc, pck_curve, point_errors
from handmesh_model.output_files import check_place, written_beside

if TYPE_CHECKING:
    from handmesh_model.detector import HandDetector

MM = 1000.0
_PCK_RANGE = (0.0, 0.05)
_THRESHOLDS = 'threshold, mm'
_MEAN_HAND = 'mean hand'


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """
    One evaluation on a published dataset.

    :param dataset: 'freihand', 'freihand-alignment', 'obman' or 'egodexter'.
    :param root: the dataset's folder.
    :param weights: what to call the weights in the report.
    :param out: folder for the results.
    :param boxes: where crops come from; None for the dataset's boxes, but detected ones for
        'freihand', whose competition tells none.
    :param load_detector: gives the detector, asked only for detected boxes.
    :param limit: samples at most; 0 for all.
    :param submission: where to write FreiHAND's pred.json, if it is wanted; of all samples.
    """

    dataset: str
    root: Path
    weights: str
    out: Path
    boxes: BoxSource | None = None
    load_detector: Callable[[], HandDetector] | None = None
    limit: int = 0
    submission: Path | None = None

    def report(self, runner: NetworkRunner) -> dict[str, float]:
        """
        Measure a network, print the table, write results.json, pck.png, worst.png.

        ``hand_size`` in the JSON says what the scale rests on; with 'oracle: true joints' the
        figures without alignment are better than any method's that is not told the answer.

        :returns: the figures.
        :raises DatasetError: if a file is missing.
        :raises CheckpointError: if the detector is needed and cannot be read.
        :raises ConfigError: if what is asked for does not go with the dataset.
        :raises OutputError: if the results or the submission cannot be written, as a rule before
            anything is measured.
        """
        if self.submission is not None and self.dataset != 'freihand':
            raise ConfigError(f"a submission is made of 'freihand', not of '{self.dataset}'")
        if self.dataset == 'egodexter':
            return self._report_tips(runner)
        return self._report_records(runner)

    def _report_records(self, runner: NetworkRunner) -> dict[str, float]:
        data = _open(self.dataset, self.root)
        records = [data.record(i) for i in range(self._count(len(data)))]
        if self.submission is not None and len(records) < len(data):
            raise ConfigError(
                f'the limit is {self.limit}, expected 0 (all samples): a submission is of all '
                f"{len(data)} of '{self.root}'"
            )
        self._check_places()
        boxes = self._boxes_of(records)
        result = evaluate_records(
            runner, records, boxes, data.root_relative, data.fingertips, _progress(len(records))
        )
        errors = None
        if result.aligned_joints is not None and result.true_joints is not None:
            errors = point_errors(result.aligned_joints, result.true_joints)
        names = [record.name for record in records]
        self._write(result.scores, names, errors, _size_source(records))
        try:
            if self.submission is not None:
                write_submission(self.submission, result)
                print(self.submission)
        finally:
            if errors is not None:
                assert result.true_joints is not None
                plain = point_errors(result.joints, result.true_joints)
                self._plot({'joints': plain, 'joints, aligned': errors})
                references = [project(r.joints_camera, r.intrinsics) for r in records]  # type: ignore[arg-type]
                self._draw(runner, records, result.hands, errors.mean(axis=1), references)
        return result.scores

    def _report_tips(self, runner: NetworkRunner) -> dict[str, float]:
        records = read_egodexter(self.root)
        records = records[: self._count(len(records))]
        self._check_places()
        boxes = self._boxes_of(records)
        result = evaluate_tips(runner, records, boxes, _progress(len(records)))
        names = [record.name for record in records]
        self._write(result.scores, names, result.errors, _MEAN_HAND)
        self._plot({'fingertips': result.errors})
        references = []
        for record in records:
            reference = np.full((JOINT_COUNT, 2), np.nan)
            reference[list(TIPS)] = project(record.tips_camera, INTRINSICS)
            references.append(reference)
        mean_errors = np.nanmean(result.errors, axis=1)
        self._draw(runner, records, result.hands, mean_errors, references)
        return result.scores

    def _count(self, available: int) -> int:
        return min(self.limit, available) if self.limit else available

    def _check_places(self) -> None:
        """Measuring takes long."""
        for path in filter(None, (self.out / RESULTS, self.submission)):
            check_place(path)

    def _boxes_of(self, records: Sequence[HandRecord | TipRecord]) -> list[HandBox]:
        source, detector = self._box_source(), None
        if source == 'detected' and self.load_detector is not None:
            detector = self.load_detector()
        return choose_boxes(records, source, detector)

    def _box_source(self) -> BoxSource:
        # Figures must not depend on whether the answers, published later, are at hand.
        return self.boxes or ('detected' if self.dataset == 'freihand' else 'reference')

    def _plot(self, errors: dict[str, np.ndarray]) -> None:
        curves = {}
        for name, values in errors.items():
            thresholds, share = pck_curve(values, *_PCK_RANGE)
            curves[name] = (thresholds * MM, share, pck_auc(values, *_PCK_RANGE))
        plot_pck(self.out / 'pck.png', curves, _THRESHOLDS)

    def _draw(
        self,
        runner: NetworkRunner,
        records: Sequence[HandRecord | TipRecord],
        hands: Sequence,
        errors: np.ndarray,
        references: Sequence[np.ndarray],
    ) -> None:
        def draw(i: int) -> np.ndarray:
            record = records[i]
            caption = f'{record.name} {errors[i] * MM:.1f} mm'
            return overlay(record.load(), hands[i], runner.net.topology, references[i], caption)

        draw_worst(self.out / 'worst.png', errors.tolist(), draw)

    def _write(
        self,
        scores: dict[str, float],
        names: Sequence[str],
        errors: np.ndarray | None,
        hand_size: str,
    ) -> None:
        if scores:
            print(format_table({self.dataset: scores}))
        per_sample = None if errors is None else (np.nanmean(errors, axis=1) * MM).tolist()
        write_results(
            self.out,
            {
                'dataset': self.dataset,
                'folder': str(self.root),
                'weights': self.weights,
                'boxes': self._box_source(),
                'hand_size': hand_size,
                'summary': scores,
                'samples': list(names),
                'error_mm': per_sample,
            },
        )
        print(f'{self.out}/{RESULTS}')


def write_submission(path: Path, result: BenchmarkResult) -> None:
    """
    Write what the FreiHAND competition wants: a JSON list of all joints and all vertices.

    :param path: the competition expects the name pred.json, inside a zip file.
    :raises OutputError: if it cannot be written.
    """
    joints = [np.round(points, 6).tolist() for points in result.joints]
    vertices = [np.round(hand.vertices_camera, 6).tolist() for hand in result.hands]
    with written_beside(path) as part:
        part.write_text(json.dumps([joints, vertices]))


def _open(dataset: str, root: Path) -> HandDataset:
    if dataset == 'obman':
        return ObMan(root, 'test')
    return FreiHand(root, 'alignment' if dataset == 'freihand-alignment' else 'evaluation')


def _size_source(records: Sequence[HandRecord]) -> str:
    sources = {record.hand_size_source for record in records}
    if 'true joints' in sources:
        return 'oracle: true joints'
    return 'reference bone' if 'reference bone' in sources else _MEAN_HAND


def _progress(count: int):  # type: ignore[no-untyped-def]
    return lambda hands: tqdm(hands, total=count, unit='hand', disable=None)

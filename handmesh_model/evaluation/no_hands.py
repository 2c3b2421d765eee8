"""Hands seen where there are none: pictures without a hand, and how often one is reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from handmesh_model.datasets.files import read_rgb
from handmesh_model.errors import DatasetError
from handmesh_model.evaluation.plots import draw_worst, overlay
from handmesh_model.evaluation.report import RESULTS, write_results
from handmesh_model.hand import Hand
from handmesh_model.image_files import image_files
from handmesh_model.output_files import check_place

if TYPE_CHECKING:
    from handmesh_model.predictor import HandMeshPredictor


@dataclass(frozen=True, eq=False)
class FalseHands:
    """
    What a predictor reported on pictures without a hand.

    :param files: the pictures.
    :param hands: the hands reported on each.
    :param unreadable: what cannot be read, and why.
    """

    files: Sequence[Path]
    hands: Sequence[Sequence[Hand]]
    unreadable: Mapping[Path, str]

    @property
    def summary(self) -> dict[str, float]:
        """``pictures``, ``false_hands`` in all, and ``share`` 0..1 of pictures with any."""
        return {
            'pictures': len(self.files),
            'false_hands': sum(len(hands) for hands in self.hands),
            'share': sum(bool(hands) for hands in self.hands) / len(self.files),
        }


def find_false_hands(
    predictor: HandMeshPredictor,
    folder: Path,
    watch: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> FalseHands:
    """
    Run a predictor on a folder of pictures that show no hand.

    :param watch: wraps the loop over files, for a progress bar.
    :raises DatasetError: if there are no pictures, or none can be read.
    """
    hands: dict[Path, list[Hand]] = {}
    unreadable: dict[Path, str] = {}
    for file in watch(image_files(folder)):
        try:
            rgb = read_rgb(file)
        except DatasetError as error:
            unreadable[file] = str(error)
            continue
        hands[file] = predictor.predict(rgb)
    if not hands:
        told = f' that can be read ({next(iter(unreadable.values()))})' if unreadable else ''
        raise DatasetError(f"'{folder}' holds no pictures{told}, expected some without a hand")
    return FalseHands(list(hands), list(hands.values()), unreadable)


def report_no_hands(predictor: HandMeshPredictor, folder: Path, out: Path) -> FalseHands:
    """
    Measure, print, and write results.json and false_hands.png, surest ones first.

    :param out: folder for the results.
    :raises DatasetError: as of :func:`find_false_hands`.
    :raises OutputError: if the results cannot be written, as a rule before anything is measured.
    """
    check_place(out / RESULTS)
    result = find_false_hands(
        predictor, folder, lambda files: tqdm(files, unit='image', disable=None)
    )
    figures = result.summary
    document: dict[str, Any] = {
        'dataset': 'no-hands',
        'folder': str(folder),
        'weights': str(predictor.weights),
        'backend': predictor.backend.name,
        'precision': predictor.backend.precision,
        'summary': figures,
        'images': [
            {'file': file.name, 'scores': [float(hand.score) for hand in hands]}
            for file, hands in zip(result.files, result.hands, strict=True)
        ],
        'unreadable': [file.name for file in result.unreadable],
    }
    write_results(out, document)
    scores = [max((h.score for h in hands), default=np.nan) for hands in result.hands]

    def draw(i: int) -> np.ndarray:
        best = max(result.hands[i], key=lambda hand: hand.score)
        rgb, caption = read_rgb(result.files[i]), f'{result.files[i].name} {best.score:.2f}'
        return overlay(rgb, best, predictor.topology, None, caption)

    drawn = draw_worst(out / 'false_hands.png', scores, draw)
    print(
        f'{figures["false_hands"]:.0f} hands reported on {figures["pictures"]:.0f} pictures '
        f'without a hand; on {100 * figures["share"]:.1f} % of them at least one'
    )
    if result.unreadable:
        count = len(result.files) + len(result.unreadable)
        print(*result.unreadable.values(), sep='\n', file=sys.stderr)
        print(f'{len(result.unreadable)} of {count} pictures could not be used', file=sys.stderr)
    print(f'{out}/{RESULTS}' + (', false_hands.png' if drawn else ''))
    return result

"""Whether a network in fewer bits is as accurate on real photographs as in float32."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handmesh_model.datasets.real_images import LABELLED
from handmesh_model.errors import DatasetError
from handmesh_model.evaluation.real_images import evaluate_predictor_on_real
from handmesh_model.predictor import HandMeshPredictor

MOST_WORSE_MM = 0.3
"""PA-MPJPE may be worse by less than this."""
FIGURE = 'pa_mpjpe_mm'


class PrecisionCheck(NamedTuple):
    """PA-MPJPE of one network in two precisions on the same photographs, millimetres."""

    photographs: int
    """How many."""
    float32_mm: float
    other_mm: float

    @property
    def worse_mm(self) -> float:
        """How much is lost; negative if something is won."""
        return self.other_mm - self.float32_mm

    @property
    def accepted(self) -> bool:
        """Whether that is little enough."""
        return self.worse_mm < MOST_WORSE_MM


def check_precision(
    weights: str | Path, root: str | Path, backend: str, precision: str
) -> PrecisionCheck:
    """
    Measure a backend in float32 and in another precision, on hands whose boxes are given.

    :param weights: as for :class:`handmesh_model.predictor.HandMeshPredictor`.
    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it, with labelled
        photographs.
    :raises DatasetError: if it has none.
    :raises BackendError: if a backend cannot be used here.
    """
    figures = []
    count = 0
    for chosen in ('float32', precision):
        predictor = HandMeshPredictor(weights, backend=backend, precision=chosen)
        results = evaluate_predictor_on_real(predictor, root, reference_boxes=True)
        predictor.close()
        if LABELLED not in results or FIGURE not in results[LABELLED].summary:
            raise DatasetError(f"'{root}' holds no labelled photographs with joints in space")
        count = len(results[LABELLED].samples)
        figures.append(results[LABELLED].summary[FIGURE])
    return PrecisionCheck(count, *figures)

"""Figures that compare predicted hands with true ones: numpy arrays in, plain numbers out."""

from handmesh_model.metrics.points import (
    align_fingertip_centroid,
    box_diagonal,
    f_score,
    pck_auc,
    pck_curve,
    point_errors,
)
from handmesh_model.metrics.procrustes import Similarity, align, fit_similarity
from handmesh_model.metrics.scores import align_each, pose_scores
from handmesh_model.metrics.silhouettes import hausdorff, iou, silhouette_scores

__all__ = [
    'Similarity',
    'align',
    'align_each',
    'align_fingertip_centroid',
    'box_diagonal',
    'f_score',
    'fit_similarity',
    'hausdorff',
    'iou',
    'pck_auc',
    'pck_curve',
    'point_errors',
    'pose_scores',
    'silhouette_scores',
]

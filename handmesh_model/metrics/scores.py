"""
The table of pose and mesh figures that the FreiHAND competition computes.

One figure is not the competition's: aligned F-scores of meshes of another vertex count. Its script
(``align_by_trafo``) leaves the size of the predicted joints out of the scale that it gives such
meshes, so that they come out too small and score lower there, as a rule by far.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handmesh_model.metrics.points import f_score, pck_auc, point_errors
from handmesh_model.metrics.procrustes import align, fit_similarity

MM = 1000.0
F_THRESHOLDS = (0.005, 0.015)
"""Metres."""
AUC_RANGES = ((0.0, 0.05), (0.02, 0.05))
"""Metres."""


def align_each(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """
    Align every hand by itself; the alignment may mirror, as the competition's does.

    :param predicted: (S, N, 3).
    :param target: (S, N, 3).
    :returns: (S, N, 3).
    """
    pairs = zip(predicted, target, strict=True)
    return np.stack([align(mine, true, reflection=True) for mine, true in pairs])


def pose_scores(
    predicted_joints: np.ndarray,
    joints: np.ndarray,
    predicted_vertices: Sequence[np.ndarray] | np.ndarray | None = None,
    vertices: Sequence[np.ndarray] | np.ndarray | None = None,
    aligned_joints: np.ndarray | None = None,
) -> dict[str, float]:
    """
    Errors, AUC and F-scores, plain and Procrustes-aligned (``pa_``).

    Meshes of another vertex count than the truth are aligned by the joints' transform and get
    F-scores alone.

    :param predicted_joints: (S, 21, 3) metres.
    :param joints: (S, 21, 3) metres.
    :param predicted_vertices: S arrays (V, 3) metres, or None.
    :param vertices: S arrays (W, 3) metres, or None.
    :param aligned_joints: (S, 21, 3) metres, from :func:`align_each`, if they are known already.
    :returns: ``mpjpe_mm``, ``pa_mpjpe_mm``, ``joint_auc_0_50``, ``joint_auc_20_50`` and their
        ``pa_`` versions; with vertices also ``mpvpe_mm``, ``vertex_auc_...``, ``f_5``, ``f_15``.
    """
    if aligned_joints is None:
        aligned_joints = align_each(predicted_joints, joints)
    scores = _error_scores('mpjpe_mm', 'joint_auc', predicted_joints, joints, '')
    scores |= _error_scores('mpjpe_mm', 'joint_auc', aligned_joints, joints, 'pa_')
    if predicted_vertices is None or vertices is None:
        return scores
    same_mesh = np.shape(predicted_vertices[0]) == np.shape(vertices[0])
    pairs = (predicted_vertices, vertices) if same_mesh else (predicted_joints, joints)
    aligned_vertices = [
        fit_similarity(mine, true, reflection=True)(mesh)
        for mesh, mine, true in zip(predicted_vertices, *pairs, strict=True)
    ]
    for prefix, meshes in (('', predicted_vertices), ('pa_', aligned_vertices)):
        if same_mesh:
            mesh_array, truth = np.stack(list(meshes)), np.stack(list(vertices))
            scores |= _error_scores('mpvpe_mm', 'vertex_auc', mesh_array, truth, prefix)
        for threshold in F_THRESHOLDS:
            values = [f_score(a, b, threshold) for a, b in zip(meshes, vertices, strict=True)]
            scores[f'{prefix}f_{round(threshold * MM)}'] = float(np.mean(values))
    return scores


def _error_scores(
    error_name: str, auc_name: str, predicted: np.ndarray, target: np.ndarray, prefix: str
) -> dict[str, float]:
    errors = point_errors(predicted, target)
    scores = {f'{prefix}{error_name}': float(errors.mean() * MM)}
    for low, high in AUC_RANGES:
        name = f'{prefix}{auc_name}_{round(low * MM)}_{round(high * MM)}'
        scores[name] = pck_auc(errors, low, high)
    return scores

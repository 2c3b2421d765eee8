"""int8 by calibration on rendered crops (NNCF); all that computes coordinates stays float."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handmesh_model.errors import BackendError
from handmesh_model.extras import advice

if TYPE_CHECKING:
    from handmesh_model.backends.edge import ArrayEdge

CALIBRATION_CROPS, CHECK_CROPS = 200, 100
SEED = 20_000_003
"""Of the rendered crops; training draws its own from other seeds."""
FLOAT_PARTS = (
    r'.*refine_stage.*',
    r'.*mesh_stage\.heatmaps.*',
    r'.*joint_stage\.heatmaps.*',
    r'.*net\.presence.*',
    r'.*net\.side.*',
)
"""
Operations that stay float32: they compute coordinates or answer yes or no, and little of the time
is theirs.
"""
MORE_FLOAT_PARTS: tuple[tuple[str, ...], ...] = ((), (r'.*mesh_stage.*',))
"""What else stays float32, one attempt after the other until the vertices stay where they are."""
MEAN_BOUND = 0.01
"""
Mean distance, as a share of the heatmap's size, by which the vertices of an int8 network may
differ from those of its float32 self on rendered crops that it was not calibrated on. What it
costs on photographs is checked by ``handmesh export --photographs``.
"""
METHOD = 'full ranges, biases corrected layer after layer'
"""To be changed with what :func:`quantize` asks NNCF for, so that nothing older is used again."""
_USER, _EXTRAS = 'int8, to calibrate a network that is not in the cache yet,', 'export,train'

log = logging.getLogger(__name__)


def calibration_facts() -> dict[str, Any]:
    """
    What an int8 network depends on besides the float32 one.

    NNCF's version is not among them: machines without it run what was cached or copied there.
    """
    parts = [[*FLOAT_PARTS, *more] for more in MORE_FLOAT_PARTS]
    return {'crops': CALIBRATION_CROPS, 'seed': SEED, 'float': parts, 'method': METHOD}


def rendered_crops(count: int, size: int, first: int = 0) -> list[np.ndarray]:
    """
    Crops of the open hand, as in training.

    :param size: side, pixels.
    :param first: number of the first one; the same numbers give the same crops.
    :returns: (1, S, S, 3) uint8 RGB each.
    :raises BackendError: if the packages of the renderer are not installed.
    """
    try:
        from handmesh_model.synthesis.dataset import render_samples
    except ImportError as error:
        raise BackendError(advice(_USER, ['numba', 'scipy'], _EXTRAS)) from error
    samples = render_samples(SEED, range(first, first + count), size)
    return [sample['image'][None] for sample in samples]


def quantize(model: Any, edge: ArrayEdge, crops: list[np.ndarray] | None = None) -> Any:
    """
    Make an int8 model of a float32 one, with a float32 mesh stage where it has to be.

    :param model: ``openvino.Model`` of a float32 network.
    :param edge: the same network in PyTorch, for its shapes.
    :param crops: to calibrate with, (1, S, S, 3) uint8 each; by default rendered ones.
    :returns: ``openvino.Model``.
    :raises BackendError: if a package is missing, or vertices move further than
        :data:`MEAN_BOUND`.
    """
    from handmesh_model.backends.openvino import import_openvino

    import_openvino()
    try:
        import nncf
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet
    except ImportError as error:
        raise BackendError(advice(_USER, ['nncf'], _EXTRAS)) from error
    if crops is None:
        crops = rendered_crops(CALIBRATION_CROPS, edge.input_size)
    check = rendered_crops(CHECK_CROPS, edge.input_size, first=CALIBRATION_CROPS)
    run = _runner(model)
    allowed = MEAN_BOUND * edge.net.config.heatmap_size
    for more in MORE_FLOAT_PARTS:
        quantized = nncf.quantize(
            model.clone(),
            nncf.Dataset(crops),
            # Activations are not symmetric: behind a ReLU nothing is negative.
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(crops),
            # The fast correction takes each layer's input as it is in float32, and so misses what
            # the layers before have done to it: vertices then move nearly twice as far.
            fast_bias_correction=False,
            # From the smallest to the largest value of all crops: narrower ranges cut off what few
            # crops reach, and put the hands in these elsewhere.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
            ),
            ignored_scope=nncf.IgnoredScope(patterns=[*FLOAT_PARTS, *more], validate=False),
        )
        moved = vertex_distance(run, _runner(quantized), check)
        if moved <= allowed:
            return quantized
        log.info(
            'int8 with float32 in %s moves vertices by %.3f lixels', more or 'no stage', moved
        )
    raise BackendError(
        f'int8 moves vertices by {moved:.3f} lixels in the mean, at most {allowed:.3f} '
        'are accepted; use float32'
    )


def vertex_distance(
    reference: Callable[[np.ndarray], np.ndarray],
    other: Callable[[np.ndarray], np.ndarray],
    crops: list[np.ndarray],
) -> float:
    """
    Mean distance between the vertices that two functions see in the same crops, lixels.

    :param reference: (1, S, S, 3) uint8 to (1, V, 3) lixels; ``other`` likewise.
    """
    return float(np.mean([np.linalg.norm(reference(c) - other(c), axis=2).mean() for c in crops]))


def _runner(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    from handmesh_model.backends.openvino import infer_request

    request = infer_request(model)
    return lambda crop: request.infer([crop])[0].copy()

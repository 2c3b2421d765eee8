"""
Where a network trained on renders fails on photographs: at the hands, or at what is behind them.

Each labelled photograph gets a twin: the open hand, fitted to the photograph's joints, rendered
with its pose and camera. Then hands and backgrounds change places. The same network is measured on
all four kinds of picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.checks import check_range
from handmesh_model.datasets.real_images import RealSample
from handmesh_model.errors import DatasetError
from handmesh_model.evaluation.estimates import NetworkRunner, Query
from handmesh_model.evaluation.real_images import Row, score_sample, summarize
from handmesh_model.network import HandMeshNet
from handmesh_model.output_files import check_place, write_json, write_picture
from handmesh_model.synthesis import staging
from handmesh_model.synthesis.actors import add_hand
from handmesh_model.synthesis.appearance import sample_skin
from handmesh_model.synthesis.assembly import Assembly, Picture
from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.camera_effects import develop
from handmesh_model.synthesis.finishing import exposure, render
from handmesh_model.synthesis.fitting import fit_hand
from handmesh_model.synthesis.frames import image_points
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import Light, sample_light
from handmesh_model.synthesis.placement import PlacedHand, place_fitted

KINDS = ('photograph', 'twin', 'render on photograph', 'photograph on render')
RESULTS = 'probes.json'
_GROWTH_SHARE = 0.012
"""By how much of the picture's side the twin's silhouette is grown to cut the real hand out."""


@dataclass(frozen=True, eq=False)
class Probe:
    """
    One photograph and what was made from it, all showing a right hand.

    :param images: (H, W, 3) uint8 for each of :data:`KINDS`.
    :param photograph: joints as labelled; ``twin``: joints as rendered.
    :param fit_error: metres, mean distance of the fitted joints from the labelled ones.
    """

    images: dict[str, np.ndarray]
    photograph: RealSample
    twin: RealSample
    fit_error: float


def as_right_hand(sample: RealSample) -> tuple[RealSample, np.ndarray]:
    """A sample and its picture, mirrored if it shows a left hand."""
    image = sample.load()
    if sample.side == 'right':
        return sample, image
    assert sample.joints_camera is not None
    assert sample.intrinsics is not None
    last = image.shape[1] - 1
    joints_image = sample.joints_image * [-1, 1] + [last, 0]
    intrinsics = sample.intrinsics.copy()
    intrinsics[0, 2] = last - intrinsics[0, 2]
    mirrored = replace(
        sample,
        side='right',
        joints_image=joints_image,
        joints_camera=sample.joints_camera * [-1, 1, 1],
        intrinsics=intrinsics,
    )
    return mirrored, np.ascontiguousarray(image[:, ::-1])


def make_probe(sample: RealSample, rng: np.random.Generator, model: HandModel) -> Probe:
    """
    Fit, render and swap one labelled photograph.

    :param sample: with ``joints_camera`` and ``intrinsics``.
    """
    sample, image = as_right_hand(sample)
    assert sample.joints_camera is not None
    assert sample.intrinsics is not None
    fit = fit_hand(model, sample.joints_camera)
    hand = place_fitted(model, fit.angles, fit.shape, fit.camera_from_wrist)
    light = sample_light(rng)
    picture = _picture(rng, model, hand, sample.intrinsics, image.shape, light)
    twin = replace(
        sample,
        joints_image=image_points(hand.joints_camera, sample.intrinsics),
        joints_camera=hand.joints_camera.astype(np.float64),
    )
    images = _swap(rng, image, picture, light)
    return Probe(images, sample, twin, fit.error)


def _picture(
    rng: np.random.Generator,
    model: HandModel,
    hand: PlacedHand,
    intrinsics: np.ndarray,
    shape: tuple[int, ...],
    light: Light,
) -> Picture:
    assembly, tone = Assembly(), sample_skin(rng)
    add_hand(assembly, model, hand, tone, True)
    staging.dress(assembly, rng, model, hand, tone)
    center = hand.joints_camera.mean(axis=0)
    return render(assembly, rng, model, intrinsics, shape[1], shape[0], center, light)


def _swap(
    rng: np.random.Generator, image: np.ndarray, picture: Picture, light: Light
) -> dict[str, np.ndarray]:
    """The four kinds of picture."""
    height, width = image.shape[:2]
    background = paint_background(rng, width, height) * light.tint.astype(np.float32)
    cover = picture.cover[..., :1]
    linear = picture.color + background * (1 - cover)
    developed = develop(rng, linear, min(exposure(linear), 2.2), noise=0.3)
    # The rendered hand as the camera gave it, put into the photograph.
    pasted = developed * cover + image * (1 - cover)
    size = 2 * round(_GROWTH_SHARE * width) + 1
    grown = cv2.dilate(picture.cover[..., 0], np.ones((size, size), np.uint8))[..., None]
    behind = develop(rng, background, min(exposure(background), 2.2), noise=0.3)
    swapped = image * grown + behind * (1 - grown)
    made = (image, developed, pasted, swapped)
    return {
        kind: np.rint(picture).astype(np.uint8) for kind, picture in zip(KINDS, made, strict=True)
    }


def measure_probes(net: HandMeshNet, probes: list[Probe]) -> dict[str, Row]:
    """
    Measure a network on each kind of picture.

    :returns: figures by kind, see :func:`handmesh_model.evaluation.real_images.summarize`.
    """
    table = {}
    runner = NetworkRunner(net)
    for kind in KINDS:
        rendered = kind in KINDS[1:3]
        samples = [probe.twin if rendered else probe.photograph for probe in probes]
        queries = [
            Query(_giving(probe.images[kind]), sample.vertex_box, sample.intrinsics)
            for probe, sample in zip(probes, samples, strict=True)
        ]
        hands = runner.estimate(queries)
        rows = [
            score_sample(sample, hand, net.topology.faces)
            for sample, hand in zip(samples, hands, strict=True)
        ]
        table[kind] = summarize(samples, rows)
    return table


def _giving(image: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: image


def montage(probes: list[Probe], side: int = 128) -> np.ndarray:
    """One row a probe, one column a kind; (H, W, 3) uint8 RGB."""
    rows = []
    for probe in probes:
        tiles = [cv2.resize(probe.images[kind], (side, side)) for kind in KINDS]
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def report_probes(
    net: HandMeshNet, root: Path, out: Path, seed: int, count: int
) -> dict[str, Row]:
    """
    Make and measure probes of labelled photographs, print the table, write probes.json and .jpg.

    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it.
    :param out: folder for the results; the picture shows the photographs, mind their licence.
    :param count: photographs to use, evenly from all; 0 for all.
    :raises DatasetError: if a number is out of range, or the folder is none such.
    :raises OutputError: if the results cannot be written, as a rule before anything is measured.
    """
    from handmesh_model.datasets.real_images import read_labelled
    from handmesh_model.evaluation.report import format_table

    check_range('seed', seed, 0, error=DatasetError)
    check_range('count', count, 0, error=DatasetError)
    samples = read_labelled(root)
    check_place(out / RESULTS)
    total = len(samples)
    used = min(count or total, total)
    samples = [samples[i * total // used] for i in range(used)]
    model = HandModel.load()
    probes = [
        make_probe(sample, np.random.default_rng((seed, number)), model)
        for number, sample in enumerate(samples)
    ]
    table = measure_probes(net, probes)
    print(format_table(table))
    error = float(np.mean([probe.fit_error for probe in probes]))
    print(f'fit of the open hand to the labelled joints: {error * 1000:.1f} mm')
    write_json(out / RESULTS, {'table': table, 'fit_error_mm': error * 1000, 'seed': seed})
    write_picture(out / 'probes.jpg', montage(probes[:16]))
    return table

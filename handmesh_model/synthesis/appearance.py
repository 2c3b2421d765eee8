"""Skin: tones of all people, and how they differ over one hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.skin_paint import SkinPaint, paint_skin

MELANIN_ABSORPTION = np.array([0.80, 1.0, 1.14])
"""
Relative absorption of melanin in sRGB's red, green and blue, as seen from outside. Flatter than
that of the pure pigment (wavelength to the power -3.3), because light also returns from above it;
fitted to the light and dark skin patches of the ColorChecker chart.
"""
BLOOD_ABSORPTION = np.array([0.07, 0.44, 0.38])
"""The same for blood (oxygenated haemoglobin absorbs green most)."""
BLOODLESS = np.array([0.76, 0.635, 0.475])
"""Linear RGB of skin without melanin and blood."""


@dataclass(frozen=True)
class SkinTone:
    """
    One person's skin; melanin and blood are optical depths on the scale of the absorptions above.

    :param base: linear RGB without both.
    :param melanin: on the back of the hand, 0.05 (very light) to 3.2 (very dark).
    :param palm_melanin: on the palm, which hardly tans.
    :param blood: on the back.
    :param palm_blood: on the palm.
    :param knuckle_melanin: added over the knuckles, as a share of ``melanin``.
    :param tip_blood: added at fingertips and pads of the palm.
    :param knuckle_blood: added over the knuckles.
    :param mottling: amplitude of cloudy differences in blood.
    :param creases: strength of palm creases, 0..1.5.
    :param lines: strength of wrinkles and veins on the back, 0..1.5.
    :param gloss: strength of the highlight.
    :param nail_color: linear RGB of painted nails, or None.
    """

    base: tuple[float, float, float]
    melanin: float
    palm_melanin: float
    blood: float
    palm_blood: float
    knuckle_melanin: float
    tip_blood: float
    knuckle_blood: float
    mottling: float
    creases: float
    lines: float
    gloss: float
    nail_color: tuple[float, float, float] | None = None


def sample_skin(rng: np.random.Generator) -> SkinTone:
    """A person of any skin tone, even over the visible range from very light to very dark."""
    uniform = rng.random(12).tolist()
    normal = rng.standard_normal(5).tolist()
    # Lightness falls about with the logarithm of melanin: spread evenly on that scale.
    melanin = math.exp(_LIGHTEST + uniform[0] * (_DARKEST - _LIGHTEST))
    # Under much melanin less of the blood shows.
    blood = min(max(0.85 + 0.35 * normal[0], 0.15), 2.0) * math.exp(-0.2 * melanin)
    red, green, blue = (
        float(base) * math.exp(0.05 * normal[1] + spread * value)
        for base, spread, value in zip(BLOODLESS, (0.02, 0.02, 0.06), normal[2:], strict=True)
    )
    painted = None
    if uniform[1] < 0.06:
        painted = _POLISH[int(uniform[2] * len(_POLISH))]
    return SkinTone(
        base=(red, green, blue),
        melanin=melanin,
        palm_melanin=min(melanin, 0.06 + melanin * (0.2 + 0.4 * uniform[3])),
        blood=blood,
        palm_blood=blood + 0.8 * uniform[4],
        knuckle_melanin=0.25 * uniform[5],
        tip_blood=0.7 * uniform[6],
        knuckle_blood=0.6 * uniform[7],
        mottling=0.02 + 0.11 * uniform[8],
        creases=0.1 + 1.1 * uniform[9],
        lines=0.1 + 1.1 * uniform[10],
        gloss=(0.2 + 0.8 * uniform[11]) ** 2,
        nail_color=painted,
    )


_LIGHTEST, _DARKEST = math.log(0.08), math.log(2.9)
_POLISH = (
    (0.5, 0.01, 0.02), (0.25, 0.01, 0.03), (0.65, 0.25, 0.28), (0.02, 0.02, 0.02),
    (0.8, 0.75, 0.72), (0.05, 0.08, 0.2), (0.45, 0.3, 0.26),
)  # fmt: skip


def skin_color(tone: SkinTone, melanin: np.ndarray, blood: np.ndarray) -> np.ndarray:
    """
    Diffuse reflectance by Beer and Lambert.

    :param melanin: (...,) optical depth, ``blood`` likewise.
    :returns: (..., 3) linear RGB.
    """
    depth = np.multiply.outer(melanin, MELANIN_ABSORPTION) + np.multiply.outer(
        blood, BLOOD_ABSORPTION
    )
    return np.asarray(tone.base) * np.exp(-depth)


@dataclass(frozen=True, eq=False)
class SkinRegions:
    """
    Where on the hand skin differs, per vertex of the render mesh, 0..1 each.

    :param palm: palm side.
    :param knuckle: back of the finger joints.
    :param tip: fingertips and the pads of the palm.
    :param nail: nails.
    :param paint: lines of the skin.
    """

    palm: np.ndarray
    knuckle: np.ndarray
    tip: np.ndarray
    nail: np.ndarray
    paint: SkinPaint

    def pigments(self, tone: SkinTone) -> np.ndarray:
        """(N, 3) float32: melanin, blood and gloss at each vertex."""
        melanin = tone.melanin + (tone.palm_melanin - tone.melanin) * self.palm
        melanin += tone.melanin * tone.knuckle_melanin * self.knuckle
        blood = tone.blood + (tone.palm_blood - tone.blood) * self.palm
        blood += tone.tip_blood * self.tip + tone.knuckle_blood * self.knuckle
        gloss = tone.gloss * (1 - 0.4 * self.palm)
        if tone.nail_color is None:
            melanin *= 1 - 0.75 * self.nail
            blood += 0.35 * self.nail
        gloss = gloss + 0.8 * self.nail
        return np.stack([melanin, blood, gloss], axis=1).astype(np.float32)


@lru_cache(maxsize=2)
def skin_regions(model: HandModel) -> SkinRegions:
    """The regions of a hand model, found from its rest pose."""
    vertices, joints = model.rest_vertices, model.rest_joints
    palm = np.clip((model.palmar + 0.25) / 0.8, 0, 1)
    palm = palm * palm * (3 - 2 * palm)
    # The forearm's inside is paler than its outside, but no palm.
    along = np.clip((vertices[:, 0] + 0.02) / 0.025, 0, 1)
    palm = palm * (0.3 + 0.7 * along)

    def near(numbers: list[int], radius: float) -> np.ndarray:
        gaps = vertices[:, None] - joints[None, numbers]
        return np.exp(-(gaps**2).sum(-1) / radius**2).max(axis=1)

    knuckles = [joint for joint in range(2, 21) if joint % 4 != 0]
    knuckle = near(knuckles, 0.012) * (1 - palm)
    tip = near([4, 8, 12, 16, 20], 0.013)
    pads = near([2, 5, 9, 13, 17], 0.014) * palm
    fields = (palm, knuckle, np.maximum(tip, 0.7 * pads), model.nail)
    first, second, third, fourth = (field.astype(np.float32) for field in fields)
    return SkinRegions(first, second, third, fourth, paint_skin(joints))

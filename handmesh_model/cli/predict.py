"""``handmesh predict``: hands of picture files, as overlays, meshes and numbers."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handmesh_model.errors import ConfigError, HandmeshError, ImageError
from handmesh_model.hand import SIDES, Hand
from handmesh_model.image_files import IMAGE_SUFFIXES, image_files, read_image
from handmesh_model.joints import JOINT_NAMES
from handmesh_model.obj_files import write_obj
from handmesh_model.output_files import write_picture, written_beside
from handmesh_model.topology import HandTopology

if TYPE_CHECKING:
    from handmesh_model.predictor import HandMeshPredictor

RESULT_FILE = 'hands.json'
_OF_ONE_PICTURE = re.compile(
    rf'(.+)(?:_overlay\.png|_(?:{"|".join(SIDES)})_\d+\.obj)', re.DOTALL | re.IGNORECASE
)
"""Names of the other results, and in them the picture's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Writes NAME_overlay.png for each picture, NAME_SIDE_I.obj for each hand, '
        f'and {RESULT_FILE} for all of them. A run that is interrupted keeps what {RESULT_FILE} '
        'had before of the pictures that it has not come to, if weights and camera are the same.'
    )
    parser.add_argument('images', nargs='+', type=Path, help='picture files, or folders of them')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--weights', default='auto', help="'auto', 'open', 'open-large', a folder or a file"
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', ...")
    parser.add_argument('--backend', default='auto', help="'auto' or a backend's name")
    parser.add_argument(
        '--precision', default='auto', help="'auto', 'float32', 'float16' or 'int8'"
    )
    parser.add_argument('--max-hands', type=int, default=2, help='hands at most in one picture')
    parser.add_argument(
        '--hand-size',
        type=float,
        help='metres from wrist to middle knuckle, if known; goes with --intrinsics',
    )
    parser.add_argument('--side', choices=SIDES, help='take every hand for one of this side')
    parser.add_argument(
        '--intrinsics',
        type=float,
        nargs=4,
        metavar=('FX', 'FY', 'CX', 'CY'),
        help='camera matrix in pixels as the pictures are stored, which are then not turned by '
        'their EXIF orientation; without it metres are relative to the wrist',
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Work through all pictures.

    :returns: 0, or 1 if a picture could not be used.
    :raises ConfigError: if there is a hand size without camera matrix, or the results would go
        among the pictures or replace one.
    :raises ImageError: if a folder holds no picture.
    """
    from handmesh_model.camera import check_intrinsics
    from handmesh_model.predictor import HandMeshPredictor

    if arguments.hand_size is not None and arguments.intrinsics is None:
        raise ConfigError(
            f'--hand-size is {arguments.hand_size:g} without --intrinsics, expected both: without '
            'a camera matrix it changes nothing'
        )
    if arguments.out.resolve() in (path.resolve() for path in arguments.images):
        raise ConfigError(
            f"--out is '{arguments.out}', where the pictures are; expected another folder, or its "
            'overlays would be taken for pictures the next time'
        )
    pictures = _named(arguments.images)
    _check_apart(pictures, arguments.out)
    intrinsics = None
    if arguments.intrinsics is not None:
        fx, fy, cx, cy = arguments.intrinsics
        intrinsics = check_intrinsics([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    predictor = HandMeshPredictor(
        arguments.weights,
        arguments.device,
        arguments.backend,
        arguments.max_hands,
        arguments.hand_size,
        arguments.precision,
        arguments.side,
    )
    facts = {
        'weights': str(predictor.weights),
        'topology': predictor.topology.name,
        'joint_names': list(JOINT_NAMES),
        'intrinsics': None if intrinsics is None else intrinsics.tolist(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    earlier = _results_by_name(arguments.out)
    results: dict[str, dict[str, Any]] = {}
    try:
        for path, name in pictures:
            former = earlier.get(name, [])
            result = _predict(predictor, path, name, intrinsics, arguments.out, former)
            results[str(path)] = result
            if 'hands' in result:
                print(f'{path}: {_summary(result["hands"])}')
    finally:
        # Ctrl-C leaves the numbers of those pictures whose overlays and meshes it leaves.
        _write_numbers(arguments.out, facts, results, pictures[len(results) :])
    failed = sum('error' in result for result in results.values())
    if failed:
        print(f'{failed} of {len(results)} pictures could not be used', file=sys.stderr)
    return 1 if failed else 0


def _predict(
    predictor: HandMeshPredictor,
    path: Path,
    name: str,
    intrinsics: np.ndarray | None,
    out: Path,
    former: list[Path],
) -> dict[str, Any]:
    """
    Hands of one picture, drawn and written.

    :param former: what an earlier run has written of it.
    :returns: what is to be said of it, or why it is unusable.
    """
    try:
        # That may have been more hands, or hands of the other side.
        for file in former:
            file.unlink(missing_ok=True)
        rgb = read_image(path, upright=intrinsics is None)
        hands = predictor.predict(rgb, intrinsics)
        _write_pictures(out, name, rgb, hands, predictor.topology, intrinsics)
    except (HandmeshError, OSError) as error:
        print(f'{path}: {error}', file=sys.stderr)
        return {'error': str(error)}
    return {'name': name, 'hands': [to_plain(hand) for hand in hands]}


def _write_numbers(
    out: Path,
    facts: dict[str, Any],
    results: dict[str, dict[str, Any]],
    unfinished: list[tuple[Path, str]],
) -> None:
    """
    Write what this run has found, and an earlier one of what this one has not come to.

    :param facts: what goes for all pictures of a run.
    :param unfinished: pictures, with the names of their results. The first may be half done, so
        what there is of it goes.
    """
    kept: dict[str, dict[str, Any]] = {}
    if unfinished:
        for file in _results_by_name(out).get(unfinished[0][1], []):
            with suppress(OSError):
                file.unlink()
        kept = _kept(out, facts, unfinished)
    if results or kept:
        document = facts | {'images': results | kept}
        with written_beside(out / RESULT_FILE) as part:
            part.write_text(json.dumps(document, indent=1) + '\n')


def _kept(
    out: Path, facts: dict[str, Any], pictures: list[tuple[Path, str]]
) -> dict[str, dict[str, Any]]:
    """
    What an earlier run has told of pictures and still holds.

    :param facts: of this run; of one with others nothing is kept.
    :param pictures: with the names of their results.
    """
    try:
        document = json.loads((out / RESULT_FILE).read_text())
        images = document.pop('images')
        entries = {str(path): images[str(path)] for path, _ in pictures if str(path) in images}
        names = {path: entry['name'] for path, entry in entries.items() if 'error' not in entry}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
    if document != facts:
        return {}
    return {
        str(path): entries[str(path)]
        for path, name in pictures
        if names.get(str(path)) == name and _overlay_file(out, name).exists()
    }


def _named(paths: list[Path]) -> list[tuple[Path, str]]:
    """
    Files, folders unfolded, each once and with a name of its own for the results.

    :raises ImageError: if a folder holds no picture.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = image_files(path)
            if not found:
                endings = ', '.join(IMAGE_SUFFIXES)
                raise ImageError(f"'{path}' holds no pictures, expected files in {endings}")
            files += found
        else:
            files.append(path)
    named, taken = [], set[str]()
    for path in dict.fromkeys(files):
        name, count = path.stem, 1
        while name in taken:
            count += 1
            name = f'{path.stem}_{count}'
        taken.add(name)
        named.append((path, name))
    return named


def _results_by_name(out: Path) -> dict[str, list[Path]]:
    """What earlier runs have left of single pictures, by the names of those."""
    found: dict[str, list[Path]] = {}
    for entry in out.iterdir():
        match = _OF_ONE_PICTURE.fullmatch(entry.name)
        if match and not entry.is_dir():
            found.setdefault(match[1], []).append(entry)
    return found


def _check_apart(pictures: list[tuple[Path, str]], out: Path) -> None:
    """
    Check that no result replaces a picture, whatever path or link either is reached by.

    :param pictures: with the names of their results.
    :raises ConfigError: if one would.
    """
    if not out.is_dir():
        return
    files = {_identity(path): path for path, _ in pictures}
    files.pop(None, None)
    # Capitals count nowhere: there are file systems that do not tell them apart.
    owners = {name.casefold(): path for path, name in pictures}
    for entry in out.iterdir():
        picture = files.get(_identity(entry))
        if picture is None:
            continue
        match = _OF_ONE_PICTURE.fullmatch(entry.name)
        owner = owners.get(match[1].casefold()) if match else None
        if owner is not None or entry.name.casefold() == RESULT_FILE:
            results = 'all results' if owner is None else f"a result of '{owner}'"
            raise ConfigError(
                f"--out is '{out}', where the picture '{picture}' is '{entry.name}', the name of "
                f'{results}, and would be replaced; expected another folder'
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What is the same for all paths to a file; None if there is none."""
    with suppress(OSError):
        facts = os.stat(path)
        return facts.st_dev, facts.st_ino
    return None


def _write_pictures(
    folder: Path,
    name: str,
    rgb: np.ndarray,
    hands: list[Hand],
    topology: HandTopology,
    intrinsics: np.ndarray | None,
) -> None:
    from handmesh_model.visualization import draw_hands

    overlay = draw_hands(rgb, hands, topology, intrinsics)
    write_picture(_overlay_file(folder, name), overlay)
    for i, hand in enumerate(hands):
        write_obj(folder / f'{name}_{hand.side}_{i}.obj', hand, topology)


def _overlay_file(folder: Path, name: str) -> Path:
    return folder / f'{name}_overlay.png'


def to_plain(hand: Hand) -> dict[str, Any]:
    """A hand as JSON can hold it; the vertices are in the OBJ file."""
    box = hand.box
    return {
        'side': hand.side,
        'score': round(hand.score, 4),
        'box': [round(value, 2) for value in (box.x_min, box.y_min, box.x_max, box.y_max)],
        'scale_source': hand.scale_source.value,
        'hand_size': round(hand.hand_size, 5),
        'joints_image': np.round(hand.joints_image, 2).tolist(),
        'joints_confidence': np.round(hand.joints_confidence, 3).tolist(),
        'joints_camera': np.round(hand.joints_camera, 5).tolist(),
        'wrist_pose': np.round(hand.wrist_pose, 6).tolist(),
        'wrist_covariance': hand.wrist_covariance.tolist(),
    }


def _summary(hands: list[dict[str, Any]]) -> str:
    if not hands:
        return 'no hand'
    return ', '.join(f'{hand["side"]} {hand["score"]:.2f}' for hand in hands)

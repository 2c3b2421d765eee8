"""Draws all objects into the image of one stamp, behind what of the hands is nearer; no node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from handmesh_model.ar.camera import Camera
from handmesh_model.ar.forearm import forearm
from handmesh_model.ar.layout import Ornament, load_layout
from handmesh_model.ar.renderer import ArRenderer, HandSurface, PlacedMesh
from handmesh_model.ar.tables import HAND_FRAMES
from handmesh_ros.ar_board import ObjectBoard, Where
from handmesh_ros.ar_hands import SeenHand, Surface, best_of_side
from handmesh_ros.ar_parameters import OverlayParameters
from handmesh_ros.calibration import Calibration


class ArPicture:
    """
    What is drawn, and the buffers that it is drawn with.

    :param layout: YAML file of objects; empty for none.
    :param warn: takes a line for the log, and its kind where lines of one kind may differ.
    :raises ConfigError: if the layout is wrong.
    :ivar board: the objects that come as markers.
    :ivar surface: the hands' faces; None until they are known, and hands hide nothing.
    """

    def __init__(self, layout: str, warn: Callable[..., None]) -> None:
        self.ornaments = load_layout(layout) if layout else []
        self.board = ObjectBoard()
        self.surface: Surface | None = None
        self._renderer: ArRenderer | None = None
        self._warn = warn

    def draw(
        self,
        rgb: np.ndarray,
        calibration: Calibration,
        image_frame: str,
        hands: Sequence[SeenHand],
        where: Where,
        now: float,
        settings: OverlayParameters,
    ) -> np.ndarray:
        """
        A copy of the image with the objects in it.

        :param rgb: (H, W, 3) uint8.
        :param hands: as they were in this image; those that are only held are left out, as
            nobody knows where in it they are.
        :param where: tells (4, 4) image frame from another frame, or None.
        :param now: seconds of the board's clock.
        :returns: (H, W, 3) uint8.
        :raises IntrinsicsError: if the calibration is of images of another size.
        """
        height, width = rgb.shape[:2]
        calibration.check_size(width, height)
        renderer = self._renderer
        if renderer is None or (renderer.width, renderer.height) != (width, height):
            renderer = self._renderer = ArRenderer(width, height)
        seen = [hand for hand in hands if hand.tracked]
        objects = self._objects(image_frame, seen, where, now)
        surfaces = self._surfaces(seen, settings.forearm_length)
        camera = Camera(calibration.intrinsics, calibration.distortion, calibration.fisheye)
        return renderer.draw(rgb, camera, objects, surfaces, settings.hand_margin)

    def _surfaces(self, hands: Sequence[SeenHand], forearm_length: float) -> list[HandSurface]:
        surfaces = []
        for hand in hands:
            if self.surface is not None and len(hand.vertices_camera) == len(self.surface.parts):
                faces = self.surface.faces_of(hand.side)
                surfaces.append(HandSurface(hand.vertices_camera, faces))
        if len(surfaces) < len(hands):
            self._warn("hands without a mesh, or no 'topology' yet: they hide nothing")
        if forearm_length > 0:
            surfaces += [HandSurface(*forearm(h.joints_camera, forearm_length)) for h in hands]
        return surfaces

    def _objects(
        self, image_frame: str, hands: Sequence[SeenHand], where: Where, now: float
    ) -> list[PlacedMesh]:
        objects = self.board.placed(image_frame, where, now)
        for kind, text in self.board.lacks.items():
            self._warn(f"'objects': {text}", kind)
        for ornament in self.ornaments:
            base = _base_of(ornament, hands, where)
            if base is not None:
                pose = base @ ornament.frame_from_object
                objects.append(PlacedMesh(ornament.mesh, pose, ornament.color, ornament.opacity))
        return objects


def _base_of(ornament: Ornament, hands: Sequence[SeenHand], where: Where) -> np.ndarray | None:
    if not ornament.frame:
        return np.eye(4)
    if ornament.frame in HAND_FRAMES:
        hand = best_of_side(hands, HAND_FRAMES[ornament.frame])
        return None if hand is None else hand.wrist_pose
    return where(ornament.frame)

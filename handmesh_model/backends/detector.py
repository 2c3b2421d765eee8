"""The detector's network, run by the backend that runs the mesh network, or by PyTorch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.cache import cached, network_digest, torch_version
from handmesh_model.backends.folding import fold_norms
from handmesh_model.backends.interface import reason_of
from handmesh_model.backends.openvino import (
    MODEL_FILE,
    convert,
    import_openvino,
    infer_request,
    read_file,
    save_model,
)
from handmesh_model.errors import BackendError
from handmesh_model.network.hand_detector import DetectorOutputs, HandDetectorNet

FORMAT = 1
"""To be raised when the same weights have to be converted differently."""
_SHAPES = 8
"""Sizes of pictures that are kept compiled; a camera has one."""


class DetectorRunner(ABC):
    """
    A detector's network ready to run.

    :ivar device: where pictures are wanted.
    """

    device = torch.device('cpu')

    @abstractmethod
    def run(self, image: np.ndarray | Tensor) -> DetectorOutputs:
        """
        Run the network.

        :param image: (h, w, 3) uint8 RGB, h and w multiples of 32; an array, or a tensor on
            :attr:`device`.
        :returns: maps of one picture.
        :raises BackendError: if running fails.
        """


class EagerDetector(DetectorRunner):
    """
    PyTorch; on any device.

    :raises BackendError: if the network does not fit on it.
    """

    def __init__(self, net: HandDetectorNet, device: torch.device) -> None:
        self.device = device
        try:
            fold_norms(net.eval())
            net = net.to(device)
        except RuntimeError as error:
            raise BackendError(
                f'the detector cannot be put on {device}: {reason_of(error)}'
            ) from error
        self._net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, image: np.ndarray | Tensor) -> DetectorOutputs:
        """See :meth:`DetectorRunner.run`."""
        try:
            with torch.inference_mode():
                return self._net(_pixels(torch.as_tensor(image).to(self.device)[None]))
        except RuntimeError as error:
            raise BackendError(
                f'the detector failed on {self.device}: {reason_of(error)}'
            ) from error


class OpenVinoDetector(DetectorRunner):
    """
    OpenVINO on the CPU, compiled for each size of pictures that comes.

    :raises BackendError: if OpenVINO is not installed, or cannot take the network.
    """

    def __init__(self, net: HandDetectorNet) -> None:
        openvino = import_openvino()
        fold_norms(net.eval().cpu())
        facts = {
            'format': FORMAT,
            'network': network_digest(net, width=net.width),
            'openvino': openvino.__version__,
            'torch': torch_version(),
        }

        def build(folder: Path) -> None:
            save_model(_convert(net), folder / MODEL_FILE)

        try:
            self._model = cached('openvino-detector', facts, build, read_file)
        except BackendError:
            raise
        except Exception as error:  # OpenVINO and the disk raise many kinds
            raise BackendError(f'OpenVINO cannot take the detector: {reason_of(error)}') from error
        self._requests: dict[tuple[int, ...], Any] = {}

    def run(self, image: np.ndarray | Tensor) -> DetectorOutputs:
        """See :meth:`DetectorRunner.run`."""
        pixels = np.asarray(image)[None]
        try:
            results = self._request_for(pixels.shape).infer([pixels], share_inputs=True)
        except RuntimeError as error:
            raise BackendError(f'OpenVINO failed on the detector: {reason_of(error)}') from error
        return DetectorOutputs(*(torch.from_numpy(results[i].copy()) for i in range(3)))

    def _request_for(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._requests:
            if len(self._requests) == _SHAPES:
                self._requests.pop(next(iter(self._requests)))
            model = self._model.clone()
            model.reshape({0: list(shape)})
            self._requests[shape] = infer_request(model)
        return self._requests[shape]


class _ArrayEdge(nn.Module):
    """The network from (1, h, w, 3) uint8 to a plain tuple."""

    def __init__(self, net: HandDetectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.net(_pixels(images)))


def _pixels(images: Tensor) -> Tensor:
    # Channels last in memory, as the network wants it; only the view is transposed.
    return images.permute(0, 3, 1, 2).float() / 255


def _convert(net: HandDetectorNet) -> Any:
    example = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
    return convert(_ArrayEdge(net), example, DetectorOutputs._fields, (1, -1, -1, 3))


def create_detector_runner(
    backend: str, net: HandDetectorNet, device: torch.device
) -> DetectorRunner:
    """
    Get a detector's network ready to run beside a mesh network.

    :param backend: the mesh network's; only OpenVINO runs detectors too, the rest leaves them to
        PyTorch.
    :param net: its normalisations are folded in place.
    :raises BackendError: if it cannot be used here.
    """
    if backend == 'openvino' and device.type == 'cpu':
        return OpenVinoDetector(net)
    return EagerDetector(net, device)

"""From crops as arrays to the network's outputs as plain tensors: what compilers are given."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.folding import for_inference
from handmesh_model.backends.graph_sums import GraphWay
from handmesh_model.backends.interface import NetworkResult

if TYPE_CHECKING:
    from handmesh_model.network import HandMeshNet, NetworkConfig

COORDINATES = 3


@dataclass(frozen=True)
class OutputLayout:
    """
    Which outputs a network has, and how they lie in one row of numbers a crop.

    :param widths: numbers of each output, by its name in
        :class:`handmesh_model.network.StageOutputs`, in order.
    """

    widths: dict[str, int]

    @classmethod
    def of(cls, config: NetworkConfig, vertex_count: int) -> OutputLayout:
        """The layout of a network's outputs."""
        joints = config.joint_count
        widths = {'vertices': vertex_count * COORDINATES, 'joints': joints * COORDINATES}
        heads = {'presence': 1, 'side': 1, 'confidence': joints}
        widths |= {name: width for name, width in heads.items() if getattr(config, name)}
        return cls(widths)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.widths)

    @property
    def width(self) -> int:
        """Numbers a crop."""
        return sum(self.widths.values())

    def result(self, outputs: dict[str, np.ndarray], refined: bool = True) -> NetworkResult:
        """
        Outputs by name, in any shape that holds their numbers, as a result.

        Logits become probabilities; where the network has no such head there are ones.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, width in self.widths.items():
            array = np.asarray(outputs[name], dtype=np.float32)
            if name in ('vertices', 'joints'):
                arrays[name] = array.reshape(-1, width // COORDINATES, COORDINATES)
            else:
                arrays[name] = array.reshape(-1) if width == 1 else array.reshape(-1, width)
        vertices, joints = arrays['vertices'], arrays['joints']
        for name in ('presence', 'side'):
            known = name in arrays
            arrays[name] = _sigmoid(arrays[name]) if known else np.ones(len(joints), np.float32)
        confidence = arrays.get('confidence')
        if confidence is None:
            confidence = np.ones(joints.shape[:2], np.float32)
        presence, right = arrays['presence'], arrays['side']
        return NetworkResult(vertices, joints, presence, right, confidence, refined)

    def unpack(self, rows: np.ndarray, refined: bool = True) -> NetworkResult:
        """
        Take apart what :class:`PackedEdge` has put together.

        :param rows: (N, width) float32.
        """
        ends = np.cumsum(list(self.widths.values()))[:-1]
        parts = np.split(rows, ends, axis=1)
        return self.result(dict(zip(self.widths, parts, strict=True)), refined)


class ArrayEdge(nn.Module):
    """
    The network from (N, S, S, 3) uint8 to a tuple of those outputs that it has, float32.

    :param net: left as it is; a copy made for inference is kept.
    :param graph: how neighbours are summed.
    :param dtype: of weights and maps; coordinates are float32 always.
    """

    def __init__(
        self, net: HandMeshNet, graph: GraphWay, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.layout = OutputLayout.of(net.config, net.topology.vertex_count)
        self.input_size = net.config.input_size
        self.dtype = dtype
        self.refined = net.refine_stage is not None
        """Whether the refine stage runs."""
        self.net = for_inference(net, graph).to(dtype)
        # Half precision would round the mesh that the regressor sums up.
        self.net.joint_regressor = self.net.joint_regressor.float()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def without_refine(self) -> ArrayEdge:
        """The same network, on the same weights, without its refine stage."""
        other = copy(self)
        other.refined = False
        return other

    def pixels(self, crops: Tensor) -> Tensor:
        """
        Crops as the network takes them.

        :param crops: (N, S, S, 3) uint8 RGB.
        :returns: (N, 3, S, S) 0..1; channels last in memory, only the view is transposed.
        """
        return crops.permute(0, 3, 1, 2).to(self.dtype) / 255

    def outputs(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The outputs in the layout's order, of what :meth:`pixels` gives."""
        outputs = self.net(pixels, refine=self.refined)
        return tuple(getattr(outputs, name).float() for name in self.layout.names)

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """
        :param crops: (N, S, S, 3) uint8 RGB.
        :returns: the outputs in the layout's order.
        """
        return self.outputs(self.pixels(crops))


class TwofoldEdge(nn.Module):
    """The same, followed by what :func:`rough_names` names, so that one program has both."""

    def __init__(self, edge: ArrayEdge) -> None:
        super().__init__()
        self.edge = edge
        self._rough = rough_names(edge.net.config)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return (*self.edge.layout.names, *self._rough.values())

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """
        :param crops: (N, S, S, 3) uint8 RGB.
        :returns: the outputs in the order of their names.
        """
        net, layout = self.edge.net, self.edge.layout
        outputs = net(self.edge.pixels(crops))
        mesh = outputs.rough_vertices.float()
        rough = {'vertices': mesh, 'joints': net.joint_regressor @ mesh}
        refined = tuple(getattr(outputs, name).float() for name in layout.names)
        return (*refined, *(rough[name] for name in self._rough))


def rough_names(config: NetworkConfig) -> dict[str, str]:
    """Outputs that are others without the refine stage, and what they are called then."""
    if not config.refine_stage:
        return {}
    names = {'vertices': 'rough_vertices'}
    return names | ({'joints': 'rough_joints'} if config.joints_from == 'refined' else {})


class PackedEdge(nn.Module):
    """The same with all outputs in one (N, width) tensor, to be fetched in one transfer."""

    def __init__(self, edge: ArrayEdge) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, crops: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 to (N, width) float32."""
        return _packed(self.edge(crops))


class PixelEdge(nn.Module):
    """The same for runtimes that know no uint8: (N, 3, S, S) 0..1 to (N, width) float32."""

    def __init__(self, edge: ArrayEdge) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, pixels: Tensor) -> Tensor:
        """See :meth:`ArrayEdge.pixels` for what comes in."""
        return _packed(self.edge.outputs(pixels))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))


def _packed(outputs: tuple[Tensor, ...]) -> Tensor:
    columns = [o[:, None] if o.ndim == 1 else o.flatten(1) for o in outputs]
    return torch.cat(columns, dim=1)

"""The three-stage network. Torch only: nothing here reads a file or needs numpy."""

from handmesh_model.network.config import NetworkConfig
from handmesh_model.network.hand_mesh_net import HandMeshNet, StageOutputs

__all__ = ['HandMeshNet', 'NetworkConfig', 'StageOutputs']

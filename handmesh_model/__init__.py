"""
Aligned 3D hand meshes from colour images. Needs PyTorch, never ROS.

The names below are imported on first use, so that ``import handmesh_model`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handmesh_model.hand import Hand, HandBox
    from handmesh_model.handar import import_handar
    from handmesh_model.network.hand_mesh_net import HandMeshNet
    from handmesh_model.predictor import HandMeshPredictor
    from handmesh_model.topology import HandTopology
    from handmesh_model.tracker import HandTracker

_MODULE_OF = {
    'Hand': 'hand',
    'HandBox': 'hand',
    'HandMeshNet': 'network.hand_mesh_net',
    'HandMeshPredictor': 'predictor',
    'HandTopology': 'topology',
    'HandTracker': 'tracker',
    'import_handar': 'handar',
}

__all__ = [
    'Hand',
    'HandBox',
    'HandMeshNet',
    'HandMeshPredictor',
    'HandTopology',
    'HandTracker',
    'import_handar',
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(f'{__name__}.{_MODULE_OF[name]}'), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})

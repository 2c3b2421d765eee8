"""The one description of a network: everything that decides its layers and what it computes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from handmesh_model.errors import ConfigError

LOCAL_FEATURES = ('image', 'stem', 'shared', 'mesh')
"""Feature maps that the paper projects vertices on, from fine to coarse."""
MAPS_FOR_VERTICES = (*LOCAL_FEATURES, 'decoded')
"""All that vertices can be projected on; 'decoded' is what the mesh decoder makes."""
ENCODER_STRIDE = 32
HEATMAP_STRIDE = 4
JOINTS = 21
"""As many as :mod:`handmesh_model.joints` names, which needs NumPy, as no network does."""
DEPTHS = (10, 18, 34, 50)
MOST_CHANNELS = 4096
"""Eight times the widest part of the paper's network that is not a ResNet."""


@dataclass(frozen=True)
class NetworkConfig:
    """
    Configuration of :class:`handmesh_model.network.HandMeshNet`; the defaults are the paper's.

    :param input_size: side of the square crop in pixels, a multiple of 32.
    :param heatmap_size: bins of the 1D heatmaps (lixels); a quarter of ``input_size``.
    :param joint_count: number of joints: the 21 of :mod:`handmesh_model.joints`, no other.
    :param depth: layers of the joint stage's ResNet: 10, 18, 34 or 50.
    :param width: channels of the stem and base width of the joint stage's ResNet.
    :param mesh_depth: layers of the mesh stage's ResNet.
    :param mesh_width: base width of the mesh stage's ResNet.
    :param decoder_channels: channels of the joint stage's three transposed convolutions.
    :param mesh_decoder_channels: the same of the mesh stage.
    :param depth_channels: channels that the depth head lifts the pooled feature to, for each bin.
    :param decoder_skips: whether both decoders take in the encoders' finer maps by 1x1
        convolutions; the paper's do not.
    :param joint_maps: whether training also asks the joint decoder for a 2D map of each joint,
        which the paper does not.
    :param joint_stage: False: the mesh stage sees the image alone (and there is no segmentation).
    :param segmentation: whether the joint stage has the U-Net hand segmentation.
    :param segmentation_levels: upsampling steps of the U-Net: 4 reaches half the crop's size by
        learned steps; 3 predicts at a quarter and interpolates the last step.
    :param segmentation_kernel: size of the convolutions that fuse the U-Net's skips: 3, or 1 where
        it has to be cheap.
    :param refine_stage: False: the rough mesh is the result.
    :param offset: False: the refine stage predicts the mesh itself instead of an offset to it.
    :param local_features: which of :data:`MAPS_FOR_VERTICES` are sampled at the vertices.
    :param global_channels: channels of the global feature given to each vertex; 0 for none.
    :param graph_hidden: hidden width of the first GIN convolution.
    :param graph_width: width of the Graph-CNN's residual blocks.
    :param graph_blocks: number of residual blocks.
    :param graph_tail: hidden width of the last GIN convolution.
    :param depth_axis: what depth relative to the wrist is measured along: 'camera', the camera's
        axis, as the paper's networks; or 'ray', the line of sight to the middle knuckle, about the
        middle of the hand, which a crop shows wherever in the picture it was cut.
    :param joints_from: mesh that the joint regressor is applied to: 'rough' or 'refined'.
    :param presence: whether there is a head that tells if a hand is in the crop.
    :param side: whether there is a head that tells right hands from left ones.
    :param side_hidden: hidden width of that head, which then sees the joint stage's joints beside
        the pooled feature; 0: it is a linear function of the pooled feature.
    :param confidence: whether each joint gets a confidence from how peaked its heatmaps are.
    :param confidence_spread: standard deviation in lixels at which confidence falls to 0.6,
        0.001 to 1000.
    """

    input_size: int = 256
    heatmap_size: int = 64
    joint_count: int = JOINTS
    depth: int = 50
    width: int = 64
    mesh_depth: int = 50
    mesh_width: int = 64
    decoder_channels: tuple[int, ...] = (256, 256, 256)
    mesh_decoder_channels: tuple[int, ...] = (256, 256, 256)
    depth_channels: int = 256
    decoder_skips: bool = False
    joint_maps: bool = False
    joint_stage: bool = True
    segmentation: bool = True
    segmentation_levels: int = 4
    segmentation_kernel: int = 3
    refine_stage: bool = True
    offset: bool = True
    local_features: tuple[str, ...] = LOCAL_FEATURES
    global_channels: int = 512
    graph_hidden: int = 256
    graph_width: int = 64
    graph_blocks: int = 3
    graph_tail: int = 32
    depth_axis: Literal['camera', 'ray'] = 'camera'
    joints_from: Literal['rough', 'refined'] = 'rough'
    presence: bool = False
    side: bool = False
    side_hidden: int = 0
    confidence: bool = False
    confidence_spread: float = 2.0

    def __post_init__(self) -> None:
        """
        Check every value that the layers rest on.

        :raises ConfigError: if a value is outside its range.
        """
        for name in ('decoder_channels', 'mesh_decoder_channels', 'local_features'):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.input_size % ENCODER_STRIDE:
            raise ConfigError(
                f'input_size is {self.input_size}, expected a multiple of {ENCODER_STRIDE}'
            )
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f'{name} is {value}, expected {least} to {most}')
        if self.heatmap_size * HEATMAP_STRIDE != self.input_size:
            raise ConfigError(
                f'heatmap_size is {self.heatmap_size}, expected input_size / {HEATMAP_STRIDE} = '
                f'{self.input_size // HEATMAP_STRIDE}'
            )
        # Said by every weights file, but the topology and all who read joints have these alone.
        if self.joint_count != JOINTS:
            raise ConfigError(f'joint_count is {self.joint_count}, expected {JOINTS}')
        for name in ('depth', 'mesh_depth'):
            _check_choice(name, getattr(self, name), DEPTHS)
        _check_choice('depth_axis', self.depth_axis, ('camera', 'ray'))
        _check_choice('joints_from', self.joints_from, ('rough', 'refined'))
        _check_choice('segmentation_levels', self.segmentation_levels, (3, 4))
        _check_choice('segmentation_kernel', self.segmentation_kernel, (1, 3))
        for feature in self.local_features:
            _check_choice('local_features', feature, MAPS_FOR_VERTICES)
        for name in ('decoder_channels', 'mesh_decoder_channels'):
            channels = getattr(self, name)
            if len(channels) != 3 or not all(1 <= count <= MOST_CHANNELS for count in channels):
                raise ConfigError(
                    f'{name} is {channels}, expected 3 positive numbers up to {MOST_CHANNELS}'
                )
        if self.side_hidden and not self.joint_stage:
            raise ConfigError(
                f'side_hidden is {self.side_hidden}, which takes the joint stage: expected 0'
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """
        Build from plain values, as YAML or JSON give them; absent keys keep their defaults.

        :raises ConfigError: if a key is unknown or a value has the wrong type or range.
        """
        defaults = {field.name: field.default for field in fields(cls)}
        unknown = sorted(set(values) - set(defaults))
        if unknown:
            raise ConfigError(
                f'unknown network keys {", ".join(unknown)}; known are {", ".join(defaults)}'
            )
        return cls(**{key: _typed(key, value, defaults[key]) for key, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """All values as plain types, lists for tuples, in the order of the fields."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


_RANGES = {
    'input_size': (ENCODER_STRIDE, 2048),
    'width': (1, 512),
    'mesh_width': (1, 512),
    'depth_channels': (1, MOST_CHANNELS),
    'global_channels': (0, MOST_CHANNELS),
    'graph_hidden': (1, MOST_CHANNELS),
    'graph_width': (1, MOST_CHANNELS),
    'graph_blocks': (0, 64),
    'graph_tail': (1, MOST_CHANNELS),
    'side_hidden': (0, MOST_CHANNELS),
    # Its square is a divisor; that of a tiny one is 0.
    'confidence_spread': (1e-3, 1e3),
}
"""Least and most, both included. Weights files say these numbers, and may say anything."""


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ConfigError(f'{name} is {value!r}, expected one of {choices}')


def _typed(key: str, value: Any, default: object) -> Any:
    """Hold a value to the type of its default; lists stand for tuples, int for float."""
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        kind = type(default[0])
        if all(type(item) is kind for item in value):
            return tuple(value)
    elif isinstance(default, float) and type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:  # whole numbers can be larger than any float
            pass
    elif type(value) is type(default):
        return value
    raise ConfigError(f'{key} is {value!r}, expected a value like {default!r}')

"""From a configuration to the parts of a run: network and losses."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from handmesh_model.checkpoints import (
    Checkpoint,
    blank_network,
    read_checkpoint,
    shortened,
    state_problems,
    topology_hash,
)
from handmesh_model.checks import check_range
from handmesh_model.errors import CheckpointError, ConfigError
from handmesh_model.lixels import LixelScale
from handmesh_model.losses import LossWeights
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.topology import HandTopology
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import from_mapping
from handmesh_model.training.encoder_weights import load_encoders
from handmesh_model.training.widening import is_wider, widen
from handmesh_model.yaml_files import read_yaml

LEAST_WIDTH = 8
ADDED_PARTS = ('joint_stage.skips.', 'mesh_stage.skips.', 'joint_stage.maps.')
"""What a network may have beyond the weights that it starts from: it begins without effect."""
PRESENCE_BIAS = 'presence_bias'
"""Fact of weights: what was added to the bias of their presence head after training."""


def load_topology(name: str) -> HandTopology:
    """The open hand's topology for 'open', else that of an npz file."""
    return HandTopology.open_hand() if name == 'open' else HandTopology.load(name)


def network_config(config: TrainingConfig) -> NetworkConfig:
    """
    The description of the network to train.

    :raises ConfigError: if its file cannot be read or an entry is wrong.
    """
    values = read_yaml(Path(config.network), 'network')
    return NetworkConfig.from_dict({**(values or {}), **config.network_options})


def build_network(config: TrainingConfig, resumed: bool = False) -> HandMeshNet:
    """
    A network with random weights from the run's seed, or with those that the run starts from.

    :param resumed: whether its weights will be those of a run that goes on: files of weights to
        start from are not read then, and need not be there any more.
    :raises ConfigError: if the network's description is wrong.
    :raises CheckpointError: if weights to start from do not fit.
    """
    description = network_config(config)
    torch.manual_seed(config.seed)
    net = HandMeshNet(description, load_topology(config.topology))
    if resumed:
        return net
    if config.encoder_weights:
        load_encoders(net, Path(config.encoder_weights))
    if config.init_weights:
        _start_from(net, config.init_weights)
    return net


def _start_from(net: HandMeshNet, weights: str) -> None:
    checkpoint = read_checkpoint(weights)
    _undo_shift_of_presence(checkpoint, weights)
    same_mesh = topology_hash(net.topology) == topology_hash(checkpoint.topology)
    if same_mesh and is_wider(net.config, checkpoint.config):
        narrow = blank_network(checkpoint.config, checkpoint.topology)
        narrow.load_state_dict(checkpoint.state, assign=True)
        return widen(net, narrow)
    own, state = net.state_dict(), checkpoint.state
    state |= {k: v for k, v in own.items() if k.startswith(ADDED_PARTS) and k not in state}
    problems = state_problems(own, state)
    if problems:
        told = '\n  '.join(shortened(problems))
        raise CheckpointError(f"'{weights}' does not fit the network to train:\n  {told}")
    net.load_state_dict(state)


def _undo_shift_of_presence(checkpoint: Checkpoint, weights: str) -> None:
    """
    Take back how much stricter the presence of a hand was made after training.

    Shipped weights are, and say so; training, where most crops show a hand, would start off it.
    """
    said = checkpoint.facts.get(PRESENCE_BIAS, 0)
    try:
        shift = float(said)
    except (TypeError, ValueError):
        shift = math.nan
    if not math.isfinite(shift):
        raise CheckpointError(f"'{weights}' says {PRESENCE_BIAS} {said!r}, expected a number")
    if shift and 'presence.bias' in checkpoint.state:
        checkpoint.state['presence.bias'] = checkpoint.state['presence.bias'] - shift


def fastest_layout(net: HandMeshNet) -> HandMeshNet:
    """
    The network with its weights laid out for speed: channels last, as the pictures come.

    :raises ConfigError: if it is too narrow. Below eight channels torch's CPU kernels (2.13) write
        beyond their memory in the backward pass of 1x1 convolutions of stride 2 with that layout.
    """
    for name in ('width', 'mesh_width'):
        width = getattr(net.config, name)
        if width < LEAST_WIDTH:
            raise ConfigError(f'{name} is {width}, expected at least {LEAST_WIDTH} for training')
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def lixel_scale(net: HandMeshNet) -> LixelScale:
    """What lixels mean for this network."""
    return LixelScale(net.config.input_size, net.config.heatmap_size)


def loss_weights(config: TrainingConfig) -> LossWeights:
    """
    The factors of the loss terms.

    :raises ConfigError: for a term that does not exist or a negative factor.
    """
    weights = from_mapping(LossWeights, config.losses, 'losses.')
    for name, value in vars(weights).items():
        check_range(f'losses.{name}', value, 0)
    unknown = sorted(set(config.loss_ramps) - set(vars(weights)))
    if unknown:
        raise ConfigError(
            f"unknown entry 'loss_ramps.{unknown[0]}'; known are {', '.join(vars(weights))}"
        )
    return weights

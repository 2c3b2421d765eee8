"""From a configuration to the parts of a run: network, losses, optimizer, data."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml
from torch import nn

from handmesh_model.errors import ConfigError
from handmesh_model.losses import LossWeights
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.network.soft_argmax import LixelHead
from handmesh_model.topology import HandTopology
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.config import OptimizerConfig, TrainingConfig, from_mapping
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.synthetic_stream import SyntheticStream
from handmesh_model.training.targets import LixelScale


def load_topology(name: str) -> HandTopology:
    """The open hand's topology for 'open', else that of an npz file."""
    return HandTopology.open_hand() if name == 'open' else HandTopology.load(name)


def build_network(config: TrainingConfig) -> HandMeshNet:
    """
    A network with random weights from the run's seed, or with ``init_weights``.

    :raises ConfigError: if the network's file cannot be read.
    """
    try:
        values = yaml.safe_load(Path(config.network).read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read network '{config.network}': {error}") from error
    network_config = NetworkConfig.from_dict({**(values or {}), **config.network_options})
    torch.manual_seed(config.seed)
    net = HandMeshNet(network_config, load_topology(config.topology))
    if config.init_weights:
        from handmesh_model.checkpoints import load_network

        net.load_state_dict(load_network(config.init_weights).state_dict())
    return net


def lixel_scale(net: HandMeshNet) -> LixelScale:
    """What lixels mean for this network."""
    return LixelScale(net.config.input_size, net.config.heatmap_size)


def loss_weights(config: TrainingConfig) -> LossWeights:
    """The factors of the loss terms, checked."""
    return from_mapping(LossWeights, config.losses, 'losses.')


def build_optimizer(config: OptimizerConfig, net: nn.Module) -> torch.optim.Optimizer:
    """
    Adam or AdamW in its fused form, on a CPU five times faster than the plain one.

    Norms and biases are not decayed. Each group's ``factor`` is what its learning rate is of the
    scheduled one.
    """
    heads = {
        parameter
        for module in net.modules()
        if isinstance(module, LixelHead)
        for layer in (module.x, module.y, module.z)
        for parameter in layer.parameters()
    }
    decayed = [p for p in net.parameters() if p.ndim > 1 and p not in heads]
    others = [p for p in net.parameters() if p.ndim <= 1 and p not in heads]
    of_heads = [p for p in net.parameters() if p in heads]
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay, 'factor': 1.0},
        {'params': others, 'weight_decay': 0.0, 'factor': 1.0},
        {'params': of_heads, 'weight_decay': 0.0, 'factor': config.head_factor},
    ]
    kind = torch.optim.AdamW if config.name == 'adamw' else torch.optim.Adam
    betas = (config.beta1, config.beta2)
    groups = [group for group in groups if group['params']]
    return kind(groups, lr=config.learning_rate, betas=betas, fused=True)


def build_stream(
    config: TrainingConfig, net: HandMeshNet, ranks: Ranks, step: int
) -> SyntheticStream:
    """
    This rank's training data from a step on.

    :raises ConfigError: if the batch cannot be shared out evenly.
    """
    if config.batch_size % ranks.count:
        raise ConfigError(
            f'batch_size is {config.batch_size}, expected a multiple of the {ranks.count} ranks'
        )
    return SyntheticStream(
        config.data,
        Augmenter(config.augmentation, net.config.input_size),
        lixel_scale(net),
        net.topology.vertex_count,
        config.batch_size // ranks.count,
        (config.seed, ranks.rank, step),
        ranks.count,
    )

"""
The end of a run with batch normalizations that keep their statistics.

In training they normalize by the batch at hand, which for the few crops of a mesh stage is noise
that the network as it is used does not have. With statistics that stand still both compute the
same, and the last steps fit what is used.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from handmesh_model.training.distributed import reduce_over_ranks


class FrozenNorms:
    """
    The batch normalizations of a network, which may stop to follow the batches.

    :param net: on this rank's device.
    :param ranks: number of ranks.
    """

    def __init__(self, net: nn.Module, ranks: int) -> None:
        self._norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
        self._ranks = ranks
        self.frozen = False
        """Whether they have stopped; ``net.train()`` lets them go again until the next freeze."""

    @torch.no_grad()
    def freeze(self) -> None:
        """Normalize by the statistics of all ranks together from now on; all ranks must do so."""
        if not self.frozen and self._ranks > 1:
            for norm in self._norms:
                for statistic in (norm.running_mean, norm.running_var):
                    assert statistic is not None
                    reduce_over_ranks(statistic)
                    statistic /= self._ranks
        self.frozen = True
        for norm in self._norms:
            norm.eval()

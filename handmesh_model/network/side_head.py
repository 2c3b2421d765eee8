"""Which side a hand is of, from what the joint stage sees and where it sees the joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from handmesh_model.network.soft_argmax import LixelHeatmaps, heatmap_spread, lixel_coordinates

REACH = 0.25
"""Share of the crop that a joint is away from the middle of all, roughly; it becomes 1."""


class SideHead(nn.Module):
    """
    Tells right hands from left ones.

    A mirrored left hand is a right hand that is seen from the other side, as far as its outline
    goes; which of the two the joints make of it, and how sure they are of it, counts beside how
    the skin looks.

    :param pooled_channels: channels of the joint encoder's pooled map.
    :param joint_count: number of joints.
    :param hidden: width of the layer in between.
    """

    def __init__(self, pooled_channels: int, joint_count: int, hidden: int) -> None:
        super().__init__()
        self.pooled_channels = pooled_channels
        channels = pooled_channels + 2 * len(LixelHeatmaps._fields) * joint_count
        self.hidden = nn.Linear(channels, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, pooled: Tensor, heatmaps: LixelHeatmaps) -> Tensor:
        """
        :param pooled: (B, pooled_channels).
        :param heatmaps: of the joint stage; they are not trained through here.
        :returns: (B,) logits of a right hand.
        """
        heatmaps = LixelHeatmaps(*(logits.detach() for logits in heatmaps))
        joints = lixel_coordinates(heatmaps)
        joints = joints - joints.mean(dim=1, keepdim=True)
        spread = torch.stack([heatmap_spread(logits) for logits in heatmaps], dim=-1)
        points = torch.cat([joints, spread], dim=1) / (REACH * heatmaps.x.shape[-1])
        seen = torch.cat([points.flatten(1), pooled], dim=1)
        # Coordinates come in float32 whatever the weights are.
        seen = seen.to(self.hidden.weight.dtype)
        logits: Tensor = self.out(torch.relu(self.hidden(seen)))
        return logits.squeeze(1)

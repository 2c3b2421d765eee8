"""ResNet encoders of any base width, and the decoder that brings their output to heatmap size."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

STAGE_COUNT = 4
_LAYERS_A_STEP = 3
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (He et al., Deep Residual Learning, figure 5 left)."""

    expansion = 1

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels, stride)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm before the shortcut is added."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions with a shortcut; the stride sits on the 3x3 (ResNet v1.5)."""

    expansion = 4

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        channels_out = channels * self.expansion
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels_in, channels_out, stride)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm before the shortcut is added."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and channels_in == channels_out:
        return None
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


class Stem(nn.Module):
    """
    First 7x7 convolution and max-pool.

    :param width: channels of both outputs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param image: (B, 3, S, S).
        :returns: stem output (B, width, S/2, S/2) and shared shallow feature (B, width, S/4, S/4).
        """
        stem = self.relu(self.bn1(self.conv1(image)))
        return stem, self.maxpool(stem)


class EncoderOutputs(NamedTuple):
    """Feature maps of the four residual stages, at 1/4, 1/8, 1/16 and 1/32 of the crop's size."""

    layer1: Tensor
    layer2: Tensor
    layer3: Tensor
    layer4: Tensor


class ResNetStages(nn.Module):
    """
    The four residual stages of a ResNet, without stem and classifier.

    :param depth: 10, 18, 34 or 50.
    :param channels_in: channels of the input.
    :param width: base width; stage i has width * 2**i channels, four times as many at depth 50.
    """

    def __init__(self, depth: int, channels_in: int, width: int) -> None:
        super().__init__()
        block = Bottleneck if depth >= 50 else BasicBlock
        channels = []
        for stage, count in enumerate(BLOCKS[depth]):
            layers = []
            for i in range(count):
                stride = 2 if i == 0 and stage > 0 else 1
                layers.append(block(channels_in, width * 2**stage, stride))
                channels_in = width * 2**stage * block.expansion
            self.add_module(f'layer{stage + 1}', nn.Sequential(*layers))
            channels.append(channels_in)
        self.channels = tuple(channels)

    def forward(self, x: Tensor) -> EncoderOutputs:
        """
        :param x: (B, channels_in, S/4, S/4).
        :returns: the four maps; channel counts are in ``channels``.
        """
        maps = []
        for stage in range(STAGE_COUNT):
            x = self.get_submodule(f'layer{stage + 1}')(x)
            maps.append(x)
        return EncoderOutputs(*maps)


class Decoder(nn.Sequential):
    """
    Transposed convolutions, each doubling the size, with BN and ReLU.

    :param channels_in: channels of the encoder's last map.
    :param channels: channels after each step.
    """

    def __init__(self, channels_in: int, channels: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        for channels_out in channels:
            layers += [
                nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1, bias=False),
                nn.BatchNorm2d(channels_out),
                nn.ReLU(inplace=True),
            ]
            channels_in = channels_out
        super().__init__(*layers)

    def forward(self, x: Tensor, skips: tuple[Tensor, ...] = ()) -> Tensor:
        """
        :param x: (B, channels_in, h, w).
        :param skips: what is added after each step, of :class:`DecoderSkips`; none for nothing.
        :returns: (B, channels[-1], 8 h, 8 w).
        """
        for i, layer in enumerate(self):
            x = layer(x)
            step, last = divmod(i + 1, _LAYERS_A_STEP)
            if skips and not last:
                x = x + skips[step - 1]
        return x


class DecoderSkips(nn.ModuleList):
    """
    The encoder's maps for a :class:`Decoder` to add to its own, as a U-Net does (Ronneberger et
    al., 2015), so that what is fine need not go through the coarsest map.

    :param encoder_channels: channels of the encoder's four maps.
    :param decoder_channels: channels after each of the decoder's three steps.
    :param present: False: there are none, and nothing is added.
    """

    def __init__(
        self,
        encoder_channels: tuple[int, ...],
        decoder_channels: tuple[int, ...],
        present: bool,
    ) -> None:
        pairs = zip(encoder_channels[-2::-1], decoder_channels, strict=True)
        super().__init__(nn.Conv2d(a, b, 1, bias=False) for a, b in pairs if present)

    def forward(self, encoded: EncoderOutputs) -> tuple[Tensor, ...]:
        """What to add, from the coarsest to the finest."""
        maps = (encoded.layer3, encoded.layer2, encoded.layer1)
        return tuple(conv(x) for conv, x in zip(self, maps, strict=False))

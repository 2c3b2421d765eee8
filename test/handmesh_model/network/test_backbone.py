import pytest
import torch

from handmesh_model.network.backbone import Decoder, ResNetStages, Stem


@pytest.mark.parametrize(
    ('depth', 'parameters'),
    # ResNet's published sizes less the stem (9,536) and the classifier.
    [(18, 11_176_512 - 9_536), (34, 21_284_672 - 9_536), (50, 23_508_032 - 9_536)],
)
def test_depths_have_the_published_number_of_weights(depth, parameters):
    with torch.device('meta'):
        stages = ResNetStages(depth, 64, 64)
    assert sum(p.numel() for p in stages.parameters()) == parameters


def test_stem_and_stages_halve_the_size():
    stem, shared = Stem(8)(torch.rand(1, 3, 64, 64))
    assert stem.shape == (1, 8, 32, 32)
    assert shared.shape == (1, 8, 16, 16)
    stages = ResNetStages(10, 8, 12)
    shapes = [tuple(m.shape[1:]) for m in stages(shared)]
    assert shapes == [(12, 16, 16), (24, 8, 8), (48, 4, 4), (96, 2, 2)]
    assert stages.channels == (12, 24, 48, 96)


def test_bottlenecks_are_four_times_as_wide_at_their_end():
    stages = ResNetStages(50, 8, 4)
    assert stages.channels == (16, 32, 64, 128)
    assert stages(torch.rand(1, 8, 16, 16)).layer4.shape == (1, 128, 2, 2)


def test_the_decoder_doubles_the_size_three_times():
    decoder = Decoder(6, (5, 4, 3))
    assert decoder(torch.rand(1, 6, 2, 2)).shape == (1, 3, 16, 16)

"""What the weights of a run are measured on, while it goes on."""

from __future__ import annotations

from pathlib import Path

import torch

from handmesh_model.network import HandMeshNet
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.data import validation_samples
from handmesh_model.training.setup import lixel_scale
from handmesh_model.training.validation import samples_digest, validate


class Measurer:
    """
    Measures networks on the validation samples of a run, and on photographs.

    :param config: the run.
    :param net: the network to train, for what the samples have to fit.
    :param folder: of the run, where rendered samples are kept.
    :param photographs: folder of labelled ones, laid out as
        :mod:`handmesh_model.datasets.real_images` describes it; None for none.
    :raises ConfigError: as of :func:`handmesh_model.training.data.validation_samples`.
    """

    def __init__(
        self, config: TrainingConfig, net: HandMeshNet, folder: Path, photographs: Path | None
    ) -> None:
        self._samples = validation_samples(config, net, folder)
        self._scale = lixel_scale(net)
        self._photographs = photographs
        self._every, self._batch = config.validation.every_samples, config.batch_size

    @property
    def has_any(self) -> bool:
        """Whether there is anything to measure on."""
        return self._samples is not None or self._photographs is not None

    @property
    def digest(self) -> str | None:
        """Of the validation samples; None without any."""
        return None if self._samples is None else samples_digest(self._samples)

    def is_due(self, samples: int) -> bool:
        """Whether the step that came to this many samples is one to measure after."""
        return self.has_any and samples // self._every > (samples - self._batch) // self._every

    def measure(self, net: HandMeshNet, device: torch.device) -> dict[str, float]:
        """
        :param net: in evaluation mode.
        :returns: figures of :func:`~handmesh_model.training.validation.validate`; those of
            photographs begin with 'real_'.
        """
        figures: dict[str, float] = {}
        if self._samples is not None:
            figures |= validate(net, self._samples, self._scale, device)
        if self._photographs is not None:
            from handmesh_model.evaluation.real_images import evaluate_network_on_real

            real = evaluate_network_on_real(net, self._photographs)
            figures |= {f'real_{name}': value for name, value in real.items()}
        return figures

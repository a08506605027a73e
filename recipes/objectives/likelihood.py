"""Maximum likelihood of quantised audio, code by code: cross entropy of an autoregressive model.

Source: SaShiMi (arXiv 2202.09729), section 4; like WaveNet and SampleRNN.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.objectives.objective import Batch, Log, Objective, Update
from vocoders.core.config import Config

__all__ = ["CodeModel", "LikelihoodObjective", "LikelihoodOptions", "Quantiser", "encode_batch"]

# Cross entropy ignores positions with this target.
IGNORED = -100


class LikelihoodOptions(Config):
    """Options of maximum likelihood.

    Attributes:
        name: ``likelihood``.
    """

    name: Literal["likelihood"] = "likelihood"


class Quantiser(Protocol):
    """Interface of quantisers: audio to codes."""

    @property
    def num_codes(self) -> int:
        """Number of different codes."""
        ...

    @property
    def zero_code(self) -> int:
        """Code of silence."""
        ...

    def encode(self, audio: Tensor) -> Tensor:
        """Return the codes of audio (..., T), int64 of the same shape."""
        ...


class CodeModel(Protocol):
    """Interface of a model of codes, ``forward(codes, labels)`` -> logits (B, L, num_codes)."""

    @property
    def quantiser(self) -> Quantiser:
        """The quantiser of its codes."""
        ...

    def shift(self, codes: Tensor) -> Tensor:
        """Return codes (B, L) delayed by one: the input that predicts them."""
        ...


class LikelihoodObjective(Objective):
    """Mean cross entropy of the codes of a segment, each predicted from those before it.

    The padding of a short utterance is an input, but not a target.

    Args:
        options: none but the name.
        generator: a model of codes.
    """

    Options = LikelihoodOptions
    kinds = ("generator",)
    #: Units of the validation loss: nats, and bits per sample.
    validation_units: ClassVar[Mapping[str, float]] = {"valid/loss": 1.0, "valid/bits": 1 / math.log(2)}

    def __init__(self, options: LikelihoodOptions, generator: CodeModel) -> None:
        super().__init__(options, generator)
        self.quantiser, self.shift = generator.quantiser, generator.shift

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the generator once.

        Args as in :meth:`Objective.training_step`; ``batch`` contains ``audio`` (B, 1, T), ``length`` (B,), the number
        of samples before the padding, and ``labels`` (B,) for a generator with labels.
        """
        total, count = self._cross_entropy(parts["generator"], batch)
        loss = total / count
        bits = loss.detach() / math.log(2)
        return {"loss/nats": loss.detach(), "loss/bits": bits, "gradient/generator": update("generator", loss)}

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the nats of all codes of a batch, and their number."""
        total, count = self._cross_entropy(generator, batch)
        return float(total.detach()), count

    def item_losses(self, generator: nn.Module, batch: Batch) -> Tensor:
        """Return the nats of all codes of each item of a batch, float64 (B,)."""
        logits, targets = self._logits(generator, batch)
        losses = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")
        return losses.double().view_as(targets).sum(dim=1)

    def codes(self, audio: Tensor) -> Tensor:
        """Return the codes (T,) of one item's audio (T,), int32."""
        return self.quantiser.encode(audio).int()

    def _cross_entropy(self, generator: nn.Module, batch: Batch) -> tuple[Tensor, int]:
        logits, targets = self._logits(generator, batch)
        total = F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="sum")
        return total, int(batch["length"].sum())

    def _logits(self, generator: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the logits of all codes, float32 (B * T, num_codes), and the targets (B, T)."""
        codes, targets = encode_batch(self.quantiser, batch["audio"], batch["length"])
        logits = generator(codes=self.shift(codes), labels=batch.get("labels"))
        return logits.flatten(0, 1).float(), targets


def encode_batch(quantiser: Quantiser, audio: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise a padded batch.

    Args:
        quantiser: quantiser of the model.
        audio: (B, 1, T).
        length: (B,), number of samples of each item before the padding.

    Returns:
        Codes (B, T), with the code of silence after the end of an item, and targets (B, T), -100 there.
    """
    codes = torch.full((audio.shape[0], audio.shape[-1]), quantiser.zero_code, device=audio.device)
    targets = torch.full_like(codes, IGNORED)
    # Item by item: the published quantiser rescales a clip without its padding.
    for item, samples in enumerate(length.tolist()):
        codes[item, :samples] = quantiser.encode(audio[item, 0, :samples])
        targets[item, :samples] = codes[item, :samples]
    return codes, targets

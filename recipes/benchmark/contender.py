"""Interface of contenders: audio from a length."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Contender"]


class Contender(ABC):
    """A system that is measured.

    Attributes:
        name: in tables.
        kind: ``vocoder`` (from features), ``generator`` (from nothing, sample by sample) or ``peer``.
        sample_rate: of its audio, in Hz.
        network: what holds its parameters; ``None`` without any.
        device: where it runs.
        calls: calls of the velocity network for each synthesis, for models of flow matching.
    """

    name: str
    kind: str
    sample_rate: int
    network: nn.Module | None = None
    device = torch.device("cpu")
    calls: int | None = None

    @abstractmethod
    def inputs(self, seconds: float) -> Any:
        """Return the inputs of :meth:`run` for some seconds of audio; this is not measured."""

    @abstractmethod
    def run(self, inputs: Any) -> Tensor:
        """Return audio (1, 1, T)."""

    def first_run(self, inputs: Any) -> Tensor:
        """Run, including the preparation before the first sample."""
        return self.run(inputs)

    def snr(self, seconds: float) -> float | None:
        """Return the signal-to-noise ratio in dB against full precision; ``None`` in full precision."""
        return None

    def counting(self, seconds: float) -> tuple[Any, float]:
        """Return inputs for counting arithmetic, and the seconds of audio that they give."""
        return self.inputs(seconds), seconds

    @property
    def num_parameters(self) -> int:
        """Number of parameters."""
        return 0 if self.network is None else sum(parameter.numel() for parameter in self.network.parameters())

    def wait(self) -> None:
        """Wait until the device has finished."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

"""Stepping an autoregressive model: code by code, many items at a time.

:class:`Stepper` is what a sampler needs. :class:`PlainStepper` calls the model's own step: any device, any precision.
``stepping_fused`` runs whole blocks of samples in compiled code on a CPU and ``stepping_graph`` replays recorded steps
on a GPU; both give the plain step's numbers up to rounding. :func:`make_stepper` takes the fastest one that fits.
"""

import importlib.util
import logging
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.sashimi.model import Sashimi
from vocoders.sashimi.stepping_prompt import read_prompt
from vocoders.sashimi.tiers import TierState

__all__ = ["PlainStepper", "Stepper", "WeightFormat", "draw_codes", "make_stepper"]

WeightFormat = Literal["float32", "int16"]

_logger = logging.getLogger(__name__)


class Stepper(ABC):
    """A batch of items that grow code by code.

    Guidance steps two sequences for an item: that of its label and, behind those of all items, that of the labels'
    mean, which reads the same codes.

    Attributes:
        model: the model.
        batch_size: B, the number of items.
        labels: int64 (B,), ``None`` for a model without labels, or for the mean of all.
        guidance: see :class:`~vocoders.sashimi.config.SamplingConfig`.
        sequence_labels: int64 (B,), or (2 B,) with guidance.
    """

    def __init__(self, model: Sashimi, batch_size: int, labels: Tensor | None = None, guidance: float = 1.0) -> None:
        if guidance != 1 and not model.config.labels:
            raise ConfigError(f"guidance {guidance:g} of a model without labels; leave it out")
        self.model = model
        self.batch_size = batch_size
        labels = None if labels is None else labels.to(model.head.weight.device)
        self.labels = self.sequence_labels = model.check_labels(labels, batch_size)
        self.guidance = guidance
        if guidance != 1 and labels is not None:
            mean = torch.full_like(labels, len(model.config.labels))
            self.sequence_labels = torch.cat([labels, mean])

    @property
    def num_sequences(self) -> int:
        """B, or 2 B with guidance."""
        return self.batch_size if self.sequence_labels is None else len(self.sequence_labels)

    def draw(self, uniforms: np.ndarray, temperature: float = 1.0, top_p: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Draw codes and go on behind them.

        Args:
            uniforms: float64 (B, n) in [0, 1), one number for each code.
            temperature: divides the logits; 0 takes the most probable code.
            top_p: codes are drawn from the most probable ones that together have at least this probability (at
                temperature 1, as published).

        Returns:
            Codes int64 (B, n), and the sums of their log-probabilities in nats (at temperature 1, without ``top_p``,
            with guidance), float64 (B,).
        """
        if uniforms.ndim != 2 or len(uniforms) != self.batch_size:
            raise ShapeError(f"uniforms {uniforms.shape}; expected ({self.batch_size}, n)")
        return self._draw(uniforms, temperature, top_p)

    def follow(self, codes: np.ndarray) -> np.ndarray:
        """Go on with given codes, int64 (B, n); return the (guided) logits that predicted each one, (B, n, V)."""
        if codes.ndim != 2 or len(codes) != self.batch_size:
            raise ShapeError(f"codes {codes.shape}; expected ({self.batch_size}, n)")
        return self._follow(codes)

    @abstractmethod
    def _draw(self, uniforms: np.ndarray, temperature: float, top_p: float) -> tuple[np.ndarray, np.ndarray]: ...

    @abstractmethod
    def _follow(self, codes: np.ndarray) -> np.ndarray: ...


class PlainStepper(Stepper):
    """Step by the model's own :meth:`~vocoders.sashimi.model.Sashimi.step`.

    Args:
        model: a causal model.
        batch_size: number of sequences.
        prompt: int64 (L,) codes that every sequence begins with, or None; read in parallel.
        labels: int64 (B,), of a model that has some.
        guidance: see :class:`~vocoders.sashimi.config.SamplingConfig`.
    """

    def __init__(
        self,
        model: Sashimi,
        batch_size: int = 1,
        prompt: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        guidance: float = 1.0,
    ) -> None:
        super().__init__(model, batch_size, labels, guidance)
        self._state, codes = read_prompt(model, self.num_sequences, prompt, self.sequence_labels)
        self._codes = codes[:batch_size]

    def _advance(self, codes: Tensor) -> Tensor:
        """Read codes (B,) and return the logits of the next ones."""
        logits, self._state = self._step(codes, self._state)
        return logits

    def _step(self, codes: Tensor, state: TierState) -> tuple[Tensor, TierState]:
        if self.num_sequences == self.batch_size:
            return self.model.step(codes, state, self.sequence_labels)
        logits, state = self.model.step(codes.repeat(2), state, self.sequence_labels)
        own, mean = logits.chunk(2)
        return mean + self.guidance * (own - mean), state

    @torch.inference_mode()
    def _draw(self, uniforms: np.ndarray, temperature: float, top_p: float) -> tuple[np.ndarray, np.ndarray]:
        device = self._codes.device
        numbers = torch.from_numpy(np.ascontiguousarray(uniforms)).to(device)
        drawn = torch.empty(numbers.shape, dtype=torch.int64, device=device)
        scores = torch.zeros(self.batch_size, dtype=torch.float64, device=device)
        for t in range(numbers.shape[1]):
            self._codes, score = draw_codes(self._advance(self._codes), numbers[:, t], temperature, top_p)
            drawn[:, t] = self._codes
            scores += score
        return drawn.cpu().numpy(), scores.cpu().numpy()

    @torch.inference_mode()
    def _follow(self, codes: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(codes)).to(self._codes.device)
        logits = []
        for t in range(given.shape[1]):
            # A copy: steps that are recorded write their logits to one place.
            logits.append(self._advance(self._codes).clone())
            self._codes = given[:, t]
        return torch.stack(logits, dim=1).cpu().numpy()


def draw_codes(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw one code for each item by inverting its distribution function.

    Args:
        logits: (B, V).
        uniforms: float64 (B,) in [0, 1).
        temperature: divides the logits; 0 takes the most probable code.
        top_p: a code is kept if those that are more probable have less than this probability together.

    Returns:
        Codes int64 (B,) and their log-probabilities at temperature 1, without ``top_p``, float64 (B,).
    """
    logits = logits.double()
    relative = logits - logits.amax(dim=1, keepdim=True)
    weights = relative.exp()
    if temperature == 0:
        codes = relative.argmax(dim=1)
    else:
        tempered = (relative / temperature).exp()
        if top_p < 1:
            ordered = weights.sort(dim=1, descending=True).values
            before = ordered.cumsum(dim=1) - ordered
            kept = before < top_p * weights.sum(dim=1, keepdim=True)
            least = torch.where(kept, ordered, torch.inf).amin(dim=1, keepdim=True)
            tempered = torch.where(weights >= least, tempered, 0)
        reached = tempered.cumsum(dim=1)
        beyond = reached > uniforms[:, None] * reached[:, -1:]
        codes = beyond.to(torch.int64).argmax(dim=1)
    scores = torch.log_softmax(logits, dim=1).gather(1, codes[:, None])[:, 0]
    return codes, scores


def make_stepper(
    model: Sashimi,
    batch_size: int = 1,
    prompt: Tensor | None = None,
    *,
    weights: WeightFormat = "float32",
    labels: Tensor | None = None,
    guidance: float = 1.0,
) -> Stepper:
    """Return the fastest stepper for a model where it is.

    Args:
        model: a causal model.
        batch_size: number of sequences.
        prompt: int64 (L,) codes that every sequence begins with, or None.
        weights: ``int16`` halves the memory that a CPU reads for every sample and changes logits by some 1e-4.
        labels: int64 (B,), of a model that has some; :func:`~vocoders.sashimi.sampler.item_labels` draws them.
        guidance: see :class:`~vocoders.sashimi.config.SamplingConfig`.

    Raises:
        ConfigError: for ``int16`` where the fused step does not run, or guidance of a model without labels.
        ShapeError: for a prompt or labels that do not belong to the model.
    """
    parameter = model.head.weight
    if parameter.device.type == "cpu" and parameter.dtype == torch.float32 and importlib.util.find_spec("numba"):
        from vocoders.sashimi.stepping_fused import FusedStepper

        return FusedStepper(model, batch_size, prompt, weights=weights, labels=labels, guidance=guidance)
    if weights != "float32":
        raise ConfigError(f"weights '{weights}' need a float32 model on a CPU, and numba; use weights 'float32'")
    if parameter.device.type == "cuda":
        from vocoders.sashimi.stepping_graph import GraphStepper

        try:
            return GraphStepper(model, batch_size, prompt, labels=labels, guidance=guidance)
        except RuntimeError as error:
            reason = (str(error).strip() or "no message").splitlines()[0]
            _logger.warning("steps cannot be recorded on this GPU (%s); stepping without", reason)
    return PlainStepper(model, batch_size, prompt, labels=labels, guidance=guidance)

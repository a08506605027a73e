"""Steps in plain PyTorch by the model's own step: on any device, in any precision."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vocoders.sashimi.runtimes.prompt import read_prompt
from vocoders.sashimi.runtimes.stepper import Stepper

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi
    from vocoders.sashimi.tiers import TierState

__all__ = ["PlainStepper", "draw_codes"]


class PlainStepper(Stepper):
    """Step by the model's own :meth:`~vocoders.sashimi.model.Sashimi.step`.

    Args:
        model: a causal model.
        batch_size: number of sequences.
        prompt: int64 (L,) codes at the start of every sequence, or None; read in parallel.
        labels: int64 (B,), for a model with labels.
        guidance: see :class:`~vocoders.sashimi.options.CodeSampling`.
    """

    def __init__(
        self,
        model: "Sashimi",
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

    def _step(self, codes: Tensor, state: "TierState") -> "tuple[Tensor, TierState]":
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
            # A copy, because recorded steps write their logits to the same memory.
            logits.append(self._advance(self._codes).clone())
            self._codes = given[:, t]
        return torch.stack(logits, dim=1).cpu().numpy()


def draw_codes(logits: Tensor, uniforms: Tensor, temperature: float, top_p: float) -> tuple[Tensor, Tensor]:
    """Draw one code for each item by inverting its distribution function.

    Args:
        logits: (B, V).
        uniforms: float64 (B,) in [0, 1).
        temperature: divides the logits; 0 takes the most probable code.
        top_p: a code is kept if the total probability of the more probable ones is less than this.

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

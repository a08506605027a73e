"""Steps on CPUs in one compiled loop, called once for a block of samples.

A step of the published model reads 2.4 MB of weights for 0.6 million multiply-adds, so the cache bandwidth limits its
speed. The weights are therefore stored in the order of reading, slower tiers are read only when they are due, and
``int16`` halves the weights.
"""

import logging
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vocoders.core.errors import ConfigError
from vocoders.sashimi.options import WeightFormat
from vocoders.sashimi.runtimes.fused.packing import WEIGHT_FORMATS, pack, place_state
from vocoders.sashimi.runtimes.prompt import read_prompt
from vocoders.sashimi.runtimes.stepper import Stepper

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi

__all__ = ["FusedStepper"]

_logger = logging.getLogger(__name__)


class FusedStepper(Stepper):
    """Step a float32 model on a CPU in compiled code.

    The parameters are copied: make a new stepper when they change.

    Args:
        model: a causal model.
        batch_size: number of sequences.
        prompt: int64 (L,) codes at the start of every sequence, or None; read in parallel.
        weights: ``float32``, or ``int16``, which halves the memory traffic and changes logits by some 1e-4.
        labels: int64 (B,), for a model with labels.
        guidance: see :class:`~vocoders.sashimi.options.CodeSampling`.
    """

    def __init__(
        self,
        model: "Sashimi",
        batch_size: int = 1,
        prompt: Tensor | None = None,
        *,
        weights: WeightFormat = "float32",
        labels: Tensor | None = None,
        guidance: float = 1.0,
    ) -> None:
        super().__init__(model, batch_size, labels, guidance)
        if weights not in WEIGHT_FORMATS:
            raise ConfigError(f"unknown weights '{weights}'; expected {' or '.join(WEIGHT_FORMATS)}")
        labels = self.sequence_labels
        state, codes = read_prompt(model, self.num_sequences, prompt, labels)
        self._program = pack(model, self.num_sequences, weights, None if labels is None else labels.numpy())
        self._counts = place_state(self._program, state)
        self._codes = codes.numpy()
        # A call without samples compiles or loads the loop here, before any timing.
        self._draw(np.zeros((batch_size, 0)), 1.0, 1.0)

    def _draw(self, uniforms: np.ndarray, temperature: float, top_p: float) -> tuple[np.ndarray, np.ndarray]:
        none = np.zeros((self.batch_size, 0), np.int64)
        logits = np.zeros((self.batch_size, 0, self.model.quantiser.num_codes), np.float32)
        return self._run(np.ascontiguousarray(uniforms, np.float64), none, logits, temperature, top_p)

    def _follow(self, codes: np.ndarray) -> np.ndarray:
        logits = np.zeros((*codes.shape, self.model.quantiser.num_codes), np.float32)
        given = np.ascontiguousarray(codes, np.int64)
        self._run(np.zeros(codes.shape), given, logits, 1.0, 1.0)
        return logits

    def _run(
        self, uniforms: np.ndarray, forced: np.ndarray, logits: np.ndarray, temperature: float, top_p: float
    ) -> tuple[np.ndarray, np.ndarray]:
        from vocoders.sashimi.runtimes.fused.loop import run

        if not run.signatures:
            _logger.info("loading the compiled step (its first use on this machine compiles it, in about a minute)")
        drawn, scores = np.zeros(uniforms.shape, np.int64), np.zeros(self.batch_size)
        program = self._program
        arrays = (self._counts, self._codes, uniforms, forced, drawn, scores, logits)
        options = (float(temperature), float(top_p), float(self.guidance))
        run(program.memory, program.tables, *arrays, *options)
        return drawn, scores

"""Bits per sample of simple models of codes, which every model with memory should surpass.

Both count codes in training data and add a constant to every count, so that no code has probability zero: an order-0
histogram, P(c) = (n_c + a) / (n + a K), and an order-1 Markov chain, P(c | b) = (n_bc + w P(c)) / (n_b + w). The chain
falls back on the histogram as Bayesian smoothing with a Dirichlet prior does; with w = K and a uniform histogram it is
add-one smoothing.
"""

from collections.abc import Iterable

import numpy as np

from recipes.metrics.metric import Metric, SignalPair, UndefinedMetricError

__all__ = ["BitsPerSample", "HistogramModel", "MarkovModel"]


class BitsPerSample(Metric):
    """Negative log-likelihood of the codes of a recording under a model, in bits per sample.

    It is defined for a model and a recording, not for generated audio.
    """

    name = "bits_per_sample"
    title = "bits per sample"
    unit = "bit"
    needs_reference = False
    identity = None
    decimals = 4
    definition = (
        "mean of -log2 P(code | codes before it) over an utterance, each utterance from silence; then the mean over "
        "utterances"
    )

    def measure(self, pair: SignalPair) -> float:
        """Refuse: a pair of signals has no model."""
        raise UndefinedMetricError("bits per sample need a model, not audio; use 'ondes evaluate likelihood'")


class HistogramModel:
    """Codes drawn independently of each other.

    Args:
        sequences: training sequences, each integer (T,) in [0, num_codes).
        num_codes: K.
        added: a, added to each count.
    """

    def __init__(self, sequences: Iterable[np.ndarray], num_codes: int, added: float = 1.0) -> None:
        counts = np.zeros(num_codes)
        for codes in sequences:
            counts += np.bincount(codes, minlength=num_codes)
        self.probability = (counts + added) / (counts.sum() + added * num_codes)

    def bits(self, codes: np.ndarray) -> float:
        """Return the bits of a sequence (T,)."""
        return float(-np.log2(self.probability[codes]).sum())


class MarkovModel:
    """Each code depends on the code before it; the first on ``first``, since a model's input starts with silence.

    Args:
        sequences: training sequences, each integer (T,) in [0, num_codes).
        num_codes: K.
        first: code before every sequence.
        weight: w, weight of the histogram in each row, in observations.
    """

    def __init__(self, sequences: Iterable[np.ndarray], num_codes: int, first: int, weight: float = 16.0) -> None:
        sequences = list(sequences)
        self.first = first
        counts = np.zeros(num_codes * num_codes)
        for codes in sequences:
            counts += np.bincount(self._pairs(codes, num_codes), minlength=num_codes * num_codes)
        rows = counts.reshape(num_codes, num_codes)
        prior = HistogramModel(sequences, num_codes).probability
        self.probability = (rows + weight * prior) / (rows.sum(axis=1, keepdims=True) + weight)

    def bits(self, codes: np.ndarray) -> float:
        """Return the bits of a sequence (T,)."""
        return float(-np.log2(self.probability.reshape(-1)[self._pairs(codes, len(self.probability))]).sum())

    def _pairs(self, codes: np.ndarray, num_codes: int) -> np.ndarray:
        before = np.concatenate([[self.first], codes[:-1]]) if len(codes) else codes
        return before.astype(np.int64) * num_codes + codes

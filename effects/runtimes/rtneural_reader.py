"""Run a layer list as RTNeural does, with NumPy, to verify exports.

The format is that of Keras: recurrent layers have a kernel (inputs, gates * H), a recurrent kernel (H, gates * H) and
biases, dense layers a kernel (inputs, outputs) and a bias. The gates of an LSTM are input, forget, cell, output; those
of a GRU are update, reset, hidden, with one row of biases for the input and one for the recurrent part.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vocoders.core.errors import CheckpointError, ShapeError
from vocoders.core.json_files import read_json

__all__ = ["RTNeuralModel"]

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"": lambda x: x, "tanh": np.tanh}


class RTNeuralModel:
    """A layer list with the state of one stream.

    Args:
        content: content of the JSON file.

    Raises:
        CheckpointError: for unknown layers, or sizes that do not match.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        size = self.inputs = int(content["in_shape"][-1])
        self._layers: list[Callable[[np.ndarray], np.ndarray]] = []
        for number, layer in enumerate(content["layers"]):
            if layer["type"] not in _LAYERS or layer["activation"] not in _ACTIVATIONS:
                raise CheckpointError(f"layer {number} is '{layer['type']}' with activation '{layer['activation']}'")
            weights = [np.array(weight, dtype=np.float64) for weight in layer["weights"]]
            if len(weights[0]) != size:
                raise CheckpointError(f"layer {number} takes {len(weights[0])} numbers; expected {size}")
            self._layers.append(_LAYERS[layer["type"]](weights, _ACTIVATIONS[layer["activation"]]))
            size = int(layer["shape"][-1])

    @classmethod
    def read(cls, path: str | Path) -> "RTNeuralModel":
        """Read a JSON file.

        Raises:
            CheckpointError: if it is not a layer list.
        """
        try:
            return cls(read_json(path))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise CheckpointError(f"{path} is not a layer list: {type(error).__name__}: {error}") from None

    def process(self, x: np.ndarray) -> np.ndarray:
        """Process the next samples (T, inputs) of the stream; return (T, outputs), float64."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ShapeError(f"samples {x.shape}; expected (T, {self.inputs})")
        for layer in self._layers:
            x = layer(x)
        return x


class _Dense:
    def __init__(self, weights: list[np.ndarray], activation: Callable[[np.ndarray], np.ndarray]) -> None:
        (self._kernel, self._bias), self._activation = weights, activation

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self._activation(x @ self._kernel + self._bias)


class _LSTM:
    def __init__(self, weights: list[np.ndarray], activation: Callable[[np.ndarray], np.ndarray]) -> None:
        self._kernel, self._recurrent, self._bias = weights
        self._hidden = self._cell = np.zeros(len(self._recurrent))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        outputs = np.empty((len(x), len(self._recurrent)))
        for n, entering in enumerate(x @ self._kernel + self._bias):
            i, f, c, o = np.split(entering + self._hidden @ self._recurrent, 4)
            self._cell = _sigmoid(f) * self._cell + _sigmoid(i) * np.tanh(c)
            outputs[n] = self._hidden = _sigmoid(o) * np.tanh(self._cell)
        return outputs


class _GRU:
    def __init__(self, weights: list[np.ndarray], activation: Callable[[np.ndarray], np.ndarray]) -> None:
        self._kernel, self._recurrent, (self._bias, self._recurrent_bias) = weights
        self._hidden = np.zeros(len(self._recurrent))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        outputs = np.empty((len(x), len(self._recurrent)))
        for n, entering in enumerate(x @ self._kernel + self._bias):
            update, reset, new = np.split(entering, 3)
            own = np.split(self._hidden @ self._recurrent + self._recurrent_bias, 3)
            update, reset = _sigmoid(update + own[0]), _sigmoid(reset + own[1])
            new = np.tanh(new + reset * own[2])
            outputs[n] = self._hidden = update * self._hidden + (1 - update) * new
        return outputs


_LAYERS: dict[str, Any] = {"dense": _Dense, "lstm": _LSTM, "gru": _GRU}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))

"""Export of recurrent effects, at fixed knobs, as a layer list for RTNeural (BSD-3, C++).

Constant knobs are a bias (``concat``) or a scaling of the output layer (``film``), so a plug-in needs only the layers.
The metadata describe the head as ``head``: with ``direct`` or ``linear`` the output of the last layer is the audio,
plus ``residual_gain`` times the input if ``residual`` is true; with ``gain`` it is ``[g, r_1 .. r_C]``, and the audio
is ``input * exp(limit * tanh(g / limit)) + alpha * tanh(r)``.
"""

import copy
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effects.models import EffectModel
from effects.models.head import LIMIT
from effects.models.recurrent import Recurrent
from effects.runtimes.bundle import TestVector, describe, make_test_vector, verify
from effects.runtimes.rtneural_reader import RTNeuralModel
from vocoders.core.atomic import atomic_folder
from vocoders.core.errors import ConfigError
from vocoders.core.graphs.agreement import write_metadata
from vocoders.core.plugins import import_place

__all__ = ["GATES", "MODEL_FILE", "export_rtneural", "play", "recurrent_layers"]

_logger = logging.getLogger(__name__)

MODEL_FILE = "model.json"
#: Positions of Keras' gates among PyTorch's: an LSTM has the same order, a GRU has update before reset.
GATES = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}


def export_rtneural(
    model: EffectModel,
    folder: str | Path,
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Export a recurrent effect at fixed knobs, and verify the export with a reader in NumPy.

    Args:
        model: the effect.
        folder: folder to write.
        settings: settings of the knobs.
        overwrite: replace an existing folder.

    Returns:
        The metadata.

    Raises:
        CheckpointError: if the output of the layers differs from that of the model.
        ConfigError: for unknown knobs, or an effect that is not recurrent.
        DataError: if the folder exists, or cannot be written.
    """
    if model.rtneural_layers is None:
        raise ConfigError(f"format 'rtneural' is for recurrent effects, this is '{model.family}'; use format 'onnx'")
    write_layers = import_place(model.rtneural_layers, f"the RTNeural layers of family '{model.family}'")
    resolved = model.knobs.resolve(settings)
    vector = make_test_vector(model, resolved)
    layers, head = write_layers(model, torch.from_numpy(vector.knobs))
    text = json.dumps(layers, indent=1)
    verification = verify(vector, {"layer list": _try(json.loads(text), head, vector)})
    with atomic_folder(folder, overwrite) as temporary:
        (temporary / MODEL_FILE).write_text(text + "\n", encoding="utf-8")
        vector.save(temporary)
        metadata = describe(model, "rtneural", resolved, True, verification) | {"file": MODEL_FILE, "head": head}
        write_metadata(temporary, metadata)
    _logger.debug("%s: differs from the model by %.1e of the peak", folder, verification.max_relative_error)
    return metadata


def play(layers: RTNeuralModel, head: Mapping[str, Any], audio: np.ndarray) -> np.ndarray:
    """Return the next samples (C, T) of an exported effect, computed by its layers and its ``head``."""
    features = layers.process(audio.T.astype(np.float64)).T
    if head["name"] != "gain":
        return features + head["residual_gain"] * audio if head["residual"] else features
    gain = np.exp(head["limit"] * np.tanh(features[:1] / head["limit"]))
    return audio * gain + head["alpha"] * np.tanh(features[1:])


def _try(content: dict[str, Any], head: Mapping[str, Any], vector: TestVector) -> np.ndarray:
    layers = RTNeuralModel(content)
    blocks = np.split(vector.input, [1, 100, 1033], axis=-1)
    return np.concatenate([play(layers, head, block) for block in blocks], axis=-1)


@torch.no_grad()
def recurrent_layers(model: Recurrent, knobs: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the layers of a recurrent effect with the knobs (K,) folded in, and its head.

    Sums are taken in double precision and stored in single.
    """
    config, still = model.config, copy.deepcopy(model).cpu().double().eval()
    if config.stored_start:
        raise ConfigError("a layer list starts from zeros, this model from a stored state; use format 'onnx' or 'nam'")
    layers = [_recurrent_layer(still, layer, knobs.double()) for layer in range(config.num_layers)]
    kernel, bias = still.projection.weight, still.projection.bias
    if config.conditioning == "film":
        condition = still.condition(knobs.double()[None])
        gain, shift = (part[0, :, 0] for part in still.film.folded(condition))
        kernel, bias = kernel * gain, bias + kernel @ shift
    activation = "tanh" if config.head == "direct" else ""
    layers.append(_layer("dense", activation, len(bias), [kernel.T, bias]))
    head = {"name": config.head, "residual": config.residual, "residual_gain": config.residual_gain}
    if config.head == "gain":
        head |= {"limit": LIMIT, "alpha": model.head.alpha.item()}
    return {"in_shape": [None, None, config.audio_channels], "layers": layers}, head


def _recurrent_layer(model: Recurrent, layer: int, knobs: Tensor) -> dict[str, Any]:
    config = model.config
    kernel, recurrent, bias, recurrent_bias = (
        _gates(getattr(model.cells, f"{name}_l{layer}"), config.cell)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    if layer == 0 and config.conditioning == "concat":
        bias = bias + kernel[:, config.audio_channels :] @ knobs
        kernel = kernel[:, : config.audio_channels]
    biases = bias + recurrent_bias if config.cell == "lstm" else torch.stack([bias, recurrent_bias])
    return _layer(config.cell, "tanh", config.hidden_size, [kernel.T, recurrent.T, biases])


def _gates(tensor: Tensor, cell: str) -> Tensor:
    parts = tensor.chunk(len(GATES[cell]))
    return torch.cat([parts[gate] for gate in GATES[cell]])


def _layer(kind: str, activation: str, size: int, weights: list[Tensor]) -> dict[str, Any]:
    values = [weight.float().tolist() for weight in weights]
    return {"type": kind, "activation": activation, "shape": [None, None, size], "weights": values}

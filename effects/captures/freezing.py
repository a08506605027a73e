"""Models without knobs that sound as a model does at fixed knobs."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from effects.knobs import KnobSet
from effects.models import EffectModel
from effects.models.recurrent import Recurrent
from effects.models.wavenet import WaveNet
from vocoders.core.errors import ConfigError

__all__ = ["freeze"]


@torch.no_grad()
def freeze(model: EffectModel, settings: Mapping[str, Any] | None = None) -> EffectModel:
    """Return a model of the same family with the knobs folded into its weights.

    Args:
        model: a model.
        settings: settings of the knobs; the others keep their defaults.

    Raises:
        ConfigError: for unknown knobs, or a model whose knobs cannot be folded.
    """
    if not len(model.knobs):
        return copy.deepcopy(model).cpu().eval()
    knobs = model.knobs.normalize(model.knobs.values(settings))
    for kind, fold in _FOLDS.items():
        if isinstance(model, kind):
            return fold(copy.deepcopy(model).cpu().double(), knobs).eval()
    raise ConfigError(
        f"the knobs of a {model.family} are no constant of its weights; train family wavenet or recurrent"
    )


def _fold_wavenet(model: WaveNet, knobs: Tensor) -> WaveNet:
    config = model.config
    places = {film.place for array in config.arrays for film in array.films}
    if places & {"conv_output", "mixin_input", "mixin_output"} or any(
        array.mixin_groups > 1 for array in config.arrays
    ):
        raise ConfigError("knobs that are modulated on their way into the layers cannot be fixed; export without them")
    frozen = WaveNet(config.model_copy(update={"knobs": KnobSet()})).double()
    state = model.state_dict()
    for name in [name for name in state if name.endswith("mixin.weight")]:
        weight = state[name]
        bias = name.replace("mixin.weight", "conv.bias")
        state[bias] = state[bias] + weight[:, 1:, 0] @ knobs
        state[name] = weight[:, :1]
    for name in [name for name in state if ".films." in name and name.endswith("projection.weight")]:
        weight = state[name]
        if weight.shape[1] != 1 + len(knobs):
            raise ConfigError("knobs in a modulation with groups cannot be fixed; export without them")
        bias = name.replace("weight", "bias")
        state[bias], state[name] = state[bias] + weight[:, 1:, 0] @ knobs, weight[:, :1]
    frozen.load_state_dict(state)
    return frozen.float()


def _fold_recurrent(model: Recurrent, knobs: Tensor) -> Recurrent:
    config, state = model.config, model.state_dict()
    frozen = Recurrent(config.model_copy(update={"knobs": KnobSet(), "conditioning": "concat"})).double()
    if config.conditioning == "film":
        gain, shift = (part[0, :, 0] for part in model.film.folded(model.condition(knobs[None])))
        kernel = state["projection.weight"]
        state["projection.bias"] = state["projection.bias"] + kernel @ shift
        state["projection.weight"] = kernel * gain
    else:
        weight = state["cells.weight_ih_l0"]
        state["cells.bias_ih_l0"] = state["cells.bias_ih_l0"] + weight[:, config.audio_channels :] @ knobs
        state["cells.weight_ih_l0"] = weight[:, : config.audio_channels]
    wanted = frozen.state_dict().keys()
    frozen.load_state_dict({name: tensor for name, tensor in state.items() if name in wanted})
    return frozen.float()


_FOLDS: dict[type[EffectModel], Callable[[Any, Tensor], EffectModel]] = {
    WaveNet: _fold_wavenet,
    Recurrent: _fold_recurrent,
}

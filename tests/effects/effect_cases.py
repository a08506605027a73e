"""Small effects of every family and option, with random weights that let every input be heard."""

import torch
from torch import nn

from effects.knobs import Knob, KnobSet
from effects.models import EffectModel
from effects.models.activations import Activation
from effects.models.convnet import ConvNet, ConvNetConfig
from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.models.linear import Linear, LinearConfig
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.s4 import S4Effect, S4EffectConfig
from effects.models.signaltrain import SignalTrain, SignalTrainConfig
from effects.models.tcn import TCN, TCNConfig
from effects.models.wavenet import WaveNet
from effects.models.wavenet_config import FILMS, ArrayConfig, FilmConfig, PostHeadConfig, WaveNetConfig

TANH = Activation(name="tanh")

KNOBS = KnobSet(knobs=(Knob(name="drive", min=0, max=1, default=0.5), Knob.switch("mode")))

_TCN = {"channels": 4, "num_blocks": 3, "kernel_size": 3, "dilation_growth": 3, "condition_channels": (4, 6)}
_S4 = {"channels": 4, "num_blocks": 2, "condition_channels": (4, 6)}
_WINDOW = {"window_length": 128, "n_fft": 32, "hop_length": 12, "output_frames": 7}

_ARRAYS = (
    ArrayConfig(channels=4, dilations=(1, 3), head_channels=3, head_bias=False),
    ArrayConfig(channels=3, dilations=(2, 1), kernel_size=(2, 4), gating="gated", head_kernel_size=3),
)
_CONDITION = WaveNetConfig(arrays=(ArrayConfig(channels=3, dilations=(1, 2), head_channels=2),), num_outputs=2)
_FEATURES = (
    ArrayConfig(
        channels=4,
        bottleneck=6,
        dilations=(1, 2, 3),
        activation=(
            Activation(name="leaky_relu", slopes=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
            Activation(name="silu"),
            TANH,
        ),
        gating=("none", "gated", "blended"),
        gate=Activation(name="leaky_hard_tanh"),
        skip_channels=18,
        groups=2,
        residual_groups=2,
        films=tuple(FilmConfig(place=place, shift=place != "conv_output") for place in FILMS),
        head_channels=18,
        head_dilation=2,
        head_kernel_size=2,
    ),
    ArrayConfig(channels=18, dilations=(2,), residual=False, head_channels=3),
)

CONFIGS = {
    "tcn": TCNConfig(knobs=KNOBS, **_TCN),
    "tcn_gain": TCNConfig(knobs=KNOBS, head="gain", **_TCN),
    "tcn_official": TCNConfig(knobs=KNOBS, crop="official", norm="batch", **_TCN),
    "tcn_official_gain": TCNConfig(knobs=KNOBS, crop="official", head="gain", **_TCN),
    "tcn_noncausal": TCNConfig(knobs=KNOBS, causal=False, norm="batch", **_TCN),
    "tcn_noncausal_gain": TCNConfig(knobs=KNOBS, causal=False, head="gain", **_TCN),
    "tcn_stereo": TCNConfig(knobs=KNOBS, audio_channels=2, head="gain", **_TCN),
    "tcn_without_knobs": TCNConfig(**(_TCN | {"stack_size": 2, "kernel_size": 4})),
    "lstm": RecurrentConfig(knobs=KNOBS, hidden_size=5),
    "lstm_film_gain": RecurrentConfig(knobs=KNOBS, hidden_size=5, conditioning="film", head="gain"),
    "gru_deep": RecurrentConfig(knobs=KNOBS, hidden_size=4, cell="gru", num_layers=2, residual=True),
    "gru_stereo": RecurrentConfig(knobs=KNOBS, hidden_size=4, cell="gru", audio_channels=2),
    "s4_gain": S4EffectConfig(knobs=KNOBS, **_S4),
    "s4_stereo": S4EffectConfig(knobs=KNOBS, audio_channels=2, head="direct", residual=True, **_S4),
    "graybox_dynamics": GrayBoxConfig(knobs=KNOBS, hidden_sizes=(4,)),
    "graybox_drive": GrayBoxConfig(knobs=KNOBS, hidden_sizes=(4,), stages=("filter", "shaper", "blend", "filter")),
    "graybox_stereo": GrayBoxConfig(
        knobs=KNOBS, hidden_sizes=(4,), audio_channels=2, stages=("dynamics", "shaper"), num_curves=3
    ),
    "wavenet": WaveNetConfig(knobs=KNOBS, arrays=_ARRAYS),
    "wavenet_features": WaveNetConfig(
        arrays=_FEATURES,
        head_scale=0.5,
        post_head=PostHeadConfig(channels=3, kernel_sizes=(2, 3)),
        condition=_CONDITION,
    ),
    "convnet": ConvNetConfig(channels=5, dilations=(1, 2, 4)),
    "linear": LinearConfig(taps=70, bias=True),
    "signaltrain": SignalTrainConfig(knobs=KNOBS.model_copy(update={"norm": (-0.5, 0.5)}), **_WINDOW),
}
_CLASSES = {
    WaveNetConfig: WaveNet,
    ConvNetConfig: ConvNet,
    LinearConfig: Linear,
    TCNConfig: TCN,
    RecurrentConfig: Recurrent,
    S4EffectConfig: S4Effect,
    GrayBoxConfig: GrayBox,
    SignalTrainConfig: SignalTrain,
}


def make_model(name: str, dtype: torch.dtype = torch.float64) -> EffectModel:
    """Return the effect called ``name``, in evaluation mode."""
    config = CONFIGS[name]
    torch.manual_seed(0)
    model = _CLASSES[type(config)](config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "projection" in key or key in ("head.alpha", "response"):
                nn.init.normal_(parameter, std=0.5)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.3, 2)
    return model.to(dtype).eval()


def make_audio(model: EffectModel, length: int, batch: int = 2, seed: int = 1) -> torch.Tensor:
    """Return noise (batch, C, length) in the model's type."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, model.config.audio_channels, length)
    return 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64).to(next(model.parameters()).dtype)


def make_knobs(model: EffectModel, batch: int = 2, length: int | None = None) -> torch.Tensor:
    """Return settings (batch, K) or moving ones (batch, K, length), different for each item."""
    shape = (batch, len(model.knobs)) if length is None else (batch, len(model.knobs), length)
    knobs = torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 0.5
    return knobs.to(next(model.parameters()).dtype)

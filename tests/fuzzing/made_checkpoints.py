"""Small made-up checkpoints of the reference implementations of Wavehax and PeriodWave, with their configurations."""

import re
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from vocoders.periodwave import PeriodWave, PeriodWaveConfig
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

__all__ = ["CONFIGS", "made_state"]

#: Configurations by family, as the reference implementations write them.
CONFIGS: dict[str, dict[str, Any]] = {
    "wavehax": {
        "_target_": "a.WavehaxGenerator",
        "in_channels": 100,
        "channels": 4,
        "mult_channels": 2,
        "kernel_size": 3,
        "num_blocks": 1,
        "n_fft": 480,
        "hop_length": 240,
        "sample_rate": 24000,
    },
    "periodwave": {
        "data": {"sampling_rate": 24000, "hop_length": 256, "n_mel_channels": 100, "mel_fmax": None},
        "model": {"hidden_dim": 32, "final_dim": 2, "periods": [1, 2], "noise_scale": 0.25},
    },
}
# From our names of PeriodWave to those of the reference.
_NAMES = (
    (r"^encoder\.blocks\.", "estimator.MelCond.convnext_block."),
    (r"^encoder\.fine_blocks\.", "estimator.MelCond.cond."),
    (r"^encoder\.period_convs\.", "estimator.MelCond.cond_block."),
    (r"^encoder\.upsample\.", "estimator.MelCond.up."),
    (r"^encoder\.embed\.", "estimator.MelCond.embed."),
    (r"^estimator\.embedding\.periods\.", "estimator.period_emb."),
    (r"^estimator\.embedding\.mlp\.", "estimator.mlp."),
    (r"^estimator\.unet\.(down|up)s\.(\d+)\.resample\.", r"estimator.mpg.mpg.\1s.\2.\1."),
    (r"^estimator\.unet\.(downs|ups)\.(\d+)\.time\.", r"estimator.mpg.mpg.\1.\2.mlp.1."),
    (r"^estimator\.unet\.middle\.resample\.", "estimator.mpg.mpg.mids.0.down."),
    (r"^estimator\.unet\.middle\.", "estimator.mpg.mpg.mids.0."),
    (r"^estimator\.unet\.", "estimator.mpg.mpg."),
    (r"^estimator\.output\.conv\.", "estimator.proj_layer.final_layer."),
    (r"^estimator\.output\.", "estimator.proj_layer."),
    (r"^(estimator\..*)\.blocks\.(\d+)\.conv([12])\.", r"\1.ResBlocks.\2.block\3."),
)


@lru_cache
def made_state(family: str) -> dict[str, Tensor]:
    """Return the weights of a small network of a family under the names of its reference implementation."""
    with torch.random.fork_rng(devices=[]):
        if family == "wavehax":
            config = WavehaxConfig(channels=4, mult_channels=2, kernel_size=(3, 3), num_blocks=1)
            return Wavehax(config).network.state_dict()
        state = PeriodWave(PeriodWaveConfig(hidden_channels=32, periods=(1, 2))).state_dict()
    state.pop("energy_range")
    for pattern, name in _NAMES:
        state = {re.sub(pattern, name, key): value for key, value in state.items()}
    return state

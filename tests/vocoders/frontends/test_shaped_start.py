"""Harmonics and noise that networks shape to the mel of speech."""

import pytest
import torch

from vocoders.core.errors import ConfigError
from vocoders.frontends.envelope import flat_excitation_levels, flat_harmonics
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig
from vocoders.frontends.shaped_start import ShapedStart

MEL = MEL_PRESETS["bigvgan_24k"]
FRAMES = 40


def _shaper(stages: int) -> ShapedStart:
    torch.manual_seed(0)
    return ShapedStart(MEL, stages, channels=8, blocks=1).eval()


@pytest.fixture(scope="module")
def excitation() -> torch.Tensor:
    """Return flat harmonics of 170 Hz and weak noise, (1, 2, T)."""
    harmonics = flat_harmonics(torch.full((1, 1, FRAMES), 170.0), MEL) / flat_excitation_levels(MEL)[1]
    noise = 0.2 * torch.randn(harmonics.shape, generator=torch.Generator().manual_seed(0))
    return torch.cat([harmonics.float(), noise], dim=1)


@pytest.fixture(scope="module")
def features(excitation) -> torch.Tensor:
    """Return the mel of other harmonics and more noise, with moving levels."""
    level = torch.linspace(0.02, 0.2, excitation.shape[-1])
    return LogMel(MEL)(level * (excitation[:, :1] + 2 * excitation[:, 1:].flip(-1)))


@torch.no_grad()
def test_each_untrained_stage_comes_nearer_to_the_mel(excitation, features):
    log_mel = LogMel(MEL)
    errors = [float((log_mel(_shaper(stages)(excitation, features)) - features).abs().mean()) for stages in (1, 2, 4)]
    assert errors[0] > errors[1] > errors[2]


@torch.no_grad()
def test_harmonics_and_noise_have_their_own_gains(excitation, features):
    shaper = _shaper(1)
    bands = MEL.n_mels
    shaper.stages[0].gains.bias[bands:] = -100
    alone = excitation * torch.tensor([1.0, 0.0])[:, None]
    quiet = shaper(excitation, features)
    assert quiet.shape == (1, 1, FRAMES * MEL.hop_length)
    difference = quiet - shaper(alone, features)
    assert difference.square().mean() < 1e-2 * quiet.square().mean()


def test_gradients_reach_the_first_stage(excitation, features):
    shaper = _shaper(2)
    shaper(excitation, features).square().mean().backward()
    assert shaper.stages[0].gains.weight.grad.abs().max() > 0


@pytest.mark.parametrize("change", [{"n_fft": 2048}, {"power": 2.0}])
def test_other_mels_are_refused(change):
    with pytest.raises(ConfigError):
        ShapedStart(MelConfig.from_dict({"preset": "bigvgan_24k"} | change), 1, 8, 1)

"""A gray box holds the very devices that it is made for."""

import math

import torch

from effects.models.graybox import GrayBox, GrayBoxConfig
from effects.processors import find_processor

RATE = 44100


def _noise(length: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    envelope = torch.linspace(0, 6 * math.pi, length).sin().abs()
    return (torch.rand(1, 1, length, generator=generator, dtype=torch.float64) * 2 - 1) * envelope


def _with_parameters(config: GrayBoxConfig, values: list[float]) -> GrayBox:
    model = GrayBox(config).double()
    with torch.no_grad():
        model.projection.bias.copy_(torch.tensor(values, dtype=torch.float64))
    return model.eval()


def test_dynamics_can_be_comp_4c() -> None:
    knobs = {"threshold": -24.0, "ratio": 4.0, "attack": 0.004, "release": 0.02}
    slope, narrow = 1 - 1 / 4 - 0.5, -6.0
    values = [(-24 + 20) / 20, slope, narrow, math.log(0.4), math.log(2.0), 0.0]
    model = _with_parameters(GrayBoxConfig(), values)
    audio = _noise()
    expected, _ = find_processor("comp_4c").process(audio, knobs, RATE)
    output, _ = model(audio, torch.zeros(1, 0, dtype=torch.float64))
    error = (output - expected)[..., 1:].square().sum() / expected.square().sum()
    assert (expected - audio).square().sum() / expected.square().sum() > 0.05
    assert error < 1e-8


def test_a_section_can_be_a_butterworth_low_pass() -> None:
    from scipy.signal import butter, sosfilt

    config = GrayBoxConfig(stages=("filter",), num_sections=1)
    # One section starts at 600 Hz.
    model = _with_parameters(config, [math.log(1000 / 600) / 2, 0.0, 0.0, -1.0, -1.0])
    audio = _noise()
    output, _ = model(audio, torch.zeros(1, 0, dtype=torch.float64))
    expected = sosfilt(butter(2, 1000, fs=RATE, output="sos"), audio[0, 0].numpy())
    torch.testing.assert_close(output[0, 0], torch.from_numpy(expected), rtol=0, atol=1e-9)


def test_filter_shaper_and_blend_start_as_the_identity() -> None:
    config = GrayBoxConfig(stages=("filter", "shaper", "blend"))
    audio = _noise()
    output, _ = GrayBox(config).double()(audio, torch.zeros(1, 0, dtype=torch.float64))
    torch.testing.assert_close(output, audio, rtol=0, atol=1e-6)


def test_any_parameters_are_stable() -> None:
    generator = torch.Generator().manual_seed(1)
    config = GrayBoxConfig(stages=("filter", "dynamics", "filter"))
    size = sum(GrayBox(config).sizes)
    for _ in range(10):
        model = _with_parameters(config, (20 * torch.randn(size, generator=generator)).clamp(-30, 30).tolist())
        with torch.no_grad():
            for stage in (0, 2):
                first = sum(model.sizes[:stage])
                # Parts of the outputs of a section are gains, which may be any.
                for part in (2, 3, 4, 7, 8, 9):
                    model.projection.bias[first + part] = 0
            slope = sum(model.sizes[:1]) + 1
            model.projection.bias[slope : slope + 1] = 0.2
            model.projection.bias[slope + 4] = 0
        output, _ = model(_noise(20000), torch.zeros(1, 0, dtype=torch.float64))
        assert torch.isfinite(output).all()
        assert output[..., -1000:].abs().max() < 1e3

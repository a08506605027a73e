"""Filters over the whole spectrum hold what the given ones do not see."""

import pytest
import torch

from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel import LogMel
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.whole_mel import WholeMel


@pytest.mark.parametrize("name", ["espnet_24k", "tacotron_16k", "vocos_24k", "hifigan_22k", "bigvgan_44k"])
def test_given_filters_are_among_filters_that_cover_every_bin(name: str) -> None:
    mel = MEL_CONVENTIONS[name].mel
    whole = WholeMel(mel)
    assert torch.equal(whole.basis[whole.given], LogMel(mel).basis)
    assert (whole.basis >= 0).all()
    assert (whole.basis.sum(dim=0) > 0).all()
    # Peaks rise: the others lie below and above.
    frequencies = torch.arange(whole.basis.shape[1])
    centres = (whole.basis @ frequencies.float()) / whole.basis.sum(dim=1).clamp(min=1e-9)
    filled = centres[whole.basis.sum(dim=1) > 0]
    assert (filled[1:] > filled[:-1]).all()


def test_filters_without_norm_add_up_to_one_up_to_the_ends() -> None:
    mel = MEL_CONVENTIONS["espnet_24k"].mel.model_copy(update={"norm": "none"})
    torch.testing.assert_close(WholeMel(mel).basis.sum(dim=0), torch.ones(mel.n_fft // 2 + 1), rtol=0, atol=1e-4)


def test_refinement_holds_what_is_below_the_bands() -> None:
    mel = MEL_CONVENTIONS["espnet_24k"].mel
    time = torch.arange(9600) / 24000
    rumble, tone = 0.02 * torch.sin(2 * torch.pi * 45 * time), torch.sin(2 * torch.pi * 300 * time)
    start = (rumble + 0.05 * tone)[None, None]
    wanted = LogMel(mel)((rumble + 0.2 * tone)[None, None])
    whole = WholeMel(mel)
    refined = MelConsistency(whole)(start, whole.target(wanted, start), 16)
    spectrum = torch.fft.rfft(refined[0, 0] * torch.hann_window(9600)).abs() / 2400
    # 0.4 s: bins of 2.5 Hz.
    assert spectrum[120].item() == pytest.approx(0.2, rel=0.1)
    assert spectrum[18].item() == pytest.approx(0.02, rel=0.3)

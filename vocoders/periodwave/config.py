"""Configuration of every PeriodWave variant."""

from dataclasses import replace
from math import lcm
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from vocoders.frontends.energy import ENERGY_PRESETS, EnergyConfig
from vocoders.frontends.front_end import FrontEnd, MelModelConfig
from vocoders.frontends.mel import MEL_PRESETS, MelConfig
from vocoders.periodwave.options import AnyFlowSampling, FlowSampling

__all__ = ["VARIANTS", "FlowVocoderConfig", "PeriodWaveConfig"]

# Samples per frame of the condition in the middle of the U-Net, for period 1.
CONDITION_HOP = 64


class FlowVocoderConfig(MelModelConfig):
    """What PeriodWave and its multi-band form share; a subclass adds the number of steps of its ``sampling``.

    Attributes:
        mel: conditioning mel; it also defines sample rate, hop length and number of input channels.
        condition: ``mel``, or ``embedding``: features are the summed codebook vectors of an audio codec, ``mel.n_mels``
            channels every ``mel.hop_length`` samples (published for EnCodec).
        hidden_channels: width H in the middle of the U-Net; H / 16 at full rate.
        periods: samples per row of each path.
        dilations: of the residual blocks in the middle and at the output.
        noise_scale: deviation of the prior where the energy is at its maximum.
        energy: range of the frame energy that shapes the prior; a recipe replaces it by that of its training set.
            ``None``: the same deviation everywhere.
        domain: domain of the flow: ``waveform`` (published), or ``envelope`` (ours): the waveform divided by the
            envelope of its mel, see :mod:`vocoders.frontends.envelope`, from noise with the same spectrum. The output
            of an untrained model is then noise with the right envelope. Needs ``energy: null``.
        prior: ``energy`` (published): noise, whose deviation follows ``energy``. ``mel_consistent`` (ours): harmonics
            and noise that already have the mel of the speech, see :mod:`vocoders.frontends.mel_consistent_start`;
            ``noise_scale`` is then the deviation of the noise in voiced frames, and 1 that in unvoiced ones. Needs
            ``domain: envelope``: the flow runs from audio to audio, and its network sees and returns audio divided by
            the envelope.
        prior_iterations: for ``prior: mel_consistent``: iterations of mel refinement before the flow.
        prior_stages: for ``prior: mel_consistent``: networks that shape harmonics and noise in the place of these
            iterations, each about as long as one; see :mod:`vocoders.frontends.shaped_start`. Needs
            ``prior_iterations: 0``, and closing steps end the refinement after the flow.
        prior_channels: width of each.
        prior_blocks: number of blocks in each.
        tilt: for ``domain: envelope``: power of the envelope that is kept, so that low frequencies are learned first.
        drop_prob: stochastic depth in the condition encoder.
        sigma_min: remaining factor of the noise at the end of the path.
        sampling: default options of synthesis; Turbo trains through these steps.
        gradient_checkpointing: in Turbo training, recompute each step's activations instead of keeping them.
    """

    mel: MelConfig = MEL_PRESETS["bigvgan_24k"]
    condition: Literal["mel", "embedding"] = "mel"
    hidden_channels: int = Field(default=512, gt=0)
    periods: tuple[int, ...] = (1, 2, 3, 5, 7)
    dilations: tuple[int, ...] = (1, 2, 4)
    noise_scale: float = Field(default=0.5, gt=0)
    energy: EnergyConfig | None = ENERGY_PRESETS["libritts_24k"]
    domain: Literal["waveform", "envelope"] = "waveform"
    prior: Literal["energy", "mel_consistent"] = "energy"
    prior_iterations: int = Field(default=16, ge=0)
    prior_stages: int = Field(default=0, ge=0)
    prior_channels: int = Field(default=192, ge=1)
    prior_blocks: int = Field(default=4, ge=0)
    tilt: float = Field(default=0.5, ge=0, le=1)
    drop_prob: float = Field(default=0.1, ge=0, lt=1)
    sigma_min: float = Field(default=1e-4, ge=0, lt=1)
    sampling: AnyFlowSampling = AnyFlowSampling()
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.hidden_channels % 16:
            raise ValueError(f"hidden_channels {self.hidden_channels} is not a multiple of 16")
        if not self.periods or min(self.periods) < 1 or len(set(self.periods)) < len(self.periods):
            raise ValueError(f"periods {list(self.periods)}; expected different positive numbers")
        if not self.dilations or min(self.dilations) < 1:
            raise ValueError(f"dilations {list(self.dilations)}; expected positive numbers")
        if self.mel.hop_length % CONDITION_HOP:
            raise ValueError(f"mel.hop_length {self.mel.hop_length} is not a multiple of {CONDITION_HOP}")
        if self.energy is not None and self.condition == "embedding":
            raise ValueError("an energy prior needs a mel; set energy to null")
        if self.sampling.mel_refinement and self.condition == "embedding":
            raise ValueError("sampling.mel_refinement needs a mel; set it to 0")
        if self.domain == "envelope" and (self.energy is not None or self.condition == "embedding"):
            raise ValueError("domain envelope needs condition mel and energy null: the envelope contains the energy")
        if self.prior == "mel_consistent" and self.domain != "envelope":
            raise ValueError("prior mel_consistent needs domain envelope and energy null")
        if self.prior_stages and (self.prior != "mel_consistent" or self.prior_iterations):
            raise ValueError("prior_stages needs prior mel_consistent and prior_iterations 0")
        return self

    @property
    def front_end(self) -> FrontEnd:
        """The mel, or the embeddings of a codec in its shape."""
        return replace(super().front_end, embedding=self.condition == "embedding")

    @property
    def embedding_width(self) -> int:
        """Width of the time and of the period embedding."""
        return self.hidden_channels // 2 if self.condition == "mel" else self.hidden_channels

    @property
    def grid_length(self) -> int:
        """Number of samples after which rows of all periods begin together again."""
        return CONDITION_HOP * lcm(*self.periods)


class PeriodWaveConfig(FlowVocoderConfig):
    """PeriodWave (arXiv 2408.07547); the defaults are the published base model for LibriTTS.

    PeriodWave-Turbo (arXiv 2408.08019) has the same network: it differs in its training and in ``sampling``. The other
    fields are those of :class:`FlowVocoderConfig`.
    """

    sampling: FlowSampling = FlowSampling()  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen, which pyright does not see)


_TURBO = FlowSampling(solver="euler", steps=4, temperature=1.0)
_LARGE: dict[str, Any] = {"hidden_channels": 768, "dilations": (1, 2, 1, 4)}
_LJSPEECH: dict[str, Any] = {
    "mel": MEL_PRESETS["hifigan_22k"],
    "energy": ENERGY_PRESETS["ljspeech_22k"],
    "noise_scale": 0.25,
}
_ENCODEC: dict[str, Any] = {
    "mel": MelConfig.from_dict({"preset": "bigvgan_24k", "hop_length": 320, "n_mels": 128}),
    "condition": "embedding",
    "energy": None,
    "noise_scale": 0.25,
}

VARIANTS: dict[str, PeriodWaveConfig] = {
    "small": PeriodWaveConfig(hidden_channels=256),
    "base": PeriodWaveConfig(),
    "large": PeriodWaveConfig(**_LARGE),
    "base_22k": PeriodWaveConfig(**_LJSPEECH),
    "encodec": PeriodWaveConfig(**_ENCODEC),
    "turbo_small": PeriodWaveConfig(hidden_channels=256, sampling=_TURBO),
    "turbo_base": PeriodWaveConfig(sampling=_TURBO),
    "turbo_large": PeriodWaveConfig(**_LARGE, sampling=_TURBO),
    "turbo_base_22k": PeriodWaveConfig(**_LJSPEECH, sampling=_TURBO),
    "turbo_encodec": PeriodWaveConfig(**_ENCODEC, sampling=_TURBO),
}

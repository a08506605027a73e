"""Configuration of every Wavehax variant."""

from typing import Literal

from pydantic import Field, model_validator

from vocoders.frontends.f0 import F0Config
from vocoders.frontends.harmonic import PriorConfig
from vocoders.frontends.mel import MEL_PRESETS, MelConfig
from vocoders.layers.decomposers import DecomposerName
from vocoders.layers.norms import NormName
from vocoders.layers.time_context import TimeContext, share_look_ahead
from vocoders.mel_vocoder import MelVocoderConfig

__all__ = ["FRAME_KERNEL", "VARIANTS", "WavehaxConfig"]

# Width in frames of the one-dimensional convolutions on prior and mel, in every published configuration.
FRAME_KERNEL = 7


class WavehaxConfig(MelVocoderConfig):
    """Wavehax; the defaults are the published ``wavehax.v1``.

    Attributes:
        mel: conditioning mel; it also defines sample rate, hop length and number of input channels.
        f0: the F0 tracker.
        prior: the excitation.
        network: ``real`` (spectra as two real channels), ``complex`` (complex layers) or ``multi_scale`` (the waveform
            split into streams of a lower rate).
        channels: width C of the two-dimensional network.
        mult_channels: expansion of the pointwise layers.
        kernel_size: odd depthwise kernel (frequency, time).
        num_blocks: number of ConvNeXt blocks.
        n_fft: transform length in samples, of one stream for ``multi_scale``.
        norm: ``utterance`` (published; the output depends on the length of the input), ``frame`` or ``batch``
            (published for streaming; long inputs can be synthesised in chunks exactly).
        outer_norm: normalisation before the first and after the last block; ``None``: ``norm``, or ``utterance`` with
            ``norm: batch``, as published.
        look_ahead: number of future frames that the network may see; its kernels are causal but for these, and beyond
            the ends of the signal there are zeros. ``None`` (published): kernels are centred, borders reflected. Not
            for ``complex``.
        drop_prob: stochastic depth.
        log_magnitude_phase: ``real`` only: spectra enter and leave as log magnitude and phase.
        semi_unitary_init: ``complex`` only: start from scaled semi-unitary matrices.
        decomposer: filter bank of ``multi_scale``.
        num_streams: S, the number of streams of ``multi_scale``.
        prior_shaping: ``none`` (published), or ``envelope`` (ours, ``real`` only): the network works in a domain
            whitened by the spectral envelope of the mel and learns a correction to a source-filter vocoder.
        move_harmonics: whether ``synthesize`` moves the harmonics of the mel to the wanted F0, where that differs from
            the mel's (ours; see :class:`~vocoders.frontends.moved_harmonics.MovedHarmonics`), or leaves the mel as it
            is, as published. ``None``: only with ``prior_shaping: envelope``.
        remade_share: share of training items whose mel is remade: smoothed, with the harmonics of its own F0, as
            synthesis with another F0 makes it. The network then learns that such mels are speech too.
        mel_refinement: iterations of :class:`~vocoders.frontends.mel_consistency.MelConsistency` after the network in
            ``synthesize`` (ours; 0: none, as published).
        start_refinement: iterations of refinement of a start that agrees with the mel
            (:class:`~vocoders.frontends.mel_consistent_start.MelConsistentPrior`), which the network then corrects
            (ours; needs ``prior_shaping: envelope`` and no ``look_ahead``). 0: the network starts from the prior alone.
    """

    mel: MelConfig = MEL_PRESETS["wavehax_24k"]
    f0: F0Config = F0Config()  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen, which pyright does not see)
    prior: PriorConfig = PriorConfig()
    network: Literal["real", "complex", "multi_scale"] = "real"
    channels: int = Field(default=32, gt=0)
    mult_channels: int = Field(default=2, gt=0)
    kernel_size: tuple[int, int] = (7, 7)
    num_blocks: int = Field(default=8, ge=0, le=1024)
    n_fft: int = Field(default=480, gt=0, le=1 << 16)
    norm: NormName = "utterance"
    outer_norm: Literal["utterance", "frame"] | None = None
    look_ahead: int | None = Field(default=None, ge=0)
    drop_prob: float = Field(default=0.0, ge=0, lt=1)
    log_magnitude_phase: bool = False
    semi_unitary_init: bool = False
    decomposer: DecomposerName = "multi_stream"
    num_streams: int = Field(default=4, gt=1)
    prior_shaping: Literal["none", "envelope"] = "none"
    move_harmonics: bool | None = None
    remade_share: float = Field(default=0.0, ge=0, le=1)
    mel_refinement: int = Field(default=0, ge=0)
    start_refinement: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> "WavehaxConfig":
        if any(size % 2 == 0 or size < 1 for size in self.kernel_size):
            raise ValueError(f"kernel_size {list(self.kernel_size)} must be odd")
        if self.log_magnitude_phase and self.network != "real":
            raise ValueError(f"log_magnitude_phase belongs to network 'real', not '{self.network}'")
        if self.prior_shaping == "envelope" and (self.network != "real" or self.log_magnitude_phase):
            raise ValueError("prior_shaping 'envelope' needs network 'real' without log_magnitude_phase")
        if self.start_refinement and (self.prior_shaping != "envelope" or self.look_ahead is not None):
            raise ValueError("start_refinement needs prior_shaping 'envelope' and no look_ahead")
        if self.remade_share and not self.moves_harmonics:
            raise ValueError("remade_share needs move_harmonics")
        if self.prior_shaping == "envelope" and (self.mel.log != "ln" or self.mel.power != 1):
            raise ValueError("prior_shaping 'envelope' needs a mel of magnitudes in natural logarithm")
        if self.network == "multi_scale" and self.hop_length % self.num_streams:
            raise ValueError(f"hop_length {self.hop_length} is not a multiple of num_streams {self.num_streams}")
        self._check_look_ahead()
        if self.n_fft < self.stream_hop_length:
            raise ValueError(f"n_fft {self.n_fft} is shorter than a hop of {self.stream_hop_length}")
        return self

    def _check_look_ahead(self) -> None:
        if self.look_ahead is None:
            return
        if self.network == "complex" or (self.network == "multi_scale" and self.decomposer == "pqmf"):
            raise ValueError("look_ahead needs network 'real' or 'multi_scale', and not the decomposer 'pqmf'")
        if not self.is_local:
            raise ValueError(
                "look_ahead needs norms that are local in time: norm and outer_norm 'frame', or norm 'batch'"
            )
        most = sum(context.width // 2 for context in share_look_ahead(self._time_kernels, None))
        if self.look_ahead > most:
            raise ValueError(f"look_ahead {self.look_ahead}; the kernels reach {most} frames ahead at most")

    @property
    def _time_kernels(self) -> list[int]:
        return [FRAME_KERNEL, *[self.kernel_size[1]] * self.num_blocks]

    @property
    def time_contexts(self) -> list[TimeContext]:
        """The frames that the first convolution and each block see."""
        return share_look_ahead(self._time_kernels, self.look_ahead)

    @property
    def stream_hop_length(self) -> int:
        """Samples per frame of the signal that the network transforms."""
        return self.hop_length // self.num_streams if self.network == "multi_scale" else self.hop_length

    @property
    def outer_norm_name(self) -> Literal["utterance", "frame"]:
        """Normalisation before the first and after the last block."""
        return self.outer_norm or ("frame" if self.norm == "frame" else "utterance")

    @property
    def is_local(self) -> bool:
        """Whether an output sample depends on a bounded part of the input alone."""
        return self.norm != "utterance" and self.outer_norm_name != "utterance"

    @property
    def moves_harmonics(self) -> bool:
        """Whether synthesis moves the harmonics of the mel to another F0."""
        return self.prior_shaping == "envelope" if self.move_harmonics is None else self.move_harmonics

    @property
    def num_excitations(self) -> int:
        """Number of signals that the network takes: of the prior, and its start."""
        if self.prior_shaping == "none":
            return 1
        return 3 if self.start_refinement else 2

    @property
    def num_bins(self) -> int:
        """Number of frequency bins of the network."""
        return self.n_fft // 2 + 1


VARIANTS: dict[str, WavehaxConfig] = {
    "v1": WavehaxConfig(),
    "v2": WavehaxConfig(channels=16, mult_channels=3, kernel_size=(13, 7)),
    "fb": WavehaxConfig(mel=MEL_PRESETS["wavehax_48k"], n_fft=960, kernel_size=(15, 7)),
    "complex_v1": WavehaxConfig(network="complex", channels=16),
    "complex_v2": WavehaxConfig(network="complex", channels=8, mult_channels=3, kernel_size=(13, 7)),
    "multi_scale": WavehaxConfig(network="multi_scale", channels=64, n_fft=120, norm="frame"),
}

"""The Wavehax vocoder: front end, statistics, network and synthesis in one module."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from vocoders.core.chunking import chunk_spans, join_crossfade, join_exact
from vocoders.core.counter_noise import counter_normal_and_uniform, counter_uniform
from vocoders.core.errors import ShapeError
from vocoders.frontends.envelope import flat_excitation_levels, flat_harmonics
from vocoders.frontends.harmonic import draw_prior_noise, draw_prior_phase, make_prior
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.mel_consistent_start import MelConsistentPrior
from vocoders.frontends.moved_harmonics import MovedHarmonics
from vocoders.frontends.refinement_steps import CLOSING_STEPS
from vocoders.interface import Progress
from vocoders.mel_vocoder import MelVocoder
from vocoders.stream import Stream
from vocoders.wavehax.config import FRAME_KERNEL, WavehaxConfig
from vocoders.wavehax.envelope import EnvelopeNetwork
from vocoders.wavehax.initial_weights import move_kernels, move_start
from vocoders.wavehax.networks import ComplexNetwork, MultiScaleNetwork, RealNetwork
from vocoders.wavehax.options import WavehaxOptions
from vocoders.wavehax.streaming import WavehaxStream

__all__ = ["Wavehax"]

_NETWORKS = {"real": RealNetwork, "complex": ComplexNetwork, "multi_scale": MultiScaleNetwork}

# Iterations of refinement towards a mel with moved harmonics: more follow its errors, and the pitch becomes less exact.
_MOVED_REFINEMENT = 2

# Factor of the noise in a start. Refinement gives it the level that the mel wants where there are no harmonics.
_START_NOISE = 0.4


class Wavehax(MelVocoder[WavehaxConfig]):
    """Aliasing-free vocoder with a harmonic prior (arXiv 2411.06807).

    ``synthesize`` is inference; ``forward`` is the pure function that training uses.

    Args:
        config: see :class:`WavehaxConfig`.
    """

    family = "wavehax"
    config_class = WavehaxConfig
    options_class = WavehaxOptions
    statistics = ("mean", "std")
    # Longest input that the network processes at once, in seconds.
    chunk_seconds = 20.0

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: WavehaxConfig) -> None:
        super().__init__(config)
        self.mel_consistency = MelConsistency(self.log_mel, closing=CLOSING_STEPS)
        # For mels with moved harmonics: closing steps would follow the errors of an estimate.
        self.careful_consistency = MelConsistency(self.log_mel)
        # Few iterations begin far away, where momentum overshoots.
        first = MelConsistency(self.log_mel, momentum=0.0, relaxation=1.0)
        iterations = config.start_refinement
        self.start = MelConsistentPrior(config.mel, first, iterations, 2) if iterations else None
        self.moved_harmonics = MovedHarmonics(self.log_mel) if config.moves_harmonics else None
        self.register_buffer("feature_mean", torch.zeros(config.in_channels, 1))
        self.register_buffer("feature_std", torch.ones(config.in_channels, 1))
        shaped = config.prior_shaping == "envelope"
        self.network = EnvelopeNetwork(config) if shaped else _NETWORKS[config.network](config)

    @property
    def least_frames(self) -> int:
        """Least number of frames for the kernels."""
        if self.config.look_ahead is not None:
            return 1
        return max(FRAME_KERNEL, self.config.kernel_size[1]) // 2 + 1

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set mean and standard deviation of each mel band, (n_mels,) each."""
        if mean.numel() != self.config.in_channels or std.numel() != self.config.in_channels:
            raise ShapeError(f"statistics of {mean.numel()} bands; the model has {self.config.in_channels}")
        self.feature_mean.copy_(mean.view(-1, 1))
        self.feature_std.copy_(std.view(-1, 1))

    def start_from(self, trained: Self) -> None:
        """Copy the weights of a trained model; see :mod:`vocoders.wavehax.initial_weights`.

        Args:
            trained: a model with any look-ahead, and with or without a start.

        Raises:
            RuntimeError: if they are of another shape.
        """
        own, other, weights = self.config, trained.config, trained.state_dict()
        widths = [[context.width for context in config.time_contexts] for config in (own, other)]
        if own.look_ahead != other.look_ahead and widths[0] == widths[1]:
            weights = move_kernels(weights, other, own)
        if {own.num_excitations, other.num_excitations} == {2, 3}:
            weights = move_start(weights, self.state_dict())
        self.load_state_dict(weights)

    def forward(self, features: Tensor, prior: Tensor) -> Tensor:
        """Turn features and a prior into a waveform.

        Args:
            features: log-mel (B, n_mels, F), as returned by :class:`~vocoders.frontends.mel.LogMel`.
            prior: excitation from :meth:`prior`, and :meth:`begin` if the network has a start,
                (B, 1 to 3, F * hop_length).

        Returns:
            Waveform (B, 1, F * hop_length); not limited to [-1, 1].

        Raises:
            ShapeError: if the shapes do not match, or there are too few frames for the kernels.
        """
        self._check_shapes(features, prior)
        return self.network(prior, *self.network_features(features))

    def network_features(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what the network takes of log-mels (B, n_mels, F): normalised mels, and their log envelope."""
        normalised = (features - self.feature_mean) / self.feature_std
        if isinstance(self.network, EnvelopeNetwork):
            return normalised, self.network.envelope(features)
        return (normalised,)

    def prior(self, f0: Tensor, noise: Tensor | None = None, phase: Tensor | None = None) -> Tensor:
        """Make the excitation of ``f0``.

        Args:
            f0: (B, 1, F) in Hz, 0 where unvoiced.
            noise: standard normal (B, 1, F * hop_length); ``None``: no noise.
            phase: start phase in cycles (1, 1), or (B, 1) of each item; ``None``: 0.

        Returns:
            (B, 1, F * hop_length), or if the envelope shapes the prior (B, 2, F * hop_length): harmonics and noise.
        """
        config = self.config
        if config.prior_shaping == "none":
            return make_prior(f0, config.hop_length, config.sample_rate, config.prior, noise, phase)
        harmonics = flat_harmonics(f0, config.mel, phase)
        noise = torch.zeros_like(harmonics) if noise is None else noise * flat_excitation_levels(config.mel)[1]
        return torch.cat([harmonics, noise], dim=1)

    def begin(self, features: Tensor, prior: Tensor) -> Tensor:
        """Return a prior with the start of the network, if it has one: (B, 3, F * hop_length)."""
        if self.start is None:
            return prior
        return torch.cat([prior, self.start(self.flat_excitation(prior), features)], dim=1)

    def flat_excitation(self, prior: Tensor) -> Tensor:
        """Return what the start is made of, at the level of white noise: (B, 1, F * hop_length)."""
        harmonics, noise = prior.split(1, dim=1)
        return (harmonics + _START_NOISE * noise) / flat_excitation_levels(self.config.mel)[1]

    def draw_prior(self, f0: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Make the excitation of ``f0`` with start phase and noise drawn from ``generator``, the phase first.

        So a stream, which does not know the length of the noise, draws the same numbers.
        """
        phase = draw_prior_phase(f0, generator)
        return self.prior(f0, draw_prior_noise(f0, self.hop_length, generator), phase)

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of :meth:`forward` for a training batch.

        Noise and start phase of each item come from its ``seed``, so they do not depend on the division of a batch over
        processes.

        Args:
            batch: ``features`` (B, n_mels, F), ``f0`` (B, 1, F), ``seed`` (B,) integers.
        """
        f0, seeds = batch["f0"], batch["seed"]
        noise, phase = counter_normal_and_uniform(seeds, f0.shape[-1] * self.hop_length)
        features, share = batch["features"], self.config.remade_share
        if self.moved_harmonics is not None and share:
            is_remade = counter_uniform(seeds, stream=2).view(-1, 1, 1) < share
            features = torch.where(is_remade, self.moved_harmonics.remade(features, f0), features)
        return {"features": features, "prior": self.begin(features, self.prior(f0, noise, phase))}

    def _synthesize(self, inputs: dict[str, Tensor], options: WavehaxOptions, seed: int, progress: Progress) -> Tensor:
        """Return the waveform.

        Memory is bounded: inputs longer than ``chunk_seconds`` are synthesised in overlapping chunks. With frame-wise
        or batch norms the chunks join exactly. With the published utterance norm each chunk has its own statistics, and
        chunks are cross-faded: the result differs slightly from an unchunked one.
        """
        f0 = inputs["f0"] * options.f0_scale
        prior = self.draw_prior(f0, torch.Generator().manual_seed(seed))
        mel_f0 = inputs.get("mel_f0", inputs["f0"])
        same_f0 = torch.equal(mel_f0, f0)
        features = self.moved(inputs["features"], mel_f0, f0)
        iterations = self.refinement(options, same_f0)
        return self._forward_in_chunks(features, prior, self.consistency(same_f0), iterations, progress)

    def moved(self, features: Tensor, mel_f0: Tensor, f0: Tensor) -> Tensor:
        """Return features of audio with ``mel_f0`` for synthesis with ``f0``; see ``WavehaxConfig.move_harmonics``."""
        return features if self.moved_harmonics is None else self.moved_harmonics(features, mel_f0, f0)

    def refinement(self, options: WavehaxOptions, same_f0: bool) -> int:
        """Return the number of iterations of mel refinement.

        Args:
            options: of synthesis.
            same_f0: whether F0 is that of the mel. Otherwise the mel contains other harmonics, or is an estimate.
        """
        if options.mel_refinement is not None:
            return options.mel_refinement
        if same_f0:
            return self.config.mel_refinement
        return min(_MOVED_REFINEMENT, self.config.mel_refinement) if self.config.moves_harmonics else 0

    def consistency(self, same_f0: bool) -> MelConsistency:
        """Return the mel refinement, given whether F0 is that of the mel."""
        return self.mel_consistency if same_f0 else self.careful_consistency

    def refinement_iterations(self, options: WavehaxOptions) -> int:
        """Return the number of iterations of mel refinement, 0 where F0 is not that of the mel."""
        return self.refinement(options, True) if options.f0_scale == 1 else 0

    def _stream(
        self, options: WavehaxOptions, batch: int, seed: int, chunk: int, refinement_look_ahead: int | None = None
    ) -> Stream:
        return WavehaxStream(self, options, batch, seed, chunk, refinement_look_ahead)

    @property
    def halo_frames(self) -> int:
        """Number of frames on each side on which an output frame depends (for norms that are local in time)."""
        config = self.config
        frames = max(sum(context.before for context in config.time_contexts), config.look_ahead or 0)
        frames += -(-config.n_fft // config.stream_hop_length)
        if config.network == "multi_scale":
            frames += 1
        return frames + (0 if self.start is None else self.start.context_frames)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`, half a second long."""
        num_frames = max(round(0.5 * self.sample_rate / self.hop_length), self.config.kernel_size[1])
        generator = torch.Generator().manual_seed(0)
        f0 = torch.linspace(90.0, 260.0, num_frames).view(1, 1, -1).clone()
        f0[..., : num_frames // 4] = 0
        tilt = torch.linspace(-1.0, -6.0, self.config.in_channels)[None, :, None]
        features = tilt + 0.5 * torch.randn(1, self.config.in_channels, num_frames, generator=generator)
        return {"features": features, "prior": self.begin(features, self.draw_prior(f0, generator))}

    def _forward_in_chunks(
        self, features: Tensor, prior: Tensor, consistency: MelConsistency, iterations: int, progress: Progress
    ) -> Tensor:
        hop, num_frames = self.hop_length, features.shape[-1]
        chunk = round(self.chunk_seconds * self.sample_rate / hop)
        halo = self.halo_frames + iterations * consistency.context_frames
        halo = halo if self.config.is_local else max(halo, chunk // 10)
        spans = chunk_spans(num_frames, chunk, halo)
        join = join_exact if self.config.is_local else join_crossfade

        def outputs() -> Iterator[Tensor]:
            for span in spans:
                part = features[..., span.start : span.stop]
                excitation = self.begin(part, prior[..., span.start * hop : span.stop * hop])
                waveform = self.compute(self, part, excitation)
                yield consistency(waveform, part, iterations)
                progress(span.valid_stop / num_frames)

        return join(outputs(), spans, hop)

    def _check_shapes(self, features: Tensor, prior: Tensor) -> None:
        if features.dim() != 3 or features.shape[1] != self.config.in_channels:
            raise ShapeError(f"features {tuple(features.shape)}; expected (B, {self.config.in_channels}, F)")
        num_frames = features.shape[-1]
        if num_frames < self.least_frames:
            raise ShapeError(f"{num_frames} frames; Wavehax needs at least {self.least_frames}")
        expected = (features.shape[0], self.config.num_excitations, num_frames * self.hop_length)
        if tuple(prior.shape) != expected:
            raise ShapeError(f"prior {tuple(prior.shape)}; expected {expected}")

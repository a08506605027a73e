"""PeriodWave-MB: the bands of a wavelet packet, drawn one after the other from low to high.

Examples:
    >>> import torch
    >>> from vocoders.periodwave import PeriodWaveMB, PeriodWaveMBConfig
    >>> model = PeriodWaveMB(PeriodWaveMBConfig(hidden_channels=16))  # untrained
    >>> features = model.analyze(torch.zeros(4096))["features"]
    >>> waveform = model.synthesize(features, steps=(2, 1, 1, 1), solver="euler")
    >>> waveform.shape
    torch.Size([1, 1, 4096])
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.flow import FlowSample, solve, time_grid
from vocoders.frontends.harmonic import hold_frames
from vocoders.interface import Progress
from vocoders.layers.containers import ModuleDictOf
from vocoders.periodwave.bands import Bands
from vocoders.periodwave.base import FlowVocoder, Velocity, call_counter, freeu_of
from vocoders.periodwave.condition import ConditionEncoder
from vocoders.periodwave.estimator import Estimator
from vocoders.periodwave.multiband_config import PeriodWaveMBConfig
from vocoders.periodwave.options import BandFlowOptions, BandFlowSampling
from vocoders.solvers import calls_per_step

__all__ = ["BandNetwork", "PeriodWaveMB"]


class BandNetwork(nn.Module):
    """The networks of one band: a condition encoder, and an estimator that takes the band and all lower bands."""

    def __init__(self, config: PeriodWaveMBConfig, band: int) -> None:
        super().__init__()
        self.encoder = ConditionEncoder(config, config.in_channels + (config.energy is not None))
        self.estimator = Estimator(
            in_channels=1 + band,
            width=config.hidden_channels,
            embedding_width=config.embedding_width,
            periods=config.periods,
            channels=config.channels,
            strides=config.strides,
            dilations=config.dilations,
        )


class PeriodWaveMB(FlowVocoder[PeriodWaveMBConfig]):
    """Multi-band flow matching vocoder (after arXiv 2408.07547; the paper's multi-band model has no published code).

    A wavelet packet splits the signal into equal bands at a fraction of its sample rate. The network of each band is
    conditioned on the mel and on the lower bands: in training on the true ones (teacher forcing), in synthesis on those
    already drawn. The networks share no weights, so ``config.bands`` may divide them over several runs, and
    :meth:`join` combines the results. A model with some of the bands takes the others from audio.

    Bands, velocities and priors are in units of ``config.band_scales``. The prior of a band follows the energy in its
    mel bins, see :meth:`Bands.deviation`.

    Args:
        config: see :class:`PeriodWaveMBConfig`.
    """

    family = "periodwave_mb"
    config_class = PeriodWaveMBConfig
    options_class = BandFlowOptions

    def __init__(self, config: PeriodWaveMBConfig) -> None:
        super().__init__(config)
        self.bands = Bands(config)
        self.networks = ModuleDictOf({str(band): BandNetwork(config, band) for band in config.own_bands})

    @classmethod
    def join(cls, models: Iterable["PeriodWaveMB"]) -> Self:
        """Combine models of some bands into one of all bands.

        Raises:
            ConfigError: if a band is missing or occurs twice, or the models differ in anything else.
        """
        models = list(models)
        if not models:
            raise ConfigError("no models to join")
        configs = [model.config.model_copy(update={"bands": None}) for model in models]
        found = sorted(band for model in models for band in model.config.own_bands)
        if found != list(range(configs[0].num_bands)):
            raise ConfigError(f"the models have bands {found}; expected each of {configs[0].num_bands} once")
        if any(config != configs[0] for config in configs[1:]):
            raise ConfigError("the models differ in more than their bands; train them with one configuration")
        if any(not torch.equal(model.energy_range, models[0].energy_range) for model in models[1:]):
            raise ConfigError("the models differ in their energy range; train them on the same data")
        joined = cls(configs[0])
        joined.load_state_dict({name: value for model in models for name, value in model.state_dict().items()})
        return joined.eval()

    @property
    def is_complete(self) -> bool:
        """Whether the model has every band; if not, synthesis takes the missing bands from audio."""
        return len(self.networks) == self.config.num_bands

    @property
    def reach(self) -> int:
        """Number of samples to either side on which a call of any band's estimator can depend."""
        return self.config.num_bands * max(network.estimator.reach for network in self.networks.values())

    def prior_deviation(self, features: Tensor) -> Tensor:
        """Return the deviation of the prior of each own band, before ``noise_scale``: (B, own bands, F)."""
        return self.bands.deviation(features, self.energy_range)[:, self.config.own_bands]

    def start(self, features: Tensor, excitation: Tensor, temperature: float = 1.0) -> Tensor:
        """Return a sample of the prior of ``features``.

        Args:
            features: (B, channels, F).
            excitation: standard normal noise, at the full rate: (B, 1, F * hop_length).
            temperature: factor on the deviation.

        Returns:
            (B, own bands, F * hop_length / bands).
        """
        deviation = hold_frames(self.prior_deviation(features), self.config.band_hop)
        return (
            self.bands.noise(excitation)[:, self.config.own_bands] * (temperature * self.config.noise_scale) * deviation
        )

    def encode(self, features: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Return the condition of each period, for the estimator of each own band.

        Args:
            features: (B, channels, F), F at least 2.
        """
        self._check_features(features)
        if self.config.energy is None:
            return tuple(network.encoder(features) for network in self.networks.values())
        deviations = self.prior_deviation(features).split(1, dim=1)
        return tuple(
            network.encoder(torch.cat([features, deviation], dim=1))
            for network, deviation in zip(self.networks.values(), deviations, strict=True)
        )

    def forward(self, features: Tensor, x: Tensor, t: Tensor | None = None, bands: Tensor | None = None) -> Tensor:
        """Return the velocities of the own bands at (x, t), or without ``t`` the waveform at the end of the flows.

        Args:
            features: (B, channels, F), F at least 2.
            x: state of each own band, (B, own bands, K), K = F * hop_length / bands; without ``t`` a sample of
                :meth:`prior`.
            t: times in [0, 1], (B,).
            bands: true bands (B, bands, K). With ``t``, each band is conditioned on the lower ones; without, they
                replace the bands that the model lacks.

        Returns:
            (B, own bands, K), or the waveform (B, 1, F * hop_length).

        Raises:
            ShapeError: if the shapes do not match, there are too few frames, or ``bands`` is needed.
        """
        conditions = self.encode(features)
        self._check_bands(features, x, bands, is_needed=not self.is_complete or t is not None)
        sampling = self.config.sampling
        freeu = freeu_of(sampling)
        networks = self.networks.values()
        if t is None:
            velocities = [
                self._training_velocity(network.estimator, condition, freeu)
                for network, condition in zip(networks, conditions, strict=True)
            ]
            return self._draw_bands(velocities, x, bands, sampling)
        assert bands is not None, "checked above"
        own = zip(self.config.own_bands, x.split(1, dim=1), networks, conditions, strict=True)
        return torch.cat(
            [
                network.estimator(torch.cat([state, bands[:, :band]], dim=1), condition, t)
                for band, state, network, condition in own
            ],
            dim=1,
        )

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the arguments of :meth:`forward` for a training batch, as :meth:`FlowVocoder.draw_inputs` does.

        A model with some of the bands needs ``audio`` (B, 1, T) in the batch for the others.
        """
        inputs = super().draw_inputs(batch)
        return inputs if self.is_complete else inputs | {"bands": self.bands(batch["audio"])}

    def flow_sample(self, batch: Mapping[str, Any], t: Tensor) -> FlowSample:
        """Return the inputs and the target of a flow matching step at the times ``t`` (B,), the same for every band.

        Args:
            batch: the batch of :meth:`draw_inputs`, with ``audio`` (B, 1, T).
            t: times in [0, 1].
        """
        inputs = super().draw_inputs(batch)
        bands = self.bands.of_clip(batch["audio"])
        sample = self.path.sample(inputs["x"], bands[:, self.config.own_bands], t)
        deviation = hold_frames(self.prior_deviation(inputs["features"]), self.config.band_hop)
        return FlowSample(inputs | {"x": sample.x, "t": sample.t, "bands": bands}, sample.velocity, deviation)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`, half a second long."""
        features, noise = self._reference_signals()
        bands = self.config.noise_scale * noise.view(1, self.config.num_bands, -1)
        inputs = {"features": features, "x": bands[:, self.config.own_bands]}
        return inputs if self.is_complete else inputs | {"bands": bands.flip(-1)}

    def _analyze(self, audio: Tensor) -> dict[str, Tensor]:
        inputs = super()._analyze(audio)
        if self.is_complete:
            return inputs
        return inputs | {"bands": self.bands(audio[..., : inputs["features"].shape[-1] * self.hop_length])}

    def check_options(self, options: BandFlowOptions) -> None:
        """Raise a :class:`ConfigError` for steps for another number of bands."""
        super().check_options(options)
        options.steps_of_bands(self.config.num_bands)

    def _synthesize(self, inputs: dict[str, Tensor], options: BandFlowOptions, seed: int, progress: Progress) -> Tensor:
        if not self.is_complete and "bands" not in inputs:
            raise ConfigError(
                f"a model of bands {list(self.config.own_bands)} of {self.config.num_bands} needs audio, from which it "
                "takes the others; give audio, or join the models of all bands"
            )
        return super()._synthesize(inputs, options, seed, progress)

    def _flow(
        self,
        features: Tensor,
        excitation: Tensor,
        sampling: BandFlowSampling,
        report: Progress,
        bands: Tensor | None = None,
    ) -> Tensor:
        steps = sampling.steps_of_bands(self.config.num_bands)
        calls = calls_per_step(sampling.solver) * sum(steps[band] for band in self.config.own_bands)
        count, freeu = call_counter(calls, report), freeu_of(sampling)
        rate = self.sample_rate / self.config.num_bands
        velocities = [
            self._windowed_velocity(network.estimator, condition, freeu, count, rate)
            for network, condition in zip(self.networks.values(), self.encode(features), strict=True)
        ]
        return self._draw_bands(velocities, self.start(features, excitation, sampling.temperature), bands, sampling)

    def _draw_bands(
        self, velocities: Sequence[Velocity], x: Tensor, bands: Tensor | None, sampling: BandFlowSampling
    ) -> Tensor:
        """Integrate the flows of the bands from ``x`` in ascending order and join the bands to a waveform."""
        steps = sampling.steps_of_bands(self.config.num_bands)
        own = dict(zip(self.config.own_bands, zip(velocities, x.split(1, dim=1), strict=True), strict=True))
        drawn = x[:, :0]
        for band in range(self.config.num_bands):
            if band in own:
                velocity, state = own[band]
                grid = time_grid(steps[band], sampling.sway)
                result = solve(_below(velocity, drawn), state, grid, sampling.solver)
            else:
                assert bands is not None, "a model that lacks bands is given them"
                result = bands[:, band : band + 1]
            drawn = torch.cat([drawn, result], dim=1)
        return self.bands.inverse(drawn)

    def _check_bands(self, features: Tensor, x: Tensor, bands: Tensor | None, is_needed: bool) -> None:
        length = features.shape[-1] * self.config.band_hop
        expected = (features.shape[0], len(self.networks), length)
        if tuple(x.shape) != expected:
            raise ShapeError(f"x {tuple(x.shape)}; expected {expected}")
        expected = (features.shape[0], self.config.num_bands, length)
        if bands is None and is_needed:
            raise ShapeError(f"the true bands are missing; expected bands {expected}")
        if bands is not None and tuple(bands.shape) != expected:
            raise ShapeError(f"bands {tuple(bands.shape)}; expected {expected}")


def _below(velocity: Velocity, lower: Tensor) -> Velocity:
    """Return the velocity field of a band given the lower bands (B, C, K)."""
    return lambda x, t: velocity(torch.cat([x, lower], dim=1), t)

"""Wavehax as ONNX: mel, F0, noise and start phase to audio, with the harmonic prior inside."""

from typing import Any

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.core.graphs.tracing import GraphPlan, Port
from vocoders.frontends.graphs import StartGraph, log_mel_plan, real_valued, refinement_plan
from vocoders.wavehax.model import Wavehax
from vocoders.wavehax.options import WavehaxOptions
from vocoders.wavehax.step_graph import step_plan

__all__ = ["graphs", "network_plan", "synthesis_plan"]

# Items and frames of the trials.
_SHAPES = ((1, 60), (3, 23), (1, 150))


def graphs(model: Wavehax, options: WavehaxOptions) -> tuple[GraphPlan, ...]:
    """Return the graphs of an export: synthesis, a step of a causal network, the front end, and the mel refinement."""
    del options  # scale F0 and choose the iterations outside of the graphs
    steps = () if model.config.look_ahead is None else (step_plan(model),)
    return synthesis_plan(model), *steps, log_mel_plan(model.log_mel), refinement_plan(model.mel_consistency)


class _Synthesis(nn.Module):
    def __init__(self, model: Wavehax) -> None:
        super().__init__()
        self.model: Any = real_valued(model)
        if model.start is not None:
            self.model.start = StartGraph(self.model.start)

    def forward(self, features: Tensor, f0: Tensor, noise: Tensor, phase: Tensor) -> Tensor:
        return self.model(features, self.model.begin(features, self.model.prior(f0, noise, phase)))


def synthesis_plan(model: Wavehax) -> GraphPlan:
    """Return the graph from features, F0, noise and start phase to audio.

    Raises:
        ConfigError: for a prior that has no graph.
    """
    if model.config.prior.name in ("sawtooth", "pcph_linear_decay") and model.config.prior_shaping == "none":
        raise ConfigError(f"the prior '{model.config.prior.name}' has no ONNX graph; expected pcph, sine or noise")
    hop, rate = model.hop_length, model.sample_rate
    samples = ("batch", 1, "samples")
    return GraphPlan(
        "synthesis",
        _Synthesis(model).eval(),
        lambda features, f0, noise, phase: model.cpu()(features, model.begin(features, model.prior(f0, noise, phase))),
        (
            Port("features", ("batch", model.num_features, "frames"), model.config.mel.fingerprint),
            Port("f0", ("batch", 1, "frames"), "in Hz, 0 where unvoiced; held for the samples of a frame"),
            Port("noise", samples, f"standard normal; samples: frames * {hop}", "normal"),
            Port("phase", (1, 1), "start phase of the fundamental in cycles, 0 to 1", "uniform"),
        ),
        (Port("audio", samples, f"at {rate} Hz; not limited to [-1, 1]"),),
        _inputs(model, 2, 33),
        tuple(_inputs(model, *shape) for shape in _SHAPES),
        "features and F0 to audio, before mel refinement",
    )


def network_plan(model: Wavehax, part: nn.Module) -> GraphPlan:
    """Return the graph of ``forward``, for runtimes: features and prior to audio; ``part`` is the model itself."""
    del part

    def inputs(batch: int, frames: int) -> dict[str, Tensor]:
        drawn = _inputs(model, batch, frames)
        prior = model.prior(drawn["f0"], drawn["noise"], drawn["phase"])
        return {"features": drawn["features"], "prior": model.begin(drawn["features"], prior)}

    parts = inputs(1, 8)["prior"].shape[1]
    return GraphPlan(
        "network",
        real_valued(model),
        model,
        (
            Port("features", ("batch", model.num_features, "frames"), model.config.mel.fingerprint),
            Port("prior", ("batch", parts, "samples"), "the excitation"),
        ),
        (Port("audio", ("batch", 1, "samples"), f"at {model.sample_rate} Hz"),),
        inputs(2, 33),
        tuple(inputs(*shape) for shape in _SHAPES[:2]),
        "features and prior to audio",
    )


def _inputs(model: Wavehax, batch: int, frames: int) -> dict[str, Tensor]:
    """Return features like those of speech, gliding F0 with a pause, noise and a start phase."""
    frames = max(frames, model.least_frames)
    generator = torch.Generator().manual_seed(frames)
    tilt = torch.linspace(-1.0, -6.0, model.num_features)[None, :, None]
    f0 = torch.linspace(90.0, 260.0, frames).repeat(batch, 1, 1)
    f0[..., frames // 3 : frames // 2] = 0
    return {
        "features": tilt + 0.5 * torch.randn(batch, model.num_features, frames, generator=generator),
        "f0": f0,
        "noise": torch.randn(batch, 1, frames * model.hop_length, generator=generator),
        "phase": torch.rand(1, 1, generator=generator),
    }

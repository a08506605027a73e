"""Streams of Wavehax: the samples of the whole utterance, whatever the pieces, at a latency that is exact."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vocoders.core.errors import ConfigError, DataError, ShapeError
from vocoders.registry import FAMILIES
from vocoders.runtimes import ModelRuntime
from vocoders.stream import Stream
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

SMALL: dict[str, Any] = {"channels": 8, "kernel_size": (5, 5), "num_blocks": 2, "norm": "frame"}
CAUSAL = {
    "real": {"look_ahead": 1},
    "no look-ahead": {"look_ahead": 0},
    "look-ahead in two layers": {"look_ahead": 4},
    "batch norm": {"look_ahead": 1, "norm": "batch", "outer_norm": "frame"},
    "log magnitude": {"look_ahead": 1, "log_magnitude_phase": True},
    "long transform": {"look_ahead": 1, "n_fft": 960},
    "envelope": {"look_ahead": 1, "prior_shaping": "envelope"},
    "multi-scale": {"look_ahead": 1, "network": "multi_scale", "n_fft": 120},
    "multi-scale, Haar": {"look_ahead": 2, "network": "multi_scale", "n_fft": 120, "decomposer": "haar"},
}
FRAMES = 40


def make_model(**options: Any) -> Wavehax:
    torch.manual_seed(0)
    model = Wavehax(WavehaxConfig(**SMALL | options)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def inputs(batch: int = 1, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    f0 = 150 + 50 * torch.rand(batch, 1, frames, generator=generator)
    f0[..., 5:9] = 0
    return -3 + torch.randn(batch, 100, frames, generator=generator), f0


def run(stream: Stream, features: Tensor, f0: Tensor, size: int) -> Tensor:
    parts = [stream.push(features[..., i : i + size], f0[..., i : i + size]) for i in range(0, f0.shape[-1], size)]
    return torch.cat([*parts, stream.finish()], dim=-1)


@pytest.mark.parametrize("options", CAUSAL.values(), ids=CAUSAL)
def test_a_causal_stream_is_the_whole_utterance_for_pieces_of_any_size(options: dict[str, Any]) -> None:
    model, (features, f0) = make_model(**options), inputs()
    whole = model.synthesize(features, f0, seed=3)
    streams = [run(model.stream(seed=3), features, f0, size) for size in (1, 7, FRAMES)]
    assert all(torch.equal(streams[0], other) for other in streams[1:])
    assert streams[0].shape == whole.shape
    # Phases of log magnitudes may turn where a magnitude vanishes.
    tolerance = 1e-6 if "log_magnitude_phase" not in options else 1e-3
    assert (streams[0] - whole).abs().max() <= tolerance * whole.abs().max()


@pytest.mark.parametrize("options", CAUSAL.values(), ids=CAUSAL)
def test_compiled_code_gives_the_same_stream(options: dict[str, Any]) -> None:
    model, (features, f0) = make_model(**options), inputs(2, 70)
    expected = run(model.stream(batch=2), features, f0, 7)
    model.runtime = ModelRuntime("compiled", FAMILIES["wavehax"])
    streams = [run(model.stream(batch=2), features, f0, size) for size in (1, 70)]
    assert torch.equal(*streams)
    tolerance = 2e-6 if "log_magnitude_phase" not in options else 1e-3
    assert (streams[0] - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("options", CAUSAL.values(), ids=CAUSAL)
def test_the_latency_is_exact(options: dict[str, Any]) -> None:
    model, (features, f0) = make_model(**options), inputs()
    stream, returned = model.stream(), 0
    for frame in range(FRAMES):
        returned += stream.push(features[..., frame : frame + 1], f0[..., frame : frame + 1]).shape[-1]
        assert returned == max(0, (frame + 1) * model.hop_length - stream.latency)
    assert returned + stream.finish().shape[-1] == FRAMES * model.hop_length


@pytest.mark.parametrize("look_ahead", [0, 2])
def test_no_sample_depends_on_frames_beyond_the_look_ahead(look_ahead: int) -> None:
    model, (features, f0) = make_model(look_ahead=look_ahead, prior_shaping="envelope"), inputs()
    changed = features.clone()
    changed[..., 20] += 1
    different = (model.synthesize(features, f0) != model.synthesize(changed, f0))[0, 0].nonzero()
    before, _ = model.network.stft.margins
    assert int(different[0]) // model.hop_length == 20 - look_ahead - 1 + (before == 0)
    assert int(different[0]) >= (20 - look_ahead) * model.hop_length - before


OTHERS = {
    "centred kernels": {},
    "start": {"prior_shaping": "envelope", "start_refinement": 1},
    "refinement": {"prior_shaping": "envelope", "mel_refinement": 2},
    "causal with refinement": {"look_ahead": 1, "prior_shaping": "envelope", "mel_refinement": 2},
}


# Where the harmonics of the mel move too, later frames are needed.
@pytest.mark.parametrize("scale", [1.0, 1.3])
@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_chunks_with_context_give_the_whole_utterance(options: dict[str, Any], scale: float) -> None:
    model, (features, f0) = make_model(**options), inputs(frames=60)
    how = {"f0_scale": scale, "mel_refinement": options.get("mel_refinement")}
    whole = model.synthesize(features, f0, **how)
    streams = [run(model.stream(chunk=4, **how), features, f0, size) for size in (1, 7)]
    assert torch.equal(*streams)
    assert (streams[0] - whole).abs().max() <= 1e-6 * whole.abs().max()
    stream, lag, returned = model.stream(chunk=4, **how), 0, 0
    for frame in range(60):
        returned += stream.push(features[..., frame : frame + 1], f0[..., frame : frame + 1]).shape[-1]
        lag = max(lag, (frame + 1) * model.hop_length - returned)
    assert lag == stream.latency


def test_a_refinement_with_few_later_frames_comes_early_and_is_better_than_none() -> None:
    model, (features, f0) = make_model(look_ahead=1, prior_shaping="envelope"), inputs(frames=60)
    how, reach = {"mel_refinement": 4, "chunk": 4}, 4 * model.mel_consistency.context_frames

    def error(audio: Tensor) -> Tensor:
        return (model.log_mel(audio) - features).abs().mean()

    exact, most = (run(model.stream(refinement_look_ahead=frames, **how), features, f0, 7) for frames in (None, reach))
    assert torch.equal(exact, most)
    stream = model.stream(refinement_look_ahead=3, **how)
    assert stream.latency == model.stream(**how).latency - (reach - 3) * model.hop_length
    few = [run(model.stream(refinement_look_ahead=3, **how), features, f0, size) for size in (1, 60)]
    assert torch.equal(*few)
    assert max(error(exact), error(few[0])) < error(run(model.stream(), features, f0, 7))
    with pytest.raises(ConfigError):
        model.stream(refinement_look_ahead=-1)


def test_norms_of_the_utterance_join_with_a_fade() -> None:
    model, (features, f0) = make_model(norm="utterance"), inputs(frames=60)
    first, second = (run(model.stream(chunk=8), features, f0, size) for size in (3, 60))
    assert torch.equal(first, second)
    assert first.shape[-1] == 60 * model.hop_length
    # No seam: samples differ from their neighbours as much as in the whole utterance.
    whole = model.synthesize(features, f0)
    assert first.diff().abs().max() < 1.5 * whole.diff().abs().max()


def test_streams_of_a_batch_do_not_depend_on_each_other() -> None:
    model, (features, f0) = make_model(look_ahead=1), inputs(batch=3)
    together = run(model.stream(batch=3, seed=5), features, f0, 4)
    for item in range(3):
        alone = run(model.stream(seed=5 + item), features[item : item + 1], f0[item : item + 1], 4)
        assert (together[item] - alone[0]).abs().max() <= 1e-6 * alone.abs().max()


@pytest.mark.parametrize("options", [{}, {"prior_shaping": "envelope"}], ids=["flat prior", "envelope"])
@pytest.mark.parametrize("look_ahead", [None, 1])
def test_the_pitch_follows_the_scale(look_ahead: int | None, options: dict[str, Any]) -> None:
    model, (features, f0) = make_model(look_ahead=look_ahead, **options), inputs()
    whole = model.synthesize(features, f0, f0_scale=1.5)
    first, second = (run(model.stream(f0_scale=1.5), features, f0, size) for size in (5, 40))
    assert torch.equal(first, second)
    assert (first - whole).abs().max() <= 1e-5 * whole.abs().max()
    assert (whole - model.synthesize(features, f0)).abs().max() > 0.1 * whole.abs().max()


def test_memory_does_not_grow() -> None:
    model = make_model(look_ahead=1, mel_refinement=1)
    stream, sizes = model.stream(chunk=2), []
    features, f0 = inputs(frames=10)
    for _ in range(4):
        stream.push(features, f0)
        pieces = [tensor for piece in stream.refining.pieces for tensor in piece]
        held = [*stream.causal.state, stream.unrefined, *stream.features, *pieces]
        storages = {storage.data_ptr(): storage.nbytes() for storage in (tensor.untyped_storage() for tensor in held)}
        sizes.append(sum(storages.values()))
    assert len(set(sizes[1:])) == 1


def test_a_bad_piece_leaves_the_stream_and_its_neighbours_unharmed() -> None:
    model, (features, f0) = make_model(look_ahead=1), inputs()
    expected, stream = run(model.stream(), features, f0, 10), model.stream()
    parts = [stream.push(features[..., :10], f0[..., :10])]
    for bad, pitch, error in (
        (torch.full((100, 3), torch.nan), f0[0, :, :3], DataError),
        (features[:, :80, :3], f0[..., :3], ShapeError),
        (features[..., :3], None, ShapeError),
        (features.expand(2, -1, -1), f0.expand(2, -1, -1), ShapeError),
        (features[..., :3], -f0[..., :3], DataError),
    ):
        with pytest.raises(error):
            stream.push(bad, pitch)
    parts += [stream.push(features[..., 10:], f0[..., 10:]), stream.finish()]
    assert torch.equal(torch.cat(parts, dim=-1), expected)
    for closed in (lambda: stream.push(features, f0), stream.finish):
        with pytest.raises(ShapeError):
            closed()


def test_a_causal_network_starts_from_a_centred_one() -> None:
    centred = make_model(prior_shaping="envelope")
    start = make_model(prior_shaping="envelope", look_ahead=1)
    start.start_from(centred)
    # Features that do not change in time pass as through the centred network, away from the ends.
    features, f0 = torch.full((1, 100, 60), -4.0), torch.zeros(1, 1, 60)
    expected, found = (model.synthesize(features, f0)[..., 20 * 240 : 40 * 240] for model in (centred, start))
    assert (found - expected).abs().mean() < 0.5 * expected.abs().mean()
    # With all the future that the kernels had, it is the same network.
    whole = make_model(prior_shaping="envelope", look_ahead=7)
    whole.start_from(centred)
    found = whole.synthesize(features, f0)[..., 20 * 240 : 40 * 240]
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    other = make_model(look_ahead=1, num_blocks=1)
    with pytest.raises(RuntimeError):
        other.start_from(centred)


def test_f0_is_estimated_in_the_stream() -> None:
    model, (features, _) = make_model(look_ahead=1, f0={"alignment": "frame_center"}), inputs()
    whole = model.synthesize(features)
    # 19 frames on either side are the whole context of the estimator.
    streams = [model.stream(f0_look_ahead=frames) for frames in (19, 19, 2)]
    made = []
    for stream, size in zip(streams, (1, FRAMES, 7), strict=True):
        parts = [stream.push(features[..., i : i + size]) for i in range(0, FRAMES, size)]
        assert sum(part.shape[-1] for part in parts) == FRAMES * model.hop_length - stream.latency
        made.append(torch.cat([*parts, stream.finish()], dim=-1))
    assert torch.equal(made[0], made[1])
    assert (made[0] - whole).abs().max() <= 1e-3 * whole.abs().max()
    assert made[2].shape == whole.shape
    assert streams[2].latency == model.stream().latency + 2 * model.hop_length


def test_an_estimate_of_f0_is_refused_where_it_cannot_be() -> None:
    model, (features, f0) = make_model(look_ahead=1), inputs()
    with pytest.raises(ShapeError):
        model.stream(f0_look_ahead=1).push(features, f0)
    with pytest.raises(ConfigError):
        model.stream(f0_look_ahead=-1)


@pytest.mark.parametrize(
    "options",
    [
        {"look_ahead": 1, "norm": "utterance"},
        {"look_ahead": 1, "network": "complex"},
        {"look_ahead": 1, "network": "multi_scale", "n_fft": 120, "decomposer": "pqmf"},
        {"look_ahead": 8},
        {"look_ahead": -1},
    ],
)
def test_impossible_look_ahead_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        WavehaxConfig.from_dict(SMALL | options, "model")


def test_priors_that_look_ahead_are_refused() -> None:
    with pytest.raises(ConfigError, match="sawtooth"):
        make_model(look_ahead=1, prior={"name": "sawtooth"}).stream()
    with pytest.raises(ConfigError):
        make_model(look_ahead=1).stream(batch=0)

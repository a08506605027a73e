"""Every system keeps the contract of the interface: what it declares, takes and gives."""

import numpy as np
import pytest
import torch

from vocoders import load, load_generator, load_vocoder
from vocoders.core.errors import ConfigError, DataError, OndesError, ShapeError
from vocoders.core.model_source import shipped_models
from vocoders.interface import Vocoder, WaveformGenerator
from vocoders.registry import BASELINES, DEFAULT_VOCODER, FAMILIES, declared_options

SHIPPED = [model.name for model in shipped_models() if model.family in FAMILIES]
VOCODERS = [*BASELINES, *(name for name in SHIPPED if not name.startswith("sashimi"))]
GENERATORS = [name for name in SHIPPED if name.startswith("sashimi")]


@pytest.fixture(scope="module")
def systems():
    return {name: load(name) for name in [*VOCODERS, *GENERATORS]}


def tone(rate: int, seconds: float = 0.3) -> torch.Tensor:
    time = torch.arange(round(seconds * rate)) / rate
    return sum(0.1 * torch.sin(2 * torch.pi * 150 * k * time) for k in range(1, 6))


@pytest.mark.parametrize("name", [*VOCODERS, *GENERATORS])
def test_options_are_declared_with_help_and_the_defaults_are_possible(systems, name):
    system = systems[name]
    assert isinstance(system, Vocoder if name in VOCODERS else WaveformGenerator)
    assert system.kind == ("vocoder" if name in VOCODERS else "generator")
    declared = system.options_class.declared()
    assert declared
    assert all(option.help.endswith(".") for option in declared)
    assert system.options() == system.default_options
    assert {option.name for option in declared} <= set(declared_options(system.kind))


@pytest.mark.parametrize("name", VOCODERS)
def test_copies_have_the_length_of_their_clip_in_every_shape(systems, name):
    vocoder = systems[name]
    clip = tone(vocoder.sample_rate)
    flat = vocoder.copy_synthesis(clip, seed=3)
    assert flat.shape == (1, 1, len(clip))
    assert torch.isfinite(flat).all()
    assert torch.equal(flat, vocoder.copy_synthesis(clip[None, None], seed=3))
    assert torch.equal(flat, vocoder.copy_synthesis(clip.numpy(), seed=3))


@pytest.mark.parametrize("name", VOCODERS)
def test_features_have_the_shape_that_is_declared(systems, name):
    vocoder = systems[name]
    analysis = vocoder.analyze(tone(vocoder.sample_rate))
    features = analysis["features"]
    assert features.shape[:2] == (1, vocoder.num_features)
    assert ("f0" in analysis) == vocoder.uses_f0
    assert vocoder.mel is None or vocoder.mel.n_mels == vocoder.num_features
    heard = vocoder.synthesize(**analysis)
    assert abs(heard.shape[-1] - features.shape[-1] * vocoder.hop_length) <= vocoder.hop_length


@pytest.mark.parametrize("name", VOCODERS)
def test_what_is_no_input_is_an_error_of_one_line(systems, name):
    vocoder = systems[name]
    analysis = vocoder.analyze(tone(vocoder.sample_rate))
    for wrong in (
        {},
        {"audio": tone(vocoder.sample_rate), **analysis},
        {**analysis, "features": analysis["features"] * float("nan")},
        {**analysis, "features": analysis["features"].transpose(1, 2)},
        {"audio": torch.zeros(2, 2, 4000)},
        {"audio": (tone(vocoder.sample_rate) * 32767).to(torch.int16)},
        {"audio": tone(vocoder.sample_rate) * np.inf},
        {"audio": torch.zeros(0)},
        {**analysis, "no_such_option": 1},
    ):
        with pytest.raises(OndesError) as caught:
            vocoder.synthesize(**wrong)
        assert "\n" not in str(caught.value)


def test_options_by_name_by_object_and_by_their_stored_part_are_the_same():
    model = load_vocoder("periodwave-turbo-24k")
    clip = tone(model.sample_rate)
    by_name = model.synthesize(audio=clip, steps=1, mel_refinement=0)
    assert torch.equal(by_name, model.synthesize(audio=clip, options=model.options(steps=1, refinement=0)))
    stored = model.config.sampling.model_copy(update={"steps": 1, "mel_refinement": 0})
    assert torch.equal(by_name, model.synthesize(audio=clip, options=stored))
    with pytest.raises(ConfigError, match="WavehaxOptions"):
        model.synthesize(audio=clip, options=load_vocoder().options())


def test_names_lead_to_what_was_asked_for():
    assert load_vocoder().fingerprint == load(DEFAULT_VOCODER).fingerprint
    for loader, name in ((load_vocoder, GENERATORS[0]), (load_generator, DEFAULT_VOCODER), (load_generator, "world")):
        with pytest.raises(ConfigError, match=f"'{name}'"):
            loader(name)
    with pytest.raises(ConfigError, match="CPU"):
        load("griffin-lim", device="cuda")


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_draw_alone_what_they_draw_together_and_in_pieces(systems, name):
    generator = systems[name]
    together = generator.generate(300, 3, seed=5)
    assert together.audio.shape == (3, 1, 300)
    alone = generator.generate(300, [1], seed=5)
    assert torch.equal(alone.audio[0], together.audio[1])
    assert together.labels == generator.item_labels(range(3), seed=5)
    heard, *pieces = generator.draw_pieces(300, seed=5)
    assert len(heard) == 0
    assert torch.equal(torch.cat(pieces), together.audio[0, 0])
    assert torch.equal(torch.cat(list(generator.draw_pieces(300, item=2, seed=5))), together.audio[2, 0])
    assert generator.memory(4, 1000) > generator.memory(1, 1000) > 0
    assert (together.bits_per_sample > 0).all()


@pytest.mark.parametrize("name", GENERATORS)
def test_streams_of_generators_draw_what_generate_draws(systems, name):
    generator = systems[name]
    prompt = tone(generator.sample_rate, 0.05)
    whole = generator.generate(200, 2, prompt=prompt, seed=5)
    stream = generator.stream(batch=2, prompt=prompt, seed=5)
    pieces = [stream.pull(length) for length in (1, 63, 0, 100, 36)]
    assert torch.equal(torch.cat(pieces, dim=-1), whole.audio[..., len(prompt) :])
    assert torch.equal(stream.prompt, whole.audio[0, 0, : len(prompt)])
    assert (stream.labels, stream.latency) == (whole.labels, 0)
    assert stream.finish().shape == (2, 1, 0)
    for closed in (lambda: stream.pull(1), stream.finish):
        with pytest.raises(ShapeError):
            closed()
    with pytest.raises(ConfigError):
        generator.stream(label="no such label")
    with pytest.raises(ShapeError):
        generator.stream(batch=0)
    with pytest.raises(ShapeError):
        generator.stream().pull(-1)


def test_prompts_are_continued_and_checked(systems):
    generator = systems[GENERATORS[0]]
    prompt = tone(generator.sample_rate, 0.05)
    drawn = generator.generate(100, prompt=prompt, seed=1).audio[0, 0]
    assert len(drawn) == len(prompt) + 100
    heard, *pieces = generator.draw_pieces(100, prompt=prompt, seed=1)
    assert torch.equal(torch.cat([heard, *pieces]), drawn)
    for wrong in (torch.zeros(100), torch.zeros(0)):
        with pytest.raises((DataError, ShapeError)):
            generator.generate(10, prompt=wrong)
    with pytest.raises(ConfigError):
        generator.generate(10, label="no such label")
    with pytest.raises(ShapeError):
        generator.generate(0)

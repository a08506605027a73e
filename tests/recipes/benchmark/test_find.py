"""What names on the command line mean."""

import pytest
import torch

from recipes.benchmark.find import Request, create_system, find_effect, is_effect
from recipes.benchmark.memory import peak_memory
from vocoders.core.errors import CheckpointError, ConfigError, DataError, MissingExtraError


def test_a_variant_has_the_same_random_weights_each_time_and_leaves_the_generator_alone():
    before = torch.get_rng_state()
    first, second = (create_system(Request("wavehax:v2")).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_features_of_each_kind_of_vocoder_give_the_duration_that_was_asked_for():
    for source in ("wavehax:v2", "griffin-lim"):
        system = create_system(Request(source, is_peer=source == "griffin-lim"))
        audio = system.run(system.inputs(0.2))
        assert audio.shape[-1] / system.sample_rate == pytest.approx(0.2, abs=0.02)
        assert torch.isfinite(audio).all()


def test_bf16_says_how_far_it_is_from_fp32():
    request = Request("wavehax:v2", "bf16")
    assert request.name == "wavehax:v2 bf16"
    assert 10 < create_system(request).snr(0.1) < 80
    assert create_system(Request("wavehax:v2")).snr(0.1) is None


def test_options_of_sampling_set_the_number_of_calls():
    system = create_system(Request("periodwave:small", steps=3, solver="midpoint"))
    assert system.calls == 6
    assert create_system(Request("wavehax:v2", steps=3)).calls is None


def test_effects_and_vocoders_are_told_apart():
    assert is_effect("recurrent:lstm_32")
    assert not is_effect("wavehax:v2")
    assert find_effect("recurrent:lstm_32").sample_rate == 44100
    with pytest.raises(ConfigError, match="pass --against vocos"):
        is_effect("vocos")
    with pytest.raises(CheckpointError, match="no model 'nothing'"):
        is_effect("nothing")


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        (Request("wavehax:v9"), "'v9'.* wavehax"),
        (Request("hifigan", is_peer=True), "'hifigan'.* vocos, hifigan-v1, griffin-lim"),
        (Request("sashimi:sc09", "bf16"), "steps in fp32"),
    ],
)
def test_what_cannot_be_built_is_named(request_, cause):
    with pytest.raises(ConfigError, match=cause):
        create_system(request_)


def test_a_missing_peer_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vocos.models", None)
    with pytest.raises(MissingExtraError, match=r"vocos.*ondes\[bench\]"):
        create_system(Request("vocos", is_peer=True))


def test_memory_is_that_of_a_process_of_its_own():
    # More than the process of these tests could hide: 80 MB of audio and its spectra.
    ballast = torch.zeros(100_000_000)
    found = peak_memory(Request("griffin-lim", is_peer=True), 20.0, 1)
    if found is None:
        pytest.skip("this system keeps no marks of memory")
    spectrum = 20 * 24000 / 256 * 513 * 8
    assert found["peak"] - found["base"] > 2 * spectrum
    assert found["peak"] - found["base"] < ballast.numel() * 4


def test_a_process_that_dies_is_a_message():
    with pytest.raises(DataError, match="wavehax:v9: .* 1: .*variant"):
        peak_memory(Request("wavehax:v9"), 1.0, 1)

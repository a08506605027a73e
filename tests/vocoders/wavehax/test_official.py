"""Reference checkpoints become models, or say what is wrong with them."""

import numpy as np
import pytest
import torch

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.wavehax import VARIANTS, Wavehax
from vocoders.wavehax.official import config_from_official, convert


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint as the reference's trainer writes it: transform buffers included, optimisers beside the model."""
    torch.manual_seed(0)
    network = Wavehax(VARIANTS["v2"]).network
    state = network.state_dict() | {
        "stft.window": torch.hann_window(480).view(1, 480, 1),
        "stft.window_envelope": torch.hann_window(480).view(1, 480, 1) ** 2,
        "stft.enframe_kernel": torch.eye(480).view(480, 1, 480),
    }
    path = tmp_path / "checkpoint-1000steps.pkl"
    torch.save({"model": {"generator": state, "discriminator": {}}, "steps": 1000, "epochs": 1}, path)
    return path, network


def test_a_checkpoint_becomes_a_model(checkpoint, tmp_path):
    path, network = checkpoint
    mean, std = np.linspace(-3, 0, 100), np.linspace(1, 2, 100)
    np.savez(tmp_path / "stats.npz", mean=mean, std=std)
    model = convert(path, variant="v2", stats=tmp_path / "stats.npz")
    assert all(torch.equal(value, model.network.state_dict()[key]) for key, value in network.state_dict().items())
    assert torch.equal(model.feature_mean[:, 0], torch.from_numpy(mean).float())
    model.save_pretrained(tmp_path / "model")
    Wavehax.from_pretrained(tmp_path / "model", verify=True)


def test_the_reference_generator_file_serves_as_configuration(checkpoint, tmp_path):
    config = tmp_path / "wavehax.v2.yaml"
    config.write_text(
        "generator:\n  _target_: wavehax.generators.WavehaxGenerator\n  in_channels: 100\n  channels: 16\n"
        "  mult_channels: 3\n  kernel_size: [13, 7]\n  num_blocks: 8\n  n_fft: 480\n  hop_length: 240\n"
        "  sample_rate: 24000\n  prior_type: pcph\n  drop_prob: 0.0\n  use_logmag_phase: false\n"
    )
    assert convert(checkpoint[0], config=config, stats="identity").config == VARIANTS["v2"].model_copy(
        update={"outer_norm": "utterance"}
    )


def test_another_variant_lists_what_does_not_fit(checkpoint):
    with pytest.raises(CheckpointError, match="wrong shape.* --variant v2"):
        convert(checkpoint[0], variant="v1")
    with pytest.raises(CheckpointError, match="missing.*decomposer.*--variant v2"):
        convert(checkpoint[0], variant="multi_scale")


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    torch.save({"model": {"generator": [1, 2]}}, path)
    with pytest.raises(CheckpointError, match="no weights"):
        convert(path, variant="v1")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="truncated"):
        convert(path, variant="v1")


@pytest.mark.parametrize(("variant", "match"), [(None, "--variant v2"), ("v9", "known variants: v1")])
def test_the_variant_must_be_known(checkpoint, variant, match):
    with pytest.raises(ConfigError, match=match):
        convert(checkpoint[0], variant=variant)


def test_unknown_reference_options_are_errors():
    with pytest.raises(ConfigError, match="use_magic"):
        config_from_official("WavehaxGenerator", {"use_magic": True})
    with pytest.raises(ConfigError, match="NopeGenerator"):
        config_from_official("NopeGenerator", {})


def test_statistics_must_be_given_or_declined(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="--stats .*--no-stats"):
        convert(checkpoint[0], variant="v2")
    model = convert(checkpoint[0], variant="v2", stats="identity")
    assert torch.equal(model.feature_mean, torch.zeros(100, 1))
    assert torch.equal(model.feature_std, torch.ones(100, 1))


def test_the_statistics_of_the_reference_are_read(checkpoint, tmp_path):
    joblib = pytest.importorskip("joblib")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    frames = np.random.default_rng(0).normal(-3, 2, (50, 100)).astype(np.float32)
    joblib.dump({"f0": scaler().fit(frames[:, :1]), "mel": scaler().fit(frames)}, tmp_path / "stats.joblib")
    model = convert(checkpoint[0], variant="v2", stats=tmp_path / "stats.joblib")
    torch.testing.assert_close(model.feature_mean[:, 0], torch.from_numpy(frames.mean(0)), rtol=0, atol=1e-5)
    torch.testing.assert_close(model.feature_std[:, 0], torch.from_numpy(frames.std(0)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("mean", "std", "match"),
    [
        (np.zeros(80), np.ones(80), "80 and 80 bins.* 100"),
        (np.zeros(100), np.zeros(100), "above 0"),
        (np.full(100, np.nan), np.ones(100), "finite"),
    ],
)
def test_statistics_that_cannot_be_right(checkpoint, tmp_path, mean, std, match):
    np.savez(tmp_path / "stats.npz", mean=mean, std=std)
    with pytest.raises(CheckpointError, match=match):
        convert(checkpoint[0], variant="v2", stats=tmp_path / "stats.npz")

"""`ondes prepare` and `ondes features` as a user calls them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
import yaml
from typer.testing import CliRunner

from recipes.cli import features, prepare
from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.kaldi import KaldiDirectory
from recipes.data.statistics import FeatureStatistics
from vocoders.core.errors import ConfigError, DataError

app = typer.Typer()
prepare.register(app)
features.register(app)


def ondes(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def own_audio(tmp_path: Path) -> Path:
    """Six short files of two speakers, one of them broken."""
    for number in range(6):
        folder = tmp_path / "audio" / f"s{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        sound = 0.3 * np.sin(2 * np.pi * 120 * np.arange(12000 + 960 * number) / 24000)
        soundfile.write(folder / f"{number}.wav", sound, 24000)
    (tmp_path / "audio" / "s0" / "0.wav").write_text("not audio")
    return tmp_path / "audio"


def test_jobs_share_features_and_a_last_call_computes_statistics(own_audio: Path, tmp_path: Path) -> None:
    ondes("prepare", "folder", own_audio, tmp_path / "data", "--dev", 1)
    path = tmp_path / "conf.yaml"
    path.write_text(
        yaml.safe_dump({"family": "wavehax", "model": {"f0": {"method": "dio"}}, "data": {"features": "predicted"}})
    )
    data = tmp_path / "data" / "train"
    names = [utterance.utt_id for utterance in KaldiDirectory.read(data)]
    command = ["features", "--config", path, "--data", data, "--output", tmp_path, "--write-mels", tmp_path / "mels"]
    for part, expected in (("2/2", names[1::2]), ("1/2", names)):
        result = ondes(*command, "--shard", part)
        assert result.exit_code == 0, result.output
        for folder in ("f0", "mels"):
            assert sorted(file.stem for file in (tmp_path / folder).glob("*.npy")) == expected
        assert not (tmp_path / "statistics.json").exists()
    written = (tmp_path / "f0" / f"{names[0]}.npy").stat().st_mtime_ns
    assert ondes(*command).exit_code == 0
    assert (tmp_path / "statistics.json").is_file()
    assert (tmp_path / "f0" / f"{names[0]}.npy").stat().st_mtime_ns == written
    # A folder of other mels is refused before any work.
    command[command.index(tmp_path)] = tmp_path / "other"
    assert isinstance(ondes(*command, "model.mel={n_mels: 90}").exception, DataError)
    assert not (tmp_path / "other").exists()


def test_folder_to_features(own_audio: Path, tmp_path: Path) -> None:
    from recipes.config import TrainConfig

    result = ondes("prepare", "folder", own_audio, tmp_path / "data", "--dev", 1)
    assert result.exit_code == 0, result.output
    assert "4 utterances" in result.output
    assert "1 files skipped" in result.output
    train = KaldiDirectory.read(tmp_path / "data" / "train")
    assert len(train) == 4

    path = tmp_path / "conf.yaml"
    path.write_text(yaml.safe_dump({"family": "wavehax", "model": {"f0": {"method": "dio"}}, "data": {"peak": 0.95}}))
    result = ondes("features", "--config", path, "--data", train.path, "--output", tmp_path / "features")
    assert result.exit_code == 0, result.output
    config = TrainConfig.from_yaml(path)
    statistics = FeatureStatistics.load(tmp_path / "features" / "statistics.json", config.front_end.fingerprint)
    assert statistics.peak == 0.95
    cache = F0Cache(tmp_path / "features", f0_fingerprint(config.front_end.f0, 24000, config.front_end.hop_length))
    assert cache.missing(u.utt_id for u in train) == []


def test_features_of_a_model_folder(own_audio: Path, tmp_path: Path) -> None:
    from vocoders.wavehax import Wavehax
    from vocoders.wavehax.config import WavehaxConfig

    model = Wavehax(WavehaxConfig.from_dict({"channels": 4, "num_blocks": 1, "f0": {"method": "dio"}}))
    model.save_pretrained(tmp_path / "model")
    assert ondes("prepare", "folder", own_audio, tmp_path / "data").exit_code == 0
    arguments = (
        "features",
        "--model",
        tmp_path / "model",
        "--data",
        tmp_path / "data",
        "--output",
        tmp_path / "features",
    )
    result = ondes(*arguments, "--no-statistics")
    assert result.exit_code == 0, result.output
    config = model.config
    assert len(F0Cache(tmp_path / "features", f0_fingerprint(config.f0, 24000, 240)).get("s1-1")) == 54
    assert not (tmp_path / "features" / "statistics.json").exists()


def test_features_needs_exactly_one_front_end(own_audio: Path, tmp_path: Path) -> None:
    result = ondes("features", "--data", own_audio, "--output", tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert "--config or a --model" in str(result.exception)


def test_libritts_takes_several_subsets(mini_libritts: Path, tmp_path: Path) -> None:
    result = ondes("prepare", "libritts", mini_libritts, tmp_path, "--subsets", "dev-mini,test-mini", "--no-decode")
    assert result.exit_code == 0, result.output
    assert len(KaldiDirectory.read(tmp_path)) == 35
    wrong = ondes("prepare", "libritts", mini_libritts, tmp_path, "--subsets", "dev-clean")
    assert isinstance(wrong.exception, DataError)
    assert "dev-mini, test-mini, train-mini" in str(wrong.exception)


def test_commands_load_nothing_heavy_until_they_run() -> None:
    code = (
        "import sys, typer; from recipes.cli import features, prepare; app = typer.Typer(); "
        "prepare.register(app); features.register(app); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'librosa', 'soundfile')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("model", ["sashimi-digits-8k", "comp4c-tcn"])
def test_a_model_of_audio_itself_has_no_features_to_extract(tmp_path: Path, model: str) -> None:
    result = ondes("features", "--model", model, "--data", tmp_path, "--out", tmp_path / "features")
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "features").exists()

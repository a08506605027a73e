"""Segments and whole utterances: crop equals whole, lengths, formats, determinism, loaders."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.data.augmentation import draw_gain
from recipes.data.cache import F0Cache, f0_fingerprint
from recipes.data.config import DataConfig
from recipes.data.dataset import SegmentDataset, UtteranceDataset, collate
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.loader import endless_loader, segment_dataset, utterance_dataset, waveform_dataset
from recipes.data.predicted import PredictedFeatures
from recipes.data.reading import AudioReader
from vocoders.core.audio import read_audio
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.f0 import F0Config
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import LogMel, MelConfig

Tone = Callable[..., np.ndarray]
RATE, HOP = 16000, 160
SEGMENT = 20 * HOP


def build_loader(config: DataConfig, mel: MelConfig, f0: F0Config | None = None, **place: int):
    return endless_loader(segment_dataset(config, mel, f0), config, collate, **place)


def mel_config(**values) -> MelConfig:
    return MelConfig(**{"sample_rate": RATE, "n_fft": 1024, "hop_length": HOP, "n_mels": 40, **values})


def whole_mel(path: Path, config: MelConfig) -> torch.Tensor:
    audio, _ = read_audio(path)
    return LogMel(config)(audio[None, :, : audio.shape[-1] // HOP * HOP])[0]


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("padding", ["same_zero", "same_reflect", "center_reflect", "center_zero"])
@pytest.mark.parametrize("window", [{}, {"n_fft": 200}, {"n_fft": 512, "win_length": 400}])
def test_mel_of_every_crop_equals_the_mel_of_the_file(
    data_dir: Path, padding: str, window: dict, in_memory: bool
) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    config = mel_config(padding=padding, **window)
    dataset = SegmentDataset(AudioReader(utterances, RATE, in_memory=in_memory), config, SEGMENT)
    expected = whole_mel(utterances[0].path, config)
    audio, _ = read_audio(utterances[0].path)
    last = expected.shape[-1] - 20
    for start in [*range(0, last, 7), last]:
        item = dataset.part(0, start, 20)
        assert torch.equal(item["audio"], audio[:, start * HOP : start * HOP + SEGMENT])
        torch.testing.assert_close(item["features"], expected[:, start : start + 20], rtol=0, atol=2e-5)


def test_starts_are_uniform_and_reach_the_last_frame(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    reader = AudioReader(utterances, RATE, in_memory=True)
    frames = reader.num_samples(0) // HOP
    dataset = SegmentDataset(reader, mel_config(), (frames - 3) * HOP)
    whole = reader.read(0)
    starts: Counter[int] = Counter()
    for draw in range(400):
        audio = dataset[0, draw]["audio"][0].numpy()
        starts[next(s for s in range(4) if np.array_equal(audio, whole[s * HOP : s * HOP + len(audio)]))] += 1
    assert set(starts) == {0, 1, 2, 3}
    # 100 expected each, standard deviation 8.7.
    assert all(abs(count - 100) < 40 for count in starts.values())


def test_items_keep_the_contract(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    item = SegmentDataset(AudioReader(utterances, RATE), mel_config(), SEGMENT)[3, 5]
    assert item["audio"].shape == (1, SEGMENT)
    assert item["features"].shape == (40, 20)
    assert item["audio"].dtype == item["features"].dtype == torch.float32
    assert (item["utt_id"], item["speaker"]) == (utterances[3].utt_id, utterances[3].speaker)
    assert "f0" not in item
    with pytest.raises(ConfigError, match="multiple.* 160"):
        SegmentDataset(AudioReader(utterances, RATE), mel_config(), 1000)
    with pytest.raises(ConfigError, match="16000 Hz.* 24000 Hz"):
        SegmentDataset(AudioReader(utterances, RATE), mel_config(sample_rate=24000), SEGMENT)


def test_items_depend_on_seed_draw_and_index_alone(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances

    def item(seed: int, draw: int, in_memory: bool = False) -> torch.Tensor:
        reader = AudioReader(utterances, RATE, in_memory=in_memory)
        dataset = SegmentDataset(reader, mel_config(), SEGMENT, gain_db=(-12, 0), seed=seed)
        dataset[0, 99]
        return dataset[7, draw]["audio"]

    assert torch.equal(item(0, 1), item(0, 1))
    assert torch.equal(item(0, 1), item(0, 1, in_memory=True))
    assert not torch.equal(item(0, 1), item(0, 2))
    assert not torch.equal(item(0, 1), item(1, 1))


def test_short_utterances_are_padded_with_zeros(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    reader = AudioReader(utterances, RATE)
    frames = reader.num_samples(0) // HOP
    item = SegmentDataset(reader, mel_config(), (frames + 30) * HOP)[0, 4]
    expected = torch.zeros(1, (frames + 30) * HOP)
    expected[0, : frames * HOP] = torch.from_numpy(reader.read(0))[: frames * HOP]
    assert torch.equal(item["audio"], expected)
    torch.testing.assert_close(item["features"], LogMel(mel_config())(expected[None])[0], rtol=0, atol=1e-5)


def test_short_utterances_are_dropped_on_demand(data_dir: Path) -> None:
    config = DataConfig(train=str(data_dir), segment_length=RATE * 16 // 10, shorter="drop", num_workers=0)
    loader = build_loader(config, mel_config())
    assert [u.utt_id for u in loader.dataset.reader.utterances] == ["eve-take4"]
    too_long = config.model_copy(update={"segment_length": RATE * 60})
    with pytest.raises(DataError, match=" 960000 "):
        build_loader(too_long, mel_config())


def test_memory_copy_is_exact_for_16_bit_files(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    memory, disk = (AudioReader(utterances, RATE, in_memory=choice) for choice in (True, False))
    for index in range(len(utterances)):
        assert memory.num_samples(index) == disk.num_samples(index)
        np.testing.assert_array_equal(memory.read(index), disk.read(index))
        np.testing.assert_array_equal(memory.read(index, 500, 700), disk.read(index, 500, 700))
    for utterance in utterances:
        utterance.path.unlink()
    assert len(memory.read(2, 100, 50)) == 50


@pytest.mark.parametrize("in_memory", [False, True])
def test_peak_is_that_of_the_whole_utterance(data_dir: Path, in_memory: bool) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    plain = AudioReader(utterances, RATE)
    scaled = AudioReader(utterances, RATE, peak=0.95, in_memory=in_memory)
    assert np.abs(scaled.read(4)).max() == pytest.approx(0.95, abs=1e-6)
    gain = 0.95 / np.abs(plain.read(4)).max()
    np.testing.assert_allclose(scaled.read(4, 300, 200), plain.read(4, 300, 200) * gain, rtol=1e-6)


@pytest.mark.parametrize("in_memory", [False, True])
def test_segments_of_a_long_file(tmp_path: Path, make_tone: Tone, in_memory: bool) -> None:
    sound = make_tone(3.0)
    soundfile.write(tmp_path / "long.flac", sound, RATE)
    stored, _ = read_audio(tmp_path / "long.flac")
    parts = [Utterance(f"u{n}", tmp_path / "long.flac", "s", n * 0.9 + 0.1, 0.8, None, "long") for n in range(3)]
    KaldiDirectory.write(tmp_path / "data", parts)
    reader = AudioReader(KaldiDirectory.read(tmp_path / "data").utterances, RATE, in_memory=in_memory)
    assert reader.num_samples(1) == 12800
    np.testing.assert_array_equal(reader.read(1), stored[0, 16000:28800].numpy())
    np.testing.assert_array_equal(reader.read(1, 100, 60), stored[0, 16100:16160].numpy())
    beyond = [Utterance("x", tmp_path / "long.flac", "s", 2.5, 0.8, None, "long")]
    with pytest.raises(DataError, match=r"'x'.* 3\.300 s.* 3\.000 s"):
        AudioReader(beyond, RATE, in_memory=in_memory)


@pytest.mark.parametrize("in_memory", [False, True])
def test_other_formats_need_resample(tmp_path: Path, make_tone: Tone, in_memory: bool) -> None:
    left, right = make_tone(1.0, rate=44100), make_tone(1.0, rate=44100, seed=1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 44100, subtype="FLOAT")
    utterances = [Utterance("a", tmp_path / "a.wav", "s", duration=1.0)]
    with pytest.raises(DataError, match=r"44100 Hz.* 2 .* 16000 Hz mono.*data\.resample"):
        AudioReader(utterances, RATE, in_memory=in_memory)
    reader = AudioReader(utterances, RATE, resample=True, in_memory=in_memory)
    expected, _ = read_audio(tmp_path / "a.wav", RATE, mono=True)
    tolerance = 0.51 / 32768 if in_memory else 0
    np.testing.assert_allclose(reader.read(0), expected[0].numpy(), atol=tolerance)
    assert reader.num_samples(0) == RATE
    np.testing.assert_allclose(reader.read(0, 400, 300), expected[0, 400:700].numpy(), atol=tolerance)
    assert SegmentDataset(reader, mel_config(), SEGMENT)[0, 0]["audio"].shape == (1, SEGMENT)


def test_parts_of_an_mp3_file_equal_the_whole(tmp_path: Path, make_tone: Tone) -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(6 * RATE)
    soundfile.write(tmp_path / "a.mp3", noise, RATE)
    whole, _ = read_audio(tmp_path / "a.mp3")
    utterances = [
        Utterance("a", tmp_path / "a.mp3", "s", duration=6.0),
        Utterance("b", tmp_path / "a.mp3", "s", 3.0, 2.0, None, "a"),
    ]
    reader = AudioReader(utterances, RATE)
    for start in (0, 12345, 50000):
        np.testing.assert_array_equal(reader.read(0, start, 800), whole[0, start : start + 800].numpy())
    np.testing.assert_array_equal(reader.read(1, 700, 800), whole[0, 48700:49500].numpy())


def test_a_file_that_changed_under_the_data_set_is_named(data_dir: Path, make_tone: Tone) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    dataset = SegmentDataset(AudioReader(utterances, RATE), mel_config(), SEGMENT)
    utterances[0].path.write_text("no longer audio")
    with pytest.raises(DataError, match=utterances[0].path.name):
        dataset[0, 0]


def test_whole_utterances(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    dataset = UtteranceDataset(AudioReader(utterances, RATE), mel_config())
    assert len(dataset) == 8
    for index in range(len(dataset)):
        item = dataset[index]
        assert item["audio"].shape[-1] == item["features"].shape[-1] * HOP
        torch.testing.assert_close(item["features"], whole_mel(utterances[index].path, mel_config()), rtol=0, atol=1e-5)
    with pytest.raises(IndexError):
        dataset[8]


def fill_cache(folder: Path, utterances: tuple[Utterance, ...], f0: F0Config) -> F0Cache:
    cache = F0Cache(folder, f0_fingerprint(f0, RATE, HOP), create=True)
    for utterance in utterances:
        frames = soundfile.info(utterance.path).frames // HOP
        cache.put(utterance.utt_id, 100 + np.arange(frames, dtype=np.float32))
    return cache


def test_f0_is_cropped_with_the_audio(data_dir: Path, tmp_path: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    cache = fill_cache(tmp_path, utterances, F0Config())
    reader = AudioReader(utterances, RATE)
    dataset = SegmentDataset(reader, mel_config(), SEGMENT, f0=cache)
    for draw in range(5):
        item = dataset[7, draw]
        start = int(item["f0"][0, 0]) - 100
        assert torch.equal(item["f0"][0], 100 + start + torch.arange(20.0))
        np.testing.assert_array_equal(item["audio"][0].numpy(), reader.read(7, start * HOP, SEGMENT))
    padded = SegmentDataset(reader, mel_config(), 200 * HOP, f0=cache)[0, 0]["f0"][0]
    assert torch.count_nonzero(padded) == reader.num_samples(0) // HOP
    cache.put(utterances[0].utt_id, np.ones(5, np.float32))
    with pytest.raises(DataError, match=" 5 frames.* 60"):
        dataset[0, 0]


def test_loader_checks_the_f0_cache(data_dir: Path, tmp_path: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=2, num_workers=0)
    with pytest.raises(ConfigError, match="feature_dir"):
        build_loader(config, mel_config(), F0Config())
    config = config.model_copy(update={"feature_dir": str(tmp_path / "features")})
    with pytest.raises(DataError, match="no F0 cache"):
        build_loader(config, mel_config(), F0Config())
    cache = fill_cache(tmp_path / "features", utterances[:-1], F0Config())
    with pytest.raises(DataError, match="1 .*'eve-take4'.* F0"):
        build_loader(config, mel_config(), F0Config())
    cache.put("eve-take4", np.ones(161, np.float32))
    batch = next(iter(build_loader(config, mel_config(), F0Config())))
    assert batch["f0"].shape == (2, 1, 20)
    assert isinstance(batch["utt_id"], list)
    with pytest.raises(DataError, match=r"\[.*hop=160\].* \[.*hop=80\]"):
        build_loader(config, mel_config(hop_length=80), F0Config())


def batches(config: DataConfig, count: int, **place: int) -> list[dict]:
    return list(islice(build_loader(config, mel_config(), **place), count))


@pytest.mark.parametrize("balanced", [False, True])
def test_two_processes_equal_one_and_resume_equals_straight(data_dir: Path, balanced: bool) -> None:
    config = DataConfig(
        train=str(data_dir), segment_length=SEGMENT, batch_size=6, num_workers=0, balance_speakers=balanced
    )
    half = config.model_copy(update={"batch_size": 3})
    straight = batches(config, 5)
    ranks = [batches(half, 5, rank=rank, world_size=2) for rank in (0, 1)]
    for whole, first, second in zip(straight, *ranks, strict=True):
        for key in ("audio", "features", "seed"):
            assert torch.equal(whole[key], torch.cat([first[key], second[key]]))
        assert whole["utt_id"] == first["utt_id"] + second["utt_id"]
    for whole, resumed in zip(straight[3:], batches(config, 2, start_step=3), strict=True):
        assert torch.equal(whole["audio"], resumed["audio"])
        assert whole["utt_id"] == resumed["utt_id"]


def test_loader_processes_change_nothing(data_dir: Path) -> None:
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, num_workers=0, in_memory=True)
    for alone, parallel in zip(
        batches(config, 4), batches(config.model_copy(update={"num_workers": 2}), 4), strict=True
    ):
        assert torch.equal(alone["audio"], parallel["audio"])
        assert torch.equal(alone["features"], parallel["features"])


def test_duration_weighting_draws_seconds_evenly(data_dir: Path) -> None:
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=1, num_workers=0, weighting="duration")
    loader = build_loader(config, mel_config())
    period = loader.sampler.order.period
    counts = Counter(index for batch in islice(loader.sampler, period) for index, _ in batch)
    for index, utterance in enumerate(loader.dataset.reader.utterances):
        assert counts[index] == round(utterance.duration / 0.2)


def test_gain_stays_in_range_and_below_full_scale() -> None:
    generator = np.random.default_rng(0)
    gains = np.array([draw_gain(generator, (-20, 10), peak=0.5) for _ in range(500)])
    decibels = 20 * np.log10(gains)
    assert -20 <= decibels.min() < -18
    assert gains.max() == pytest.approx(2.0)
    assert draw_gain(generator, (6, 6), peak=1.5) == 1.0
    assert draw_gain(generator, (-6, -6), peak=1.5) == pytest.approx(10 ** (-0.3))
    assert np.isfinite(draw_gain(generator, (6, 6), peak=0.0))


def test_gain_moves_audio_and_mel_together(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    reader = AudioReader(utterances, RATE)
    plain = SegmentDataset(reader, mel_config(), SEGMENT)[0, 0]
    quiet = SegmentDataset(reader, mel_config(), SEGMENT, gain_db=(-6, -6))[0, 0]
    assert torch.allclose(quiet["audio"], plain["audio"] * 10 ** (-0.3))
    shift = (quiet["features"] - plain["features"])[plain["features"] > -9]
    torch.testing.assert_close(shift, torch.full_like(shift, -0.3 * np.log(10)), rtol=0, atol=1e-4)


def test_predicted_features_replace_mels(data_dir: Path, tmp_path: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    lines = []
    for number, utterance in enumerate(utterances):
        # Acoustic models give a frame more or less than the recording has.
        frames = soundfile.info(utterance.path).frames // HOP + number % 3 - 1
        np.save(tmp_path / f"{utterance.utt_id}.npy", np.tile(-np.arange(frames, dtype=np.float32) / 64, (40, 1)))
        lines.append(f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n")
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    with pytest.raises(DataError, match="feats.scp"):
        build_loader(config, mel_config())
    (data_dir / "feats.scp").write_text("".join(lines))
    loader = build_loader(config, mel_config())
    for batch in islice(loader, 6):
        assert batch["features"].shape == (4, 40, 20)
    item = loader.dataset[7, 3]
    start = int(-64 * item["features"][0, 0])
    np.testing.assert_array_equal(item["audio"][0].numpy(), loader.dataset.reader.read(7, start * HOP, SEGMENT))
    (data_dir / "feats.scp").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="'ann-take0'.* predicted"):
        build_loader(config, mel_config())


def _mel_like(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-11, 1, (40, frames)).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_predicted_features_of_another_length_are_refused(data_dir: Path, tmp_path: Path, factor: float) -> None:
    lines = []
    for utterance in KaldiDirectory.read(data_dir).utterances:
        frames = round(factor * (soundfile.info(utterance.path).frames // HOP))
        np.save(tmp_path / f"{utterance.utt_id}.npy", _mel_like(frames))
        lines.append(f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n")
    (data_dir / "feats.scp").write_text("".join(lines))
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    with pytest.raises(DataError, match="frames of predicted features"):
        next(iter(build_loader(config, mel_config())))
    with pytest.raises(DataError, match="frames of predicted features"):
        utterance_dataset(config, mel_config(), None, data_dir)[0]
    with pytest.raises(DataError, match="frames of predicted features"):
        PredictedFeatures(data_dir, mel_config()).check_all(KaldiDirectory.read(data_dir))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda features: features.T, "transposed"),
        (lambda features: features[:20], r"\(40, frames\)"),
        (lambda features: features[0], r"\(40, frames\)"),
        (lambda features: features.astype(complex), "complex128.* real numbers"),
        (lambda features: features.astype(str), "real numbers"),
    ],
)
def test_predicted_features_that_are_no_mel_are_named(data_dir: Path, tmp_path: Path, change, words: str) -> None:
    lines = []
    for utterance in KaldiDirectory.read(data_dir).utterances:
        features = _mel_like(soundfile.info(utterance.path).frames // HOP)
        np.save(tmp_path / f"{utterance.utt_id}.npy", change(features))
        lines.append(f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n")
    (data_dir / "feats.scp").write_text("".join(lines))
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    for attempt in (
        lambda: next(iter(build_loader(config, mel_config()))),
        lambda: PredictedFeatures(data_dir, mel_config()).check_all(KaldiDirectory.read(data_dir)),
    ):
        with pytest.raises(DataError, match=rf"\.npy.*{words}"):
            attempt()


def test_predicted_features_that_are_not_finite_name_file_and_frame(data_dir: Path, tmp_path: Path) -> None:
    lines = []
    for utterance in KaldiDirectory.read(data_dir).utterances:
        features = _mel_like(soundfile.info(utterance.path).frames // HOP)
        features[5, 7] = np.nan
        np.save(tmp_path / f"{utterance.utt_id}.npy", features)
        lines.append(f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n")
    (data_dir / "feats.scp").write_text("".join(lines))
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    with pytest.raises(DataError, match=r"ann-take0\.npy.*frame 7"):
        utterance_dataset(config, mel_config(), None, data_dir)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mel: mel, None),
        (lambda mel: (mel - mel.mean()) / mel.std(), "z-scores"),
        (lambda mel: mel / np.log(10), "decimal"),
    ],
    ids=["mel", "z-scores", "decimal logarithms"],
)
def test_features_that_are_hardly_mels_are_told_whichever_file_they_are_in(
    data_dir: Path, tmp_path, caplog, change, words
):
    utterances = KaldiDirectory.read(data_dir).utterances
    for utterance in utterances:
        shape = 40, soundfile.info(utterance.path).frames // HOP
        mel = np.random.default_rng(0).normal(-5, 1.5, shape).clip(-11, 1).astype(np.float32)
        np.save(tmp_path / f"{utterance.utt_id}.npy", change(mel) if utterance is utterances[-2] else mel)
    lines = [f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n" for utterance in utterances]
    (data_dir / "feats.scp").write_text("".join(lines))
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    for look in (
        lambda: PredictedFeatures(data_dir, mel_config()).check_all(utterances),
        lambda: build_loader(config, mel_config()),
    ):
        caplog.clear()
        with caplog.at_level("WARNING", logger="recipes"):
            look()
        if words is None:
            assert not caplog.text
        else:
            assert f"{utterances[-2].utt_id}.npy" in caplog.text
            assert words in caplog.text
            assert f"1 of {len(utterances)}" in caplog.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.exp, "without logarithm"),
        (lambda mel: 20 / np.log(10) * mel, "decibels"),
        (lambda mel: np.where(mel > -1, np.float32(1e30), mel), "1e[+]30"),
        (lambda mel: np.where(mel > -1, 1e300, mel.astype(np.float64)), "infinite"),
    ],
)
def test_a_later_file_that_cannot_be_a_mel_is_refused_by_its_name(data_dir: Path, tmp_path: Path, change, words: str):
    utterances = KaldiDirectory.read(data_dir).utterances
    for utterance in utterances:
        mel = _mel_like(soundfile.info(utterance.path).frames // HOP)
        np.save(tmp_path / f"{utterance.utt_id}.npy", change(mel) if utterance is utterances[-1] else mel)
    lines = [f"{utterance.utt_id} {tmp_path / utterance.utt_id}.npy\n" for utterance in utterances]
    (data_dir / "feats.scp").write_text("".join(lines))
    config = DataConfig(train=str(data_dir), segment_length=SEGMENT, batch_size=4, features="predicted", num_workers=0)
    refusal = partial(pytest.raises, DataError, match=rf"{utterances[-1].utt_id}\.npy.*{words}")
    with refusal():
        list(islice(build_loader(config, mel_config()), len(utterances)))
    with refusal():
        PredictedFeatures(data_dir, mel_config()).check_all(utterances)
    # The embeddings of a codec may be any numbers that single precision can hold.
    dataset = utterance_dataset(config, mel_config(), None, data_dir, embedding=True)
    if words == "infinite":
        with refusal():
            dataset[len(utterances) - 1]
    else:
        assert dataset[len(utterances) - 1]["features"].shape[0] == 40


def test_degraded_features_are_smoother_than_those_of_the_audio(data_dir: Path) -> None:
    utterances = KaldiDirectory.read(data_dir).utterances
    reader = AudioReader(utterances, RATE)
    plain = SegmentDataset(reader, mel_config(), SEGMENT)
    smooth = SegmentDataset(reader, mel_config(), SEGMENT, degrade=1.0)
    ratios = []
    for index in range(len(utterances)):
        ours, theirs = smooth[index, 0], plain[index, 0]
        assert torch.equal(ours["audio"], theirs["audio"])
        ratios.append(float(ours["features"].diff(dim=1).std() / theirs["features"].diff(dim=1).std()))
        torch.testing.assert_close(smooth[index, 0]["features"], ours["features"], rtol=0, atol=0)
    assert max(ratios) <= 1 + 1e-6
    assert min(ratios) < 0.8
    with pytest.raises(ConfigError, match="predicted"):
        DataConfig.from_dict({"features": "predicted", "degrade": 0.5})


def test_missing_paths_and_bad_options_are_config_errors(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.train"):
        build_loader(DataConfig(), mel_config())
    with pytest.raises(ConfigError, match=r"data\.train"):
        waveform_dataset(DataConfig(), FrontEnd(sample_rate=RATE))
    with pytest.raises(ConfigError, match="lower gain first"):
        DataConfig.from_dict({"gain_db": [3, -3]})
    with pytest.raises(ConfigError, match="'segment_length'"):
        DataConfig.from_dict({"segment_lenght": 7680})
    with pytest.raises(ConfigError, match="predicted"):
        DataConfig.from_dict({"features": "predicted", "peak": 0.95})


def test_mini_libritts_crops(mini_libritts: Path) -> None:
    path = sorted((mini_libritts / "dev-mini").rglob("*.flac"))[0]
    config = MelConfig()
    reader = AudioReader([Utterance(path.stem, path, "s", duration=1.0)], 24000)
    audio, _ = read_audio(path)
    expected = LogMel(config)(audio[None, :, : audio.shape[-1] // 240 * 240])[0]
    for start in (0, 1, 37, expected.shape[-1] - 32):
        item = SegmentDataset(reader, config, 7680).part(0, start, 32)
        torch.testing.assert_close(item["features"], expected[:, start : start + 32], rtol=0, atol=2e-5)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_part_at_another_rate_is_that_of_the_whole(tmp_path: Path, rate: int, monkeypatch) -> None:
    """Without decoding the whole file: long files at another rate cost no more than short ones."""
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (rate * 3 + 17, 2))
    soundfile.write(tmp_path / "a.wav", samples, rate)
    reader = AudioReader((Utterance("a", tmp_path / "a.wav", "s", duration=len(samples) / rate),), RATE, resample=True)
    whole = reader.read(0)
    assert len(whole) == reader.num_samples(0)
    monkeypatch.setattr(reader, "_whole", None)
    for start, length in ((0, 1000), (1, 7), (5000, 4000), (len(whole) - 3000, 3000), (len(whole) - 10, 50)):
        part = reader.read(0, start, length)
        np.testing.assert_allclose(part, whole[start : start + length], atol=1e-6)


def test_a_total_batch_is_shared_by_the_processes() -> None:
    assert DataConfig(batch_size=3).items_per_process(4) == 3
    assert DataConfig(total_batch_size=12).items_per_process(4) == 3
    with pytest.raises(ConfigError, match="12 for 5 processes; expected a multiple"):
        DataConfig(total_batch_size=12).items_per_process(5)

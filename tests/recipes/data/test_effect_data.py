"""Pairs for effects: reproducible, held-out settings kept apart, the pre-roll in its place, recordings checked."""

import csv
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from effects.knobs import Knob, KnobSet
from effects.processors import find_processor
from recipes.data.config import DataConfig
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.knob_tables import read_knob_table
from recipes.data.effects.loader import effect_dataset
from recipes.data.effects.pair_checks import check_files
from recipes.data.effects.pairs import find_pairs
from recipes.data.effects.preparation import prepare_pairs
from recipes.data.effects.rendered import collate_pairs
from recipes.data.effects.settings import CORNER, SLAB, draw_settings, is_held_out
from recipes.data.effects.synthetic import KINDS, synthetic_audio
from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.loader import endless_loader
from vocoders.core.errors import ConfigError, DataError

KNOBS = find_processor("comp_4c").knobs
RATE = 44100


@pytest.fixture
def dry(tmp_path):
    """Two seconds of noise as a data directory."""
    generator = np.random.default_rng(0)
    utterances = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, 0.5 * generator.uniform(-1, 1, 2 * RATE), RATE, "FLOAT")
        utterances.append(Utterance(name, path, "s", duration=2.0))
    KaldiDirectory.write(tmp_path / "data", utterances)
    return tmp_path / "data"


def _dataset(dry, seed=0, held_out=False, **options):
    data = DataConfig(segment_length=2000, seed=seed, num_workers=0)
    effect = EffectDataConfig(processor="comp_4c", **({"pre_roll": 3000} | options))
    return effect_dataset(data, effect, KNOBS, RATE, str(dry), held_out)


def test_an_item_is_a_function_of_seed_draw_and_index(dry):
    first, again, other = _dataset(dry)[0, 5], _dataset(dry)[0, 5], _dataset(dry, seed=1)[0, 5]
    for key in ("audio", "target", "knobs"):
        assert torch.equal(first[key], again[key])
        assert not torch.equal(first[key], other[key])
    assert not torch.equal(first["knobs"], _dataset(dry)[0, 6]["knobs"])


@pytest.mark.parametrize("moving", [0.0, 1.0])
def test_workers_change_nothing_and_a_resumed_loader_goes_on(dry, moving):
    effect = EffectDataConfig(processor="comp_4c", pre_roll=500, moving=moving)
    batches = {}
    for workers, start in ((0, 0), (2, 0), (0, 2)):
        data = DataConfig(train=str(dry), segment_length=1000, batch_size=2, num_workers=workers)
        dataset = effect_dataset(data, effect, KNOBS, RATE, str(dry))
        loader = iter(endless_loader(dataset, data, partial(collate_pairs, pre_roll=500), start))
        batches[workers, start] = [next(loader) for _ in range(3 if start == 0 else 1)]
        del loader
    for one, two in zip(batches[0, 0], batches[2, 0], strict=True):
        assert all(torch.equal(one[key], two[key]) for key in ("audio", "target", "knobs"))
    assert torch.equal(batches[0, 0][2]["target"], batches[0, 2][0]["target"])
    assert batches[0, 0][0]["knobs"].shape == ((2, 4, 1500) if moving else (2, 4))


def test_the_target_is_the_effect_at_the_knobs_of_the_item(dry):
    item = _dataset(dry, synthetic=0.0)[1, 3]
    values = KNOBS.denormalize(item["knobs"].double())
    settings = dict(zip(KNOBS.names, values.tolist(), strict=True))
    wet, _ = find_processor("comp_4c").process(item["audio"][None], settings, RATE)
    torch.testing.assert_close(wet[0], item["target"], rtol=0, atol=1e-5)
    assert item["audio"].shape == (1, 5000)


@pytest.mark.parametrize("moving", [0.0, 1.0])
def test_noise_is_that_of_the_item_and_no_others(dry, moving):
    knobs = find_processor("denoise").knobs
    data = DataConfig(segment_length=2000, num_workers=0)
    effect = EffectDataConfig(processor="denoise", pre_roll=100, synthetic=0.0, moving=moving, ends=0.0)

    def noise(*key):
        item = effect_dataset(data, effect, knobs, RATE, str(dry))[key]
        strength = knobs.denormalize(item["knobs"].double().movedim(0, -1)).movedim(-1, 0)
        return ((item["audio"] - item["target"]) / strength)[0]

    first, again = noise(0, 3), noise(0, 3)
    assert torch.equal(first, again)
    assert first.abs().max() > 0.99
    others = torch.stack([first, noise(1, 3), noise(0, 4), noise(1, 4)])
    # Correlations of independent noise, within five standard deviations.
    assert (torch.corrcoef(others) - torch.eye(4)).abs().max() < 5 / 2100**0.5


def test_moving_knobs_are_what_the_effect_follows(dry):
    item = _dataset(dry, moving=1.0, synthetic=0.0)[0, 1]
    assert item["knobs"].shape == (4, 5000)
    assert (item["knobs"].diff(dim=-1) != 0).any()
    # Constant within each control period.
    assert (item["knobs"][:, :64] == item["knobs"][:, :1]).all()


def test_training_and_held_out_settings_never_meet():
    generator = np.random.default_rng(0)
    trained = np.array([draw_settings(KNOBS, index, generator, ends=0.2) for index in range(3000)])
    tested = np.array([draw_settings(KNOBS, index, generator, held_out=True) for index in range(300)])
    assert not any(is_held_out(setting, KNOBS) for setting in trained)
    assert all(is_held_out(setting, KNOBS) for setting in tested)
    assert not ((trained > SLAB[0]) & (trained < SLAB[1])).any()
    assert not ((trained < CORNER) | (trained > 1 - CORNER)).all(axis=1).any()
    # The rest of the range is covered.
    for column in trained.T:
        counts, _ = np.histogram(column, bins=10, range=(0, 1))
        assert counts.min() > 100


def test_a_switch_has_no_slab():
    knobs = KnobSet(knobs=(Knob.switch("mode"),))
    assert not is_held_out(np.array([0.5]), knobs)
    assert {float(draw_settings(knobs, index, np.random.default_rng(index))[0] > 0.5) for index in range(20)} == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bank_is_finite(kind):
    audio = KINDS[kind](np.random.default_rng(1), 5000, RATE)
    assert audio.shape == (5000,)
    assert np.isfinite(audio).all()


def test_the_bank_is_scaled_to_full_scale():
    peaks = [np.abs(synthetic_audio(np.random.default_rng(i), 3000, RATE)).max() for i in range(40)]
    assert set(np.round(peaks, 6)) <= {0.0, 1.0}


def _write_pair(folder, wet, dry=None, rate=RATE):
    generator = np.random.default_rng(3)
    dry = 0.3 * generator.uniform(-1, 1, rate) if dry is None else dry
    soundfile.write(folder / "dry.wav", dry, rate, "FLOAT")
    soundfile.write(folder / "wet.wav", wet(dry), rate, "FLOAT")
    (folder / "pairs.csv").write_text("dry,wet,set,drive\ndry.wav,wet.wav,train,0.5\n")
    return find_pairs(folder)[0]


@pytest.mark.parametrize(
    ("wet", "reason"),
    [
        (lambda x: 0.5 * x, None),
        (lambda x: np.concatenate([np.zeros(300), x])[: len(x)], "300 samples late"),
        (lambda x: np.concatenate([x[100:], np.zeros(100)]), "100 samples early"),
        (np.zeros_like, "wet audio is silent"),
        (lambda x: x[:-40000].repeat(2)[:100], "cut both to the same piece"),
    ],
)
def test_recordings_are_checked(tmp_path, wet, reason):
    pair = _write_pair(tmp_path, wet)
    found = check_files(pair.dry, pair.wet).reason
    assert (found is None) if reason is None else (reason in found)


def test_polarity_and_clipping_are_told(tmp_path):
    pair = _write_pair(tmp_path, lambda x: np.clip(-20 * x, -1, 1))
    check = check_files(pair.dry, pair.wet)
    assert check.reason is None
    assert any("upside down" in note for note in check.notes)
    assert any("clips" in note for note in check.notes)


def _moved(audio, samples):
    """Return audio of the same length, late by a number of samples, or early."""
    padded = np.pad(audio, (max(samples, 0), max(-samples, 0)))
    return padded[max(-samples, 0) :][: len(audio)]


@pytest.mark.parametrize("delay", [-20000, -20, -3, 0, 7, 33, 15739])
def test_delays_of_any_size_are_told_with_their_sign_and_repaired(tmp_path, delay):
    pair = _write_pair(tmp_path, lambda x: 0.5 * _moved(x, delay))
    check = check_files(pair.dry, pair.wet)
    is_told = check.reason is not None or bool(check.notes)
    assert check.reason is None if -8 <= delay <= 32 else check.reason is not None
    assert is_told == (delay != 0)
    if delay:
        assert f"{abs(delay)} samples {'late' if delay > 0 else 'early'}" in (check.reason or check.notes[0])
    prepare_pairs([pair], tmp_path / "data", align=True)
    (dry,) = KaldiDirectory.read(tmp_path / "data/train")
    wet = (tmp_path / "data/train/wet.scp").read_text().split()[1]
    sides = [soundfile.read(path)[0] for path in (dry.path, wet)]
    length = min(map(len, sides)) - abs(delay)
    np.testing.assert_allclose(sides[1][:length], 0.5 * sides[0][:length], atol=1e-6)
    # The file of a pair that needs no repair is used as it is.
    assert (dry.path.resolve() == pair.dry.resolve()) == (delay == 0)


@pytest.mark.parametrize("other", [None, 0.0, 0.5])
def test_channels_that_are_not_equal_are_refused_unless_one_is_chosen(tmp_path, other):
    noise = np.random.default_rng(9).uniform(-0.3, 0.3, RATE)
    pair = _write_pair(tmp_path, lambda x: np.stack([0.5 * x, 0.5 * x if other is None else other * noise], axis=1))
    reason = check_files(pair.dry, pair.wet).reason
    assert (reason is None) == (other is None)
    if other is not None:
        assert "channel" in reason
        assert "--channel 1" in reason
        prepare_pairs([pair], tmp_path / "data", channel=1)
        wet, _ = soundfile.read(tmp_path / f"data/audio/{pair.name}.wet.wav")
        np.testing.assert_allclose(wet, 0.5 * soundfile.read(pair.dry)[0], atol=1e-6)
    assert "3" in check_files(pair.dry, pair.wet, channel=3).reason


def test_an_unrelated_take_is_said_to_be_one(tmp_path):
    other = np.random.default_rng(77).uniform(-0.3, 0.3, RATE)
    for align in (False, True):
        pair = _write_pair(tmp_path, lambda _: other)
        assert "nothing in common" in check_files(pair.dry, pair.wet, align).reason


def test_a_cut_tail_and_a_second_clock_are_noted(tmp_path):
    dry = 0.3 * np.random.default_rng(3).uniform(-1, 1, 70 * 8000)
    pair = _write_pair(tmp_path, lambda x: 0.5 * x[:-2000], dry, 8000)
    assert any("ends 0.25 s before" in note for note in check_files(pair.dry, pair.wet).notes)
    # At 8 kHz a lost buffer.
    pair = _write_pair(tmp_path, lambda x: 0.5 * np.concatenate([x[:200000], x[200064:]]), dry, 8000)
    assert any("clock" in note for note in check_files(pair.dry, pair.wet).notes)


def test_a_recording_is_validated_as_a_whole(tmp_path):
    _prepare_table(tmp_path, "dry,wet,set,threshold\ndry.wav,wet é.wav,train,-3\n")
    data = DataConfig(train=str(tmp_path / "data/train"), segment_length=1000)
    effect = EffectDataConfig(pre_roll=100, synthetic=0, valid_items=None)
    item = effect_dataset(data, effect, KNOBS, RATE, str(tmp_path / "data/train")).whole(0)
    assert item["audio"].shape == item["target"].shape == (1, RATE)
    assert item["knobs"].shape == (len(KNOBS),)
    with pytest.raises(ConfigError, match="recorded"):
        EffectDataConfig.from_dict({"processor": "comp_4c", "valid_items": None}, "test")


VALUES = {"threshold": -3.5, "attack": 0.005, "mix": 0.5, "ratio": 4.0, "cutoff": 1200.0, "plain": 0.125}
TYPED = {"threshold": "-3,5dB", "attack": "5ms", "mix": "50 %", "ratio": "4:1", "cutoff": "1,2 kHz", "plain": "0,125"}
TYPED_KNOBS = KnobSet(
    knobs=(
        Knob(name="threshold", unit="dB", min=-30, max=0, default=-15, scale="db"),
        Knob(name="attack", unit="s", min=0.001, max=0.1, default=0.01),
        *(Knob(name=name, min=0, max=10, default=1) for name in ("mix", "ratio", "plain")),
        Knob(name="cutoff", unit="Hz", min=20, max=20000, default=1000, scale="log"),
        Knob.switch("mode", ("compress", "limit")),
    )
)


def _prepare_table(folder, text, encoding="utf-8", knobs=None):
    audio = 0.3 * np.random.default_rng(3).uniform(-1, 1, RATE)
    for name in ("dry", "wet é"):
        soundfile.write(folder / f"{name}.wav", audio, RATE, "FLOAT")
    (folder / "pairs.csv").write_bytes(text.encode(encoding))
    return prepare_pairs(find_pairs(folder, knobs=knobs), folder / "data")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("known", [True, False])
def test_knobs_typed_in_any_table_become_plain_numbers(tmp_path, encoding, delimiter, end, known):
    row = ["dry.wav", "wet é.wav", "train", *TYPED.values(), "Limit"]
    cells = [f'"{cell}"' if delimiter in cell else cell for cell in row]
    lines = [["dry", "wet", "set", *TYPED, "mode"], cells, [""] * len(cells), cells]
    _prepare_table(tmp_path, end.join(map(delimiter.join, lines)), encoding, TYPED_KNOBS if known else None)
    path = tmp_path / "data/train/knobs.csv"
    with path.open(newline="") as stream:
        written = list(csv.DictReader(stream))
    assert [{name: float(row[name]) for name in VALUES} for row in written] == [VALUES] * 2
    assert {row["mode"] for row in written} == ({"1"} if known else {"Limit"})
    read = read_knob_table(path, TYPED_KNOBS)
    assert list(read.values()) == [VALUES | {"mode": 1.0}] * 2
    # What is typed means the same wherever it is typed.
    assert TYPED_KNOBS.parse(f"{name}={text}" for name, text in TYPED.items()) == VALUES
    assert TYPED_KNOBS.resolve(TYPED | {"mode": "Limit"}) == VALUES | {"mode": 1.0}


def test_a_prepared_table_trains(tmp_path):
    _prepare_table(tmp_path, "dry;wet;set;threshold\ndry.wav;wet é.wav;train;-3,5dB\n")
    dataset = effect_dataset(
        DataConfig(segment_length=1000), EffectDataConfig(pre_roll=0, synthetic=0), KNOBS, RATE, tmp_path / "data/train"
    )
    knobs = dict(zip(KNOBS.names, KNOBS.denormalize(dataset[0]["knobs"].double()).tolist(), strict=True))
    assert knobs["threshold"] == pytest.approx(-3.5, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "known", "match"),
    [
        ("threshold\n-3,5dB", False, "line 2: 5 cells; expected 4"),
        ("threshold\n3\n#REF!", False, "line 3, column 'threshold': '#REF!'"),
        ("threshold\nnan", False, "line 2, column 'threshold': 'nan'"),
        ("threshold\n1e999", False, "line 2, column 'threshold': '1e999'"),
        ("threshold\n5 parsecs", False, "line 2, column 'threshold': '5 parsecs'"),
        ("threshold\n5ms\n5\n5 dB", False, "line 4, column 'threshold': '5 dB' after '5ms'"),
        ("mode\non\n0.5", False, "line 3, column 'mode': '0.5' after 'on'"),
        ("threshold\n5ms", True, "line 2, column 'threshold': .*'ms'.* dB"),
        ("mode\nexpand", True, "line 2, column 'mode': .* compress, limit"),
        ("mode\n0.5", True, "line 2, column 'mode': .*whole"),
        ("treshold\n-3", True, "line 2, column 'treshold': .* 'threshold'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_written(tmp_path, text, known, match):
    name, *values = text.split("\n")
    lines = [f"dry,wet,set,{name}", *(f"dry.wav,wet é.wav,train,{value}" for value in values)]
    with pytest.raises(DataError, match=match) as caught:
        _prepare_table(tmp_path, "\n".join(lines), knobs=TYPED_KNOBS if known else None)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "pairs.csv") in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("utt_id,threshold\na,-3,5dB\n", "line 2: 3 cells; expected 2"),
        ("utt_id,threshold\na,-3\na,-4\n", "line 3: .* 'a' "),
        ("utt_id,treshold\na,-3\n", "line 2: unknown knob 'treshold'"),
        ("utt_id,threshold\na,x\n", "line 2: knob 'threshold': 'x'"),
        ("threshold\n-3\n", "row of names, utt_id"),
        ("", "0 rows.* utt_id"),
    ],
)
def test_a_bad_table_of_settings_is_refused(tmp_path, text, match):
    (tmp_path / "knobs.csv").write_text(text)
    with pytest.raises(DataError, match=match):
        read_knob_table(tmp_path / "knobs.csv", TYPED_KNOBS)


def test_signaltrain_names_are_read(tmp_path):
    for part, number, values in (("Train", 138, "0__65"), ("Val", 140, "1__10"), ("Test", 150, "1__80")):
        folder = tmp_path / part
        folder.mkdir()
        for name in (f"input_{number}_.wav", f"target_{number}_LA2A_3c__{values}.wav"):
            soundfile.write(folder / name, np.random.default_rng(1).uniform(-0.5, 0.5, 4000), RATE)
    pairs = find_pairs(tmp_path)
    assert {(pair.part, pair.settings["mode"], pair.settings["peak_reduction"]) for pair in pairs} == {
        ("train", "0", "65"),
        ("dev", "1", "10"),
        ("test", "1", "80"),
    }
    found = prepare_pairs(pairs, tmp_path / "data")
    assert [str(directory.path.name) for directory in found.directories] == ["train", "dev", "test"]
    data = DataConfig(segment_length=1000, resample=True, num_workers=0)
    from effects.models.devices import LA2A_KNOBS

    dataset = effect_dataset(data, EffectDataConfig(pre_roll=500, synthetic=0), LA2A_KNOBS, RATE, tmp_path / "data/dev")
    item = dataset[0, 0]
    assert torch.equal(item["audio"], item["target"])
    torch.testing.assert_close(item["knobs"], torch.tensor([1.0, 0.1]))
    with pytest.raises(DataError, match="2 knob values"):
        find_pairs(tmp_path, ("gain",))


def test_a_model_with_other_knobs_is_refused(dry):
    data = DataConfig(segment_length=1000)
    with pytest.raises(ConfigError, match="unknown knob 'drive'"):
        effect_dataset(
            data,
            EffectDataConfig(processor="comp_4c"),
            KnobSet(knobs=(Knob(name="drive", min=0, max=1, default=0),)),
            RATE,
            str(dry),
        )

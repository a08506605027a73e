"""Segments of audio alone: of one utterance, and of a stream of utterances with pauses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recipes.data.config import DataConfig
from recipes.data.dataset import collate
from recipes.data.kaldi import Utterance
from recipes.data.loader import endless_loader, segment_dataset, waveform_dataset
from recipes.data.reading import AudioReader
from recipes.data.waveforms import PieceDataset, WaveformDataset, collate_padded
from vocoders.core.audio import write_audio
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.front_end import FrontEnd
from vocoders.frontends.mel import MelConfig

RATE, LENGTHS = 8000, {"a-0": 900, "a-1": 1300, "b-0": 700}


@pytest.fixture
def reader(tmp_path) -> AudioReader:
    """Utterances whose samples have one value each, so that a segment shows where it comes from."""
    utterances = []
    for number, (name, length) in enumerate(LENGTHS.items(), 1):
        path = tmp_path / f"{name}.wav"
        write_audio(path, torch.full((1, length), number / 8), RATE)
        utterances.append(Utterance(name, path, name[0], length / RATE))
    return AudioReader(tuple(utterances), RATE)


def runs(audio: torch.Tensor) -> list[tuple[float, int]]:
    """Return (value, length) of the stretches of equal samples."""
    values = (8 * audio[0]).round().numpy()
    edges = np.flatnonzero(np.diff(values, prepend=np.nan, append=np.nan))
    return [(float(values[a]), int(b - a)) for a, b in zip(edges, edges[1:], strict=False)]


def test_an_utterance_alone_is_followed_by_zeros_that_do_not_count(reader) -> None:
    item = WaveformDataset(reader, 2000)[0]
    assert runs(item["audio"]) == [(1, 900), (0, 1100)]
    assert item["length"] == 900


def test_a_stream_is_full_of_whole_utterances_of_the_speaker_and_pauses(reader) -> None:
    dataset = WaveformDataset(reader, 6000, pause_seconds=(0.05, 0.1))
    starts = set()
    for draw in range(40):
        item = dataset[0, draw]
        assert item["audio"].shape == (1, 6000)
        assert item["length"] == 6000
        parts = runs(item["audio"])
        assert {value for value, _ in parts} <= {0, 1, 2}
        assert [value == 0 for value, _ in parts] == [number % 2 == 1 for number in range(len(parts))]
        assert parts[0][0] == 1
        starts.add(parts[0][1])
        for value, length in parts[1:-1]:
            assert 400 <= length <= 800 if value == 0 else length == (900, 1300)[int(value) - 1]
    # Half of the segments begin with the utterance, the others somewhere in it.
    assert 900 in starts
    assert len(starts) > 5


def test_a_stream_is_a_pure_function_of_its_draw(reader) -> None:
    one, other = (WaveformDataset(reader, 3000, seed=3, pause_seconds=(0, 0.2)) for _ in range(2))
    assert torch.equal(one[1, 7]["audio"], other[1, 7]["audio"])
    assert not torch.equal(one[1, 7]["audio"], one[1, 8]["audio"])


def labelled(reader: AudioReader, **texts: str) -> AudioReader:
    """Return the reader with a text for each utterance."""
    texts = {name.replace("_", "-"): text for name, text in texts.items()}
    return AudioReader(tuple(replace(u, text=texts.get(u.utt_id)) for u in reader.utterances), RATE)


def test_the_text_of_an_utterance_is_its_label(reader) -> None:
    words = labelled(reader, a_0="yes", a_1="no", b_0="yes")
    dataset = WaveformDataset(words, 500, labels=["no", "yes"])
    assert [int(dataset[index]["labels"]) for index in range(3)] == [1, 0, 1]
    pieces = PieceDataset(words, 600, labels=["no", "yes"])
    batch = collate_padded([pieces[number] for number in range(len(pieces))])
    assert batch["labels"].tolist() == [1, 1, 0, 0, 0, 1, 1]
    assert "labels" not in PieceDataset(words)[0]


def test_a_stream_keeps_to_one_label(reader) -> None:
    dataset = WaveformDataset(
        labelled(reader, a_0="yes", a_1="no", b_0="yes"), 4000, pause_seconds=(0.05, 0.1), labels=["no", "yes"]
    )
    for draw in range(10):
        parts = runs(dataset[1, draw]["audio"])
        assert {value for value, _ in parts} == {0, 2}
        assert parts[0] == (2, 1300)


def test_texts_that_are_no_labels_are_named(reader) -> None:
    with pytest.raises(DataError, match="'b-0'.*no, yes"):
        WaveformDataset(labelled(reader, a_0="yes", a_1="no"), 500, labels=["no", "yes"])
    with pytest.raises(DataError, match="'a-1'.* 'nope'"):
        PieceDataset(labelled(reader, a_0="yes", a_1="nope", b_0="no"), labels=["no", "yes"])


def test_pauses_are_for_audio_alone_and_go_upwards(tmp_path, reader) -> None:
    with pytest.raises(ConfigError, match="the shorter first"):
        DataConfig.from_dict({"pause_seconds": [0.3, 0.1]})
    folder = tmp_path / "data"
    folder.mkdir()
    for name, column in {"wav.scp": "path", "utt2spk": "speaker"}.items():
        rows = "".join(f"{u.utt_id} {getattr(u, column)}\n" for u in reader.utterances)
        (folder / name).write_text(rows, encoding="utf-8")
    config = DataConfig(train=str(folder), segment_length=512, pause_seconds=(0, 0.1), num_workers=0, batch_size=2)
    dataset = waveform_dataset(config, FrontEnd(sample_rate=RATE))
    batch = next(iter(endless_loader(dataset, config, collate)))
    assert batch["length"].tolist() == [512, 512]
    with pytest.raises(ConfigError, match="pause_seconds"):
        segment_dataset(config, MelConfig(sample_rate=RATE, n_fft=256, hop_length=64, fmax=4000.0))

"""Mels of batches on the device are those of loader processes, at the edges of utterances too."""

from itertools import islice

import pytest
import torch

from recipes.data.config import DataConfig
from recipes.data.dataset import collate, move_batch
from recipes.data.device_mels import BatchMels, collate_windows
from recipes.data.loader import endless_loader, segment_dataset
from recipes.data.pitch import PitchSegments
from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import MelConfig

HOP = 160


def batches(data_dir, mel: MelConfig, frames: int, place: str) -> list[dict]:
    config = DataConfig.from_dict(
        {
            "train": str(data_dir), "segment_length": frames * HOP, "batch_size": 6, "num_workers": 0, "mels": place,
            "gain_db": [-6, 6],
        }
    )  # fmt: skip
    join = collate if place == "loader" else lambda items: collate_windows(items, HOP)
    with endless_loader(segment_dataset(config, mel), config, join).open() as found:
        return list(islice(found, 6))


@pytest.mark.parametrize("padding", ["same_zero", "center_reflect"])
@pytest.mark.parametrize("frames", [5, 50, 90])  # 90: longer than some utterances
def test_features_are_those_of_the_loader(data_dir, padding, frames):
    mel = MelConfig(sample_rate=16000, n_fft=1024, hop_length=HOP, n_mels=40, padding=padding)
    complete = BatchMels(mel)
    for loaded, windows in zip(*(batches(data_dir, mel, frames, place) for place in ("loader", "device")), strict=True):
        found = complete(move_batch(windows, torch.device("cpu")))
        assert found.keys() == loaded.keys()
        order = [loaded["seed"].tolist().index(seed) for seed in found["seed"].tolist()]
        assert sorted(order) == list(range(6))
        assert found["utt_id"] == [loaded["utt_id"][number] for number in order]
        assert torch.equal(found["audio"], loaded["audio"][order])
        torch.testing.assert_close(found["features"], loaded["features"][order], rtol=0, atol=2e-5)
        assert complete(loaded) is loaded


def test_what_the_device_cannot_do_is_refused(data_dir):
    with pytest.raises(ConfigError, match="degrade"):
        DataConfig.from_dict({"mels": "device", "degrade": 0.5})
    config = DataConfig.from_dict({"train": str(data_dir), "mels": "device", "segment_length": 10 * HOP})
    with pytest.raises(ConfigError, match=r"data\.mels"):
        segment_dataset(config, MelConfig(sample_rate=16000, hop_length=HOP), None, PitchSegments)

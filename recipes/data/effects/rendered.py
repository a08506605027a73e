"""Pairs rendered during training.

An item is a pure function of (seed, draw, index): the same from any number of workers, and after a resumption.
Its keys: ``audio`` (1, P + T), dry; ``target`` (1, P + T), wet; ``knobs`` (K,), normalised, or (K, P + T) if they
move. The first P samples are pre-roll for model and processor, which losses ignore.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effects.automation import CONTROL_PERIOD
from effects.knobs import KnobSet
from effects.processors import find_processor
from effects.processors.processor import State
from recipes.data.dataset import TrainingSet, collate
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.settings import draw_settings
from recipes.data.effects.signaltrain_signals import signaltrain_audio
from recipes.data.effects.synthetic import synthetic_audio
from recipes.data.reading import AudioReader
from vocoders.core.errors import ConfigError

__all__ = ["BANKS", "DryAudio", "RenderedDataset", "collate_pairs"]

#: Synthetic audio by the name of its bank: (generator, length, sample_rate) -> (length,).
BANKS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "ondes": synthetic_audio,
    "signaltrain": signaltrain_audio,
}


class DryAudio:
    """Segments of dry audio: of recordings, or synthetic.

    Args:
        reader: the recordings.
        length: samples of a segment; shorter recordings are padded with zeros.
        synthetic: fraction of synthetic segments.
        level_db: range of the peak level in dBFS, in addition to the levels in SignalTrain's bank.
        bank: name of the synthetic audio, see :data:`BANKS`.
    """

    def __init__(
        self, reader: AudioReader, length: int, synthetic: float, level_db: tuple[float, float], bank: str = "ondes"
    ) -> None:
        self.reader, self.length, self.synthetic, self.level_db = reader, length, synthetic, level_db
        self._draw_synthetic = BANKS[bank]

    def draw(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """Return a segment of recording ``index``, or of the bank, (length,) float32."""
        if generator.random() < self.synthetic:
            audio = self._draw_synthetic(generator, self.length, self.reader.sample_rate)
        else:
            last = max(self.reader.num_samples(index) - self.length, 0)
            start = int(generator.integers(0, last, endpoint=True))
            samples = np.asarray(self.reader.read(index, start, self.length), dtype=np.float64)
            audio = np.zeros(self.length)
            audio[: len(samples)] = samples
            peak = np.abs(audio).max()
            # Almost silent audio is not amplified: it would become noise.
            audio = audio / max(peak, 1e-3)
        level = 10 ** (generator.uniform(*self.level_db) / 20)
        # Only the dry audio is inverted, not the pair: the output of an asymmetric effect depends on polarity.
        return (level * generator.choice([-1.0, 1.0]) * audio).astype(np.float32)


class RenderedDataset(TrainingSet):
    """Pairs of a processor.

    Args:
        reader: dry recordings.
        config: the ``effect`` section.
        segment_length: T.
        knobs: knobs of the model, which the processor must also have.
        seed: seed of all random numbers.
        held_out: draw held-out settings.

    Raises:
        ConfigError: if no processor is set, or it lacks a knob of the model.
    """

    def __init__(
        self,
        reader: AudioReader,
        config: EffectDataConfig,
        segment_length: int,
        knobs: KnobSet,
        seed: int = 0,
        held_out: bool = False,
    ) -> None:
        if config.processor is None:
            raise ConfigError("effect.processor is not set; name the effect that renders the pairs")
        self.processor = find_processor(config.processor)
        for name in knobs.names:
            _ = self.processor.knobs[name]
        self.config, self.knobs, self.reader = config, knobs, reader
        self._seed, self._held_out = seed, held_out
        length = config.pre_roll + segment_length
        self._dry = DryAudio(reader, length, config.synthetic, config.level_db, config.bank)

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.reader.utterances)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        """Return a pair; the key is the index of a recording, or (index, draw) from the sampler."""
        index, draw = key if isinstance(key, tuple) else (key, key)
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, draw, index])))
        dry = torch.from_numpy(self._dry.draw(index, generator))[None]
        setting = self._draw_setting(draw, generator)
        if generator.random() < self.config.moving:
            other = self._draw_setting(draw + 1, generator)
            path = _path(setting, other, dry.shape[-1], generator)
            wet, knobs = self._render_moving(dry, path, self._initial_state(generator))
        else:
            wet, values = self._render(dry, setting, self._initial_state(generator))
            knobs = self.knobs.normalize(values)
        target = dry if self.processor.is_inverse else wet
        audio = wet if self.processor.is_inverse else dry
        name = self.reader.utterances[index].utt_id
        return {"audio": audio, "target": target, "knobs": knobs.float(), "utt_id": name}

    def _draw_setting(self, draw: int, generator: np.random.Generator) -> np.ndarray:
        config = self.config
        return draw_settings(self.knobs, draw, generator, self._held_out, config.ends, config.knob_shape)

    def _initial_state(self, generator: np.random.Generator) -> State:
        """Return the state of the processor at the start of an item, with separate noise for each item."""
        seeds = torch.from_numpy(generator.integers(1 << 63, size=1))
        return self.processor.initial_state(1, 1, self.reader.sample_rate, seeds)

    def _values(self, setting: np.ndarray) -> Tensor:
        places = torch.from_numpy(np.asarray(setting))
        pairs = zip(self.knobs.knobs, places, strict=True)
        return torch.stack([knob.value_at(place) for knob, place in pairs]) if len(self.knobs) else places

    def _render(self, dry: Tensor, setting: np.ndarray, state: State) -> tuple[Tensor, Tensor]:
        values = self._values(setting)
        settings = self.knobs.settings(values)
        wet, _ = self.processor.process(dry[None], settings, self.reader.sample_rate, state)
        return wet[0], values

    def _render_moving(self, dry: Tensor, path: np.ndarray, state: State) -> tuple[Tensor, Tensor]:
        """Render with knobs that are constant in each control period and change between periods."""
        blocks, rows = [], []
        for block, setting in zip(dry.split(CONTROL_PERIOD, dim=-1), path, strict=True):
            values = self._values(setting)
            settings = self.knobs.settings(values)
            wet, state = self.processor.process(block[None], settings, self.reader.sample_rate, state)
            blocks.append(wet[0])
            rows.append(self.knobs.normalize(values)[:, None].expand(-1, block.shape[-1]))
        return torch.cat(blocks, dim=-1), torch.cat(rows, dim=-1)


def _path(first: np.ndarray, second: np.ndarray, length: int, generator: np.random.Generator) -> np.ndarray:
    """Return settings (periods, K) that oscillate between two settings."""
    periods = -(-length // CONTROL_PERIOD)
    cycles = generator.uniform(0.2, 1.5)
    share = 0.5 - 0.5 * np.cos(2 * np.pi * (cycles * np.arange(periods) / periods + generator.random()))
    return first + share[:, None] * (second - first)


def collate_pairs(items: list[dict[str, Any]], pre_roll: int) -> dict[str, Any]:
    """Stack pairs, and add the number of pre-roll samples.

    If the knobs of any item move, all items have knobs over time.
    """
    knobs = [item["knobs"] for item in items]
    if any(knob.ndim == 2 for knob in knobs):
        length = items[0]["audio"].shape[-1]
        knobs = [knob if knob.ndim == 2 else knob[:, None].expand(-1, length) for knob in knobs]
    stacked = collate([item | {"knobs": knob} for item, knob in zip(items, knobs, strict=True)])
    return stacked | {"pre_roll": pre_roll}

"""Build the training pairs of an effect from its configuration."""

from effects.knobs import KnobSet
from recipes.data.config import DataConfig
from recipes.data.effects.config import EffectDataConfig
from recipes.data.effects.recorded import RecordedDataset
from recipes.data.effects.rendered import RenderedDataset
from recipes.data.kaldi import KaldiDirectory
from recipes.data.reading import AudioReader

__all__ = ["EffectDataset", "effect_dataset"]

EffectDataset = RenderedDataset | RecordedDataset


def effect_dataset(
    config: DataConfig,
    effect: EffectDataConfig,
    knobs: KnobSet,
    sample_rate: int,
    directory: str,
    held_out: bool = False,
) -> EffectDataset:
    """Return the pairs of one data directory.

    Args:
        config: the ``data`` section.
        effect: the ``effect`` section.
        knobs: knobs of the model.
        sample_rate: sample rate of the model in Hz.
        directory: Kaldi data directory.
        held_out: render pairs at held-out settings.

    Raises:
        ConfigError: if knobs do not fit.
        DataError: for an unusable data directory.
    """
    data = KaldiDirectory.read(directory)
    reader = AudioReader(data.utterances, sample_rate, config.resample, None, config.in_memory)
    if effect.processor is None:
        return RecordedDataset(data, reader, config, effect.pre_roll, knobs)
    return RenderedDataset(reader, effect, config.segment_length, knobs, config.seed, held_out)

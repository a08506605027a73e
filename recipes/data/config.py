"""The ``data`` section of a training configuration."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError

__all__ = ["DataConfig"]


class DataConfig(Config):
    """Training data and the batches made from it.

    Attributes:
        train: Kaldi data directory of the training set, or a folder of shards (``ondes prepare shards``).
        valid: Kaldi data directory of the validation set.
        feature_dir: folder of the F0 cache and ``statistics.json``; needed by models with F0.
        features: ``computed`` mels of the audio, or ``predicted`` ones: ``feats.scp`` in the data directory names a
            ``.npy`` file (n_mels, frames), or a place in a Kaldi archive, for each utterance (fine-tuning on the output
            of an acoustic model).
        mels: where the mels of training segments are computed: in the ``loader`` processes, or in batches on the
            ``device`` of the training, which needs fewer processes beside a fast GPU.
        segment_length: training segment in samples, a multiple of the hop length.
        batch_size: segments in a batch, for each process.
        total_batch_size: segments in a batch over all processes, instead of ``batch_size``.
        shorter: what to do with utterances shorter than a segment: ``pad`` them with zeros or ``drop`` them.
        resample: convert other sample rates and average channels; else both are errors.
        in_memory: read the whole corpus once and keep it as int16.
        num_workers: loader processes.
        open_shards: shards that are read at the same time over all processes; the order of the items depends on it.
            Up to four loaders in each process and ``open_shards / 4`` processes share the shards.
        shards_at: folder or address (https://, gs://, hf://) of the shards; ``None``: beside their index in ``train``.
        weighting: ``utterance``: each once in an epoch; ``duration``: once per segment that fits into it.
        balance_speakers: draw the speaker uniformly, then one of its utterances.
        pause_seconds: shortest and longest pause after an utterance. More utterances of the speaker follow until the
            segment is full, and the model also learns the pauses. ``None``: one utterance per segment. Only for models
            without features. With labels, a segment contains utterances of one label and starts at the beginning of
            one, so audio of an utterance beyond ``segment_length`` is not learned.
        peak: scale each utterance to this peak (BigVGAN's convention is 0.95).
        gain_db: lowest and highest gain of a random level change in dB.
        degrade: largest share of a smoothed mel in the features of training segments, 0 to 1: it imitates the mels of
            acoustic models, which are too smooth (``ondes mel compare`` measures by how much).
        seed: seed of all batches, together with the step.
    """

    other_names: ClassVar = {
        "train": ("train_data", "train_set", "train_dir", "training_files", "train_files", "data_dir"),
        "valid": ("dev", "val", "validation", "valid_data", "val_data", "eval_data", "dev_set", "validation_files"),
        "segment_length": (
            *("segment", "segment_size", "segment_samples", "batch_max_steps", "crop_length", "crop_size"),
            *("clip_length", "chunk_size", "chunk_length", "max_length", "seq_len", "sequence_length"),
        ),
        "batch_size": ("batch", "batchsize", "bs", "per_device_train_batch_size", "train_batch_size"),
        "total_batch_size": ("global_batch_size", "effective_batch_size"),
        "num_workers": ("workers", "n_workers", "dataloader_workers", "dataloader_num_workers"),
        "in_memory": ("cache", "allow_cache", "cache_in_memory", "preload"),
        "degrade": ("augment", "augmentation"),
        "gain_db": ("gain", "volume", "gain_augmentation"),
        "peak": ("normalize", "normalise", "peak_normalize"),
    }

    train: str | None = None
    valid: str | None = None
    feature_dir: str | None = None
    features: Literal["computed", "predicted"] = "computed"
    mels: Literal["loader", "device"] = "loader"
    segment_length: int = Field(default=7680, gt=0)
    batch_size: int = Field(default=16, gt=0)
    total_batch_size: int | None = Field(default=None, gt=0)
    shorter: Literal["pad", "drop"] = "pad"
    resample: bool = False
    in_memory: bool = False
    num_workers: int = Field(default=2, ge=0)
    open_shards: int = Field(default=16, gt=0)
    shards_at: str | None = None
    weighting: Literal["utterance", "duration"] = "utterance"
    balance_speakers: bool = False
    pause_seconds: tuple[float, float] | None = None
    peak: float | None = Field(default=None, gt=0, le=1)
    gain_db: tuple[float, float] | None = None
    degrade: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)

    @property
    def train_directory(self) -> str:
        """The data directory of the training set; raises :class:`ConfigError` if none is set."""
        if self.train is None:
            raise ConfigError("data.train is not set; expected the data directory of the training set")
        return self.train

    def items_per_process(self, num_processes: int) -> int:
        """Return the segments in a batch of one process.

        Raises:
            ConfigError: if the processes cannot have equal shares of the total.
        """
        if self.total_batch_size is None:
            return self.batch_size
        if self.total_batch_size % num_processes:
            raise ConfigError(
                f"data.total_batch_size {self.total_batch_size} for {num_processes} processes; expected a multiple"
            )
        return self.total_batch_size // num_processes

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.gain_db is not None and self.gain_db[0] > self.gain_db[1]:
            raise ValueError(f"gain_db {list(self.gain_db)}; expected the lower gain first")
        if self.pause_seconds is not None and not 0 <= self.pause_seconds[0] <= self.pause_seconds[1] < float("inf"):
            raise ValueError(f"pause_seconds {list(self.pause_seconds)}; expected 0 or more, the shorter first")
        if self.features == "predicted" and (self.peak is not None or self.gain_db is not None):
            raise ValueError("peak and gain_db change the audio under its predicted features; leave both out")
        if self.mels == "device" and (self.features == "predicted" or self.degrade):
            raise ValueError("mels: device computes them of audio, unchanged; leave out predicted features and degrade")
        if self.features == "predicted" and self.degrade:
            raise ValueError("degrade imitates predicted features, and these are predicted; leave it out")
        return self

"""The front end of a model in one object, for data sets, training and commands."""

from dataclasses import dataclass

from vocoders.core.config import Config
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.mel import MelConfig

__all__ = ["FrontEnd", "MelModelConfig", "ModelConfig"]


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Features that a model takes from audio.

    Attributes:
        sample_rate: in Hz.
        mel: the features; ``None``: the model takes audio itself.
        embedding: the features are no mels, although they have the shape of ``mel``: the embeddings of an audio codec.
        f0: pitch tracker of a model with F0.
        labels: labels of the model; the text of each training utterance is one of them.
    """

    sample_rate: int
    mel: MelConfig | None = None
    embedding: bool = False
    f0: F0Config | None = None
    labels: tuple[str, ...] = ()

    @property
    def hop_length(self) -> int:
        """Samples per frame; without features one frame is one sample."""
        return 1 if self.mel is None else self.mel.hop_length

    @property
    def fingerprint(self) -> str:
        """The front end in one line: models with equal lines take the same input."""
        return f"audio {self.sample_rate} Hz" if self.mel is None else self.mel.fingerprint


class ModelConfig(Config):
    """Configuration of a model that can be trained."""

    @property
    def front_end(self) -> FrontEnd:
        """The front end of the model; every family defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define its front_end")


class MelModelConfig(ModelConfig):
    """Configuration of a vocoder.

    Attributes:
        mel: conditioning mel; it also defines sample rate, hop length and number of input channels.
    """

    mel: MelConfig

    @property
    def front_end(self) -> FrontEnd:
        """The mel."""
        return FrontEnd(sample_rate=self.sample_rate, mel=self.mel)

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.mel.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self.mel.hop_length

    @property
    def in_channels(self) -> int:
        """Channels of the features."""
        return self.mel.n_mels

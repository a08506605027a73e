"""A set of discriminators, chosen by name."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from recipes.discriminators.discriminator import Discriminator
from recipes.discriminators.multi_stft import MultiSTFTDiscriminator
from recipes.discriminators.period import MultiPeriodDiscriminator
from recipes.discriminators.resolution import MultiResolutionDiscriminator
from recipes.discriminators.sub_band_cqt import SubBandCQTDiscriminator
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import Registry

__all__ = ["DISCRIMINATORS", "DiscriminatorUnion"]

DISCRIMINATORS: Registry[type[Discriminator]] = Registry(
    "discriminator",
    "ondes.discriminators",
    {
        "mpd": MultiPeriodDiscriminator,
        "mrd": MultiResolutionDiscriminator,
        "ms_sb_cqt": SubBandCQTDiscriminator,
        "ms_stft": MultiSTFTDiscriminator,
    },
    Discriminator,
    is_class=True,
)


class DiscriminatorUnion(nn.ModuleDict):
    """Discriminators by name, evaluated in the order given.

    Args:
        terms: for each discriminator name its options; an empty mapping means the published ones.
        sample_rate: of the audio in Hz, for discriminators that have such an option and were not given it.

    Raises:
        ConfigError: for an unknown name or option, or no discriminator at all.

    Shape:
        (B, 1, T) -> all scores, all feature maps.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Any] | None], sample_rate: int | None = None) -> None:
        super().__init__()
        if not terms:
            raise ConfigError(f"no discriminator given; known discriminators: {', '.join(DISCRIMINATORS)}")
        for name, options in terms.items():
            with DISCRIMINATORS.running(name):
                self[name] = _make(DISCRIMINATORS.find(name), name, options or {}, sample_rate)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the scores and the feature maps of all discriminators."""
        scores, features = [], []
        for discriminator in self.values():
            new_scores, new_features = discriminator(audio)
            scores += new_scores
            features += new_features
        return scores, features


def _make(cls: type[Discriminator], name: str, given: Mapping[str, Any], sample_rate: int | None) -> Discriminator:
    options = cls.Options.from_dict(given, f"discriminator '{name}'")
    if sample_rate is not None and "sample_rate" in cls.Options.model_fields.keys() - options.model_fields_set:
        options = options.model_copy(update={"sample_rate": sample_rate})
    return cls(options)

"""Baselines from what stands after the colon of their name."""

from vocoders.baselines.griffin_lim import GriffinLim
from vocoders.baselines.mel_inversion import MelInversion
from vocoders.baselines.world import World
from vocoders.core.errors import ConfigError
from vocoders.frontends.mel import MEL_PRESETS, MelConfig

__all__ = ["griffin_lim", "mel_inversion", "world"]

_DEFAULT_MEL, _DEFAULT_RATE = "bigvgan_24k", 24000


def griffin_lim(details: str = "") -> GriffinLim:
    """Return Griffin-Lim from a mel preset, or from the mel of a model; by default the mel of BigVGAN at 24 kHz."""
    return GriffinLim(_find_mel(details))


def mel_inversion(details: str = "") -> MelInversion:
    """Return the inversion of a mel preset, or of the mel of a model; by default the mel of BigVGAN at 24 kHz."""
    return MelInversion(_find_mel(details))


def world(details: str = "") -> World:
    """Return WORLD at a sample rate in Hz; by default 24000."""
    if details and not (details.isdecimal() and 8000 <= int(details) <= 192000):
        raise ConfigError(f"'world:{details}': expected a sample rate from 8000 to 192000 Hz, such as world:48000")
    return World(int(details or _DEFAULT_RATE))


def _find_mel(name: str) -> MelConfig:
    from vocoders.registry import load_vocoder

    if not name or name in MEL_PRESETS:
        return MEL_PRESETS[name or _DEFAULT_MEL]
    try:
        mel = load_vocoder(name).mel
    except ConfigError:
        mel = None
    if mel is None:
        raise ConfigError(f"'{name}' is no model with a mel; give one, or a preset: {', '.join(MEL_PRESETS)}")
    return mel

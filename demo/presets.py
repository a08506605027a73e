"""Groups of effects, their titles in lists, and presets of their knobs."""

from collections.abc import Iterable

__all__ = ["GROUPS", "MORE", "PRESETS", "group_of", "groups_of", "title_of"]

MORE = "More"
GROUPS: dict[str, tuple[str, ...]] = {
    "Dynamics": (
        *("comp_4c", "comp_large", "comp"),
        *("pedalboard_compressor", "pedalboard_limiter", "pedalboard_noise_gate"),
    ),
    "EQ": (
        *("lowpass", "biquad_lowpass", "biquad_highpass", "biquad_bandpass", "biquad_notch", "biquad_allpass"),
        *("biquad_peak", "biquad_low_shelf", "biquad_high_shelf", "band", "pedalboard_ladder_filter"),
    ),
    "Drive": (
        *("overdrive", "cubic_overdrive", "distortion", "waveshaper", "contrast"),
        *("pedalboard_distortion", "pedalboard_clipping", "pedalboard_bitcrush"),
    ),
    "Modulation": ("phaser", "flanger", "pedalboard_chorus", "pedalboard_phaser"),
    "Echo": ("delay", "echo", "pedalboard_delay", "pedalboard_reverb"),
    "Level": ("gain", "offset", "denoise"),
}
"""Names of processors by group; others, and models without a processor, are in :data:`MORE`."""

_TITLES = {
    "comp_4c": "compressor",
    "comp_large": "compressor, wide ranges",
    "comp": "compressor, one time constant",
    "denoise": "noise (which models remove)",
    "offset": "DC offset",
}

PRESETS: dict[str, dict[str, dict[str, float]]] = {
    "comp_4c": {
        "gentle": {"threshold": -18, "ratio": 2, "attack": 0.02, "release": 0.04},
        "hard": {"threshold": -28, "ratio": 5, "attack": 0.001, "release": 0.02},
        "only peaks": {"threshold": -9, "ratio": 4, "attack": 0.001, "release": 0.005},
    },
    "comp_large": {
        "gentle": {"threshold": -20, "ratio": 2},
        "pumping": {"threshold": -40, "ratio": 8},
    },
    "overdrive": {"clean edge": {"drive": 8, "tone": 3}, "full": {"drive": 34, "tone": -2, "level": -6}},
    "distortion": {"warm": {"drive": 9}, "broken": {"drive": 32, "level": -9}},
    "biquad_peak": {
        "presence": {"frequency": 3000, "q": 0.9, "gain": 6},
        "less mud": {"frequency": 300, "q": 1.0, "gain": -8},
    },
    "biquad_low_shelf": {"warm": {"frequency": 150, "gain": 6}, "thin": {"frequency": 200, "gain": -12}},
    "biquad_high_shelf": {"air": {"frequency": 8000, "gain": 6}, "dark": {"frequency": 4000, "gain": -12}},
    "lowpass": {"dull radio": {"cutoff": 2000}, "next room": {"cutoff": 700}},
    "delay": {
        "slap": {"time": 0.09, "feedback": 0.1, "mix": 0.35},
        "dub": {"time": 0.375, "feedback": 0.6, "mix": 0.5},
    },
    "flanger": {"slow": {"speed": 0.2}, "fast": {"speed": 2.0}},
    "phaser": {"slow": {"speed": 0.3}, "fast": {"speed": 1.8}},
}
"""Values of knobs by processor and preset; other knobs have their defaults."""


def group_of(effect: str) -> str:
    """Return the group of an effect."""
    return next((group for group, names in GROUPS.items() if effect in names), MORE)


def groups_of(effects: Iterable[str]) -> list[str]:
    """Return the groups of effects, in the order of the page."""
    found = {group_of(effect) for effect in effects}
    return [group for group in (*GROUPS, MORE) if group in found]


def title_of(effect: str) -> str:
    """Return the text of an effect in lists."""
    return _TITLES.get(effect, effect.replace("biquad_", "").replace("_", " "))

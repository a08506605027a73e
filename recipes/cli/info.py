"""`ondes info`: facts about an audio file, a feature file or a model."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from recipes.cli.printing import say_json, say_text

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("info")(_info)


def _info(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|MODEL",
            help="Audio or features (.npy, .npz), or a model: shipped name, folder, hub id or capture (.nam ...).",
            show_default=False,
        ),
    ],
    verify: Annotated[bool, typer.Option("--verify", help="Replay the stored reference of a model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show facts about an audio file, a feature file, a model or a capture.

    Example: ondes info wavehax-24k --verify
    """
    from effects.captures.names import is_capture
    from vocoders.core.audio import AUDIO_SUFFIXES
    from vocoders.core.feature_files import FEATURE_SUFFIXES
    from vocoders.core.model_advice import CHECKPOINT_SUFFIXES
    from vocoders.core.model_source import MODEL_FILES

    path = Path(target).expanduser()
    suffix = path.suffix.lower()
    is_file = path.is_file() and path.name not in MODEL_FILES
    if suffix in FEATURE_SUFFIXES and suffix not in CHECKPOINT_SUFFIXES:
        facts = _describe_features(path)
    elif is_capture(target):
        facts = _describe_capture(path, verify)
    elif (is_file and suffix not in CHECKPOINT_SUFFIXES) or (suffix in AUDIO_SUFFIXES and not path.exists()):
        facts = _describe_audio(path)
    else:
        facts = _describe_model(target, verify)
    if as_json:
        say_json(facts, indent=2)
    else:
        _show(facts)


def _describe_audio(path: Path) -> dict[str, Any]:
    from vocoders.core.audio import audio_info, read_audio

    info = audio_info(path)
    audio, _ = read_audio(path)
    level = audio.double()
    return {
        "path": str(path),
        "format": info.format,
        "subtype": info.subtype,
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "frames": info.frames,
        "seconds": round(info.duration, 6),
        "peak_db": _decibels(float(level.abs().max())),
        "rms_db": _decibels(float(level.square().mean().sqrt())),
        "dc": round(float(level.mean()), 6),
        "full_scale_samples": int((level.abs() >= 1 - 2**-15).sum()),
    }


def _decibels(amplitude: float) -> float | None:
    """Return dB relative to full scale; ``None`` for silence (JSON has no infinity)."""
    return round(20 * math.log10(amplitude), 2) if amplitude > 0 else None


def _describe_features(path: Path) -> dict[str, Any]:
    import torch

    from vocoders.core.feature_files import read_feature_file
    from vocoders.frontends.convention_presets import MEL_CONVENTIONS
    from vocoders.frontends.plausibility import describe_values, fitting_conventions

    found = read_feature_file(path)
    features = torch.from_numpy(found.features.astype("float32"))
    conventions = fitting_conventions(features) if bool(torch.isfinite(features).all()) else []
    bands = [MEL_CONVENTIONS[name].mel.n_mels for name in conventions]
    # Some programs store frames first, which shows where a convention fits the second axis alone.
    bins, frames = features.T.shape if bands and features.shape[0] not in bands else features.shape
    facts: dict[str, Any] = {"path": str(path), "bins": bins, "frames": frames}
    facts |= {"min": float(features.min()), "max": float(features.max())}
    if bool(torch.isfinite(features).all()):
        facts |= {"looks_like": describe_values(features), "mel_could_be": conventions}
    if found.f0 is not None:
        voiced = found.f0[found.f0 > 0]
        facts["voiced_frames"] = len(voiced)
        facts |= {"f0_min": float(voiced.min()), "f0_max": float(voiced.max())} if len(voiced) else {}
    return facts | {"fingerprint": found.fingerprint}


def _describe_capture(path: Path, verify: bool) -> dict[str, Any]:
    from effects.captures.reading import open_capture

    model = open_capture(path, verify=verify)
    assert model.capture is not None
    facts: dict[str, Any] = {"path": str(path), "family": model.family, "kind": "effect"}
    facts |= {"sample_rate": model.sample_rate, "parameters": sum(each.numel() for each in model.parameters())}
    if model.receptive_field is not None:
        facts["receptive_field"] = model.receptive_field
    facts["knobs"] = {knob.name: knob.range_text for knob in model.knobs.knobs}
    return facts | model.capture.facts() | {"verified": True if verify else None, "config": model.config.to_dict()}


def _describe_model(source: str, verify: bool) -> dict[str, Any]:
    from effects.models import EffectModel
    from recipes.families import load
    from vocoders.core.card import read_card
    from vocoders.core.model_source import read_model_config, resolve_model
    from vocoders.interface import System, Vocoder, WaveformGenerator

    folder = resolve_model(source)
    file, card = read_model_config(folder), read_card(folder)
    model = load(folder, verify=verify)
    config = model.config.to_dict()
    facts: dict[str, Any] = {
        "path": str(folder),
        "family": file.family,
        "ondes": file.version,
        "license": str(card.get("license", "unknown")),
        "description": str(card.get("description", "")),
        "sample_rate": model.sample_rate,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    if isinstance(model, Vocoder) and model.kind == "vocoder":
        facts |= {"hop_length": model.hop_length, "uses_f0": model.uses_f0}
    if isinstance(model, WaveformGenerator) and model.labels:
        facts["labels"] = list(model.labels)
    if isinstance(model, System):
        facts |= {"kind": model.kind, "fingerprint": model.fingerprint, "options": model.default_options.to_dict()}
    if isinstance(model, EffectModel):
        facts |= {"kind": "effect", "knobs": {knob.name: knob.range_text for knob in model.knobs.knobs}}
    return facts | {"verified": True if verify else None, "config": config}


def _show(facts: dict[str, Any]) -> None:
    import yaml

    known = {name: value for name, value in facts.items() if value is not None}
    say_text(yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=10_000))

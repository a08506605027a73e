"""The commands and the Python lines that make the sounds of a tab."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from demo.library import Entry
from demo.players import About

__all__ = ["effect_about", "generate_about", "model_argument", "vocode_about"]

_IMPORTS = ["from vocoders import load", "from vocoders.core.audio import read_audio, resample, write_audio", ""]


def model_argument(entry: Entry) -> str:
    """Return what names a model in commands; paths of the server are not shown."""
    return entry.name if entry.is_shipped else f"path/to/{entry.name}"


def vocode_about(entries: Sequence[Entry], options: Mapping[str, Any], seed: int, link: Mapping[str, str]) -> About:
    """Return how to copy ``clip.wav`` by vocoders; options belong to the first of them."""
    shell: list[str] = []
    python = [*_IMPORTS, 'clip, rate = read_audio("clip.wav")']
    for entry in entries:
        name = model_argument(entry)
        own = _typed(entry, options) if entry is entries[0] else {}
        changes = "".join(f", {key}={value!r}" for key, value in own.items())
        python += [
            f"vocoder = load({name!r})",
            "audio = resample(clip.mean(0, keepdim=True), rate, vocoder.sample_rate)",
            f"result = vocoder.copy_synthesis(audio, seed={seed}{changes})",
            f'write_audio("{entry.name}.wav", result[0], vocoder.sample_rate)',
        ]
        how = ["-m", name, "--seed", seed, "--resample", *_flags(own)]
        shell.append(_command("synth", "clip.wav", "-o", f"{entry.name}.wav", *how))
    settings = {"vocoders": [entry.name for entry in entries], "options": dict(options), "seed": seed}
    return About("\n".join(shell), "\n".join(python), settings, link)


def generate_about(
    entry: Entry,
    seconds: float,
    seeds: Sequence[int],
    label: str | None,
    options: Mapping[str, Any],
    prompt: float | None,
    link: Mapping[str, str],
) -> About:
    """Return how to draw the samples of ``seeds``, after the last ``prompt`` seconds of ``prompt.wav``."""
    name, shell, options = model_argument(entry), [], _typed(entry, options)
    changes = "".join(f", {key}={value!r}" for key, value in options.items())
    changes += f", label={label!r}" if label else ""
    python = [
        "from vocoders import load",
        "from vocoders.core.audio import read_audio, resample, write_audio",
        "",
        f"generator = load({name!r})",
    ]
    if prompt is not None:
        python += [
            'clip, rate = read_audio("prompt.wav")',
            "prompt = resample(clip.mean(0, keepdim=True), rate, generator.sample_rate)",
            f"prompt = prompt[0, -round({prompt} * generator.sample_rate) :]",
        ]
        changes += ", prompt=prompt"
        shell.append(f"# prompt.wav contains the last {prompt:g} s of the clip")
    for seed in seeds:
        python.append(f"drawn = generator.generate(round({seconds} * generator.sample_rate), seed={seed}{changes})")
        python.append(f'write_audio("{seed}.wav", drawn.audio[0], generator.sample_rate)')
        more = ["--label", label] if label else []
        more += ["--prompt", "prompt.wav"] if prompt is not None else []
        shell.append(
            _command(
                "generate",
                "-o",
                f"{seed}.wav",
                "-m",
                name,
                "--seconds",
                seconds,
                "--seed",
                seed,
                *more,
                *_flags(options),
            )
        )
    settings = {"model": entry.name, "seconds": seconds, "seeds": list(seeds), "label": label, "options": dict(options)}
    return About("\n".join(shell), "\n".join(python), settings | {"seconds of the prompt": prompt}, link)


def effect_about(effect: str | None, model: str | None, knobs: Mapping[str, float], link: Mapping[str, str]) -> About:
    """Return how to play ``clip.wav`` through a processor and a learned effect, or one of them."""
    values = {name: round(float(value), 6) for name, value in knobs.items()}
    flags = [part for name, value in values.items() for part in ("-k", f"{name}={value:g}")]
    shell, python = [], ["from vocoders.core.audio import read_audio, write_audio"]
    if effect is not None:
        shell.append(_command("effect", "clip.wav", "-o", f"{effect}.wav", "--processor", effect, *flags))
        python.append("from effects.processors import find_processor")
    if model is not None:
        shell.append(_command("effect", "clip.wav", "-o", "learned.wav", "-m", model, *flags))
        python += ["from effects import load", "from effects.engine import render"]
    python += ["", 'clip, rate = read_audio("clip.wav")', f"knobs = {values!r}"]
    if effect is not None:
        python += [
            f"wet, _ = find_processor({effect!r}).process(clip[None], knobs, rate)",
            f'write_audio("{effect}.wav", wet[0], rate)',
        ]
    if model is not None:
        python += [f'write_audio("learned.wav", render(load({model!r}), clip, rate, knobs), rate)']
    settings = {"effect": effect, "model": model, "knobs": values}
    return About("\n".join(shell), "\n".join(python), settings, link)


def _typed(entry: Entry, options: Mapping[str, Any]) -> dict[str, Any]:
    declared = {option.name: option for option in entry.declared}
    given = {name: value for name, value in options.items() if value is not None and value != ""}
    return {
        name: declared[name].parse(x) if isinstance(x, str) and name in declared else x for name, x in given.items()
    }


def _command(name: str, *parts: object) -> str:
    return shlex.join(["ondes", name, *(str(part) for part in parts)])


def _flags(options: Mapping[str, Any]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", _text(value))]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)

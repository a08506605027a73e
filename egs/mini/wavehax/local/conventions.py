"""Invert mels of any convention with librosa alone, and put the measures of conventions into one table."""

import argparse
import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch

from vocoders.core.audio import write_audio
from vocoders.frontends.convention_presets import MEL_CONVENTIONS, find_convention
from vocoders.frontends.mel import LogMel, from_logarithm

ITERATIONS = 60
METRICS = {"pesq": "PESQ-wb ↑", "mstft": "M-STFT ↓", "dnsmos_p808": "P.808 ↑"}


def invert(features: Path, output: Path, preset: str) -> None:
    """Write waveforms by non-negative least squares and Griffin-Lim (librosa.util.nnls, librosa.griffinlim)."""
    convention = find_convention(preset)
    mel, basis = convention.mel, LogMel(convention.mel).basis.numpy()
    for path in sorted(features.rglob("*.npy")):
        log_mel = convention.to_log_mel(np.load(path))[0]
        wanted = from_logarithm(log_mel, mel.log).numpy()
        magnitude = librosa.util.nnls(basis, wanted) ** (1 / mel.power)
        # librosa centres frame n at n hops, and has one frame more; those of "same" padding lie half a hop later.
        same = mel.padding.startswith("same")
        audio = librosa.griffinlim(
            np.pad(magnitude, ((0, 0), (int(same), 1)), mode="edge"),
            n_iter=ITERATIONS,
            hop_length=mel.hop_length,
            win_length=mel.window_length,
            n_fft=mel.n_fft,
            random_state=0,
        )
        start = mel.hop_length // 2 if same else 0
        audio = audio[start : start + wanted.shape[1] * mel.hop_length]
        audio = librosa.effects.deemphasis(audio, coef=convention.preemphasis) if convention.preemphasis else audio
        target = output / path.relative_to(features).with_suffix(".wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_audio(target, torch.from_numpy(audio.astype(np.float32))[None], mel.sample_rate)


def table(output: Path) -> None:
    """Write a table of all that was measured in a folder, and one result of all for the tables of pages."""
    names = [name for name in ("native", *MEL_CONVENTIONS) if (output / f"{name}.json").exists()]
    found = {name: json.loads((output / f"{name}.json").read_text()) for name in names}
    clips = len({each["utt_id"] for result in found.values() for each in result["files"]})
    lines = [
        f"{clips} recordings. The first value of a pair is that of the default vocoder, the second that of librosa's",
        f"non-negative inversion of the same mel and {ITERATIONS} iterations of Griffin-Lim, at the rate of the mel.",
        "",
        f"| features | kHz | bands (Hz) | {' | '.join(METRICS.values())} |",
        f"| --- | ---: | --- |{' ---: |' * len(METRICS)}",
    ]
    for name, result in found.items():
        systems = result["systems"]
        for label, order in _rows(name, systems):
            cells = [" / ".join(f"{systems[each][key]['mean']:.2f}" for each in order) for key in METRICS]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    (output / "RESULTS.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (output / "conventions.json").write_text(json.dumps(_merged(found), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _merged(found: dict[str, Any]) -> dict[str, Any]:
    """Return the results of all conventions as one of `ondes evaluate`, whose systems have the names of conventions."""
    merged = {**next(iter(found.values())), "systems": {}, "files": [], "problems": []}
    for name, result in found.items():
        own = {"natural": "recordings", "vocoder": name, "inversion": f"{name}, librosa"}
        own |= {"vocoder": "the vocoder's own mel"} if name == "native" else {}
        merged["systems"] |= {own[system]: means for system, means in result["systems"].items()}
        for key in ("files", "problems"):
            merged[key] += [{**each, "system": own[each["system"]]} for each in result[key]]
    for key in ("audio_minutes", "wall_seconds"):
        merged[key] = round(sum(result[key] for result in found.values()), 3)
    return merged


def _rows(name: str, systems: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the first cells of rows, and the systems whose means follow."""
    if name == "native":
        return [("recordings | | ", ["natural"]), ("the vocoder's own | | ", ["vocoder"])]
    mel = MEL_CONVENTIONS[name].mel
    label = f"{name} | {mel.sample_rate / 1000:g} | {mel.n_mels}, {mel.fmin:g} to {mel.top_frequency:g}"
    return [(label, [each for each in ("vocoder", "inversion") if each in systems])]


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    inversion = commands.add_parser("invert", help="features to waveforms")
    inversion.add_argument("features", type=Path)
    inversion.add_argument("output", type=Path)
    inversion.add_argument("--mel", required=True, help="preset or YAML file")
    commands.add_parser("table", help="JSON files to RESULTS.md").add_argument("output", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "invert":
        invert(arguments.features, arguments.output, arguments.mel)
    else:
        table(arguments.output)


if __name__ == "__main__":
    main()

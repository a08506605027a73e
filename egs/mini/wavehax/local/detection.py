"""Detect the convention of mels of all presets, as they are and after what programs do to them; write a table.

Each preset meets every recording once, and the forms take turns.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from vocoders.core.audio import read_audio
from vocoders.core.errors import DataError
from vocoders.core.resampling import resample
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_detection import Detection, detect_convention

# What no form hides. A normalisation of each band hides the norm of the filters.
ANALYSIS = (
    "sample_rate",
    "n_fft",
    "window_length",
    "hop_length",
    "n_mels",
    "fmin",
    "top_frequency",
    "power",
    "padding",
)
SECONDS, OTHERS = 3.0, 4

Form = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A change of features (F, n_mels), given those of other recordings (N, n_mels)."""

FORMS: dict[str, Form] = {
    "as they are": lambda values, others: values,
    "float16": lambda values, others: values.astype(np.float16),
    "16-bit integers over their range": lambda values, others: np.round(_unit(values, values) * 65535) / 65535,
    "z-score of each band, float16": lambda values, others: _z_score(values, others).astype(np.float16),
    "0..1 by the range of other recordings": lambda values, others: _unit(values, others),
}
UNCHANGED = ("as they are", "float16")


def _unit(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (values - others.min()) / (others.max() - others.min())


def _z_score(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (values - others.mean(axis=0)) / (others.std(axis=0) + 1e-3)


def distinct() -> list[str]:
    """Return the names of presets, one of each that have equal numbers."""
    found: dict[str, MelConvention] = {}
    for name, convention in MEL_CONVENTIONS.items():
        if convention.fingerprint not in {each.fingerprint for each in found.values()}:
            found[name] = convention
    return list(found)


def features(convention: MelConvention, path: Path) -> np.ndarray:
    """Return the features of a recording, (F, n_mels)."""
    audio, rate = read_audio(path, mono=True)
    audio = resample(audio[..., : round(SECONDS * rate)], rate, convention.mel.sample_rate)
    values = convention.analyze(audio)[0].numpy()
    return values.T if convention.layout == "bands_first" else values


def faults(found: Detection, name: str, form: str) -> list[str]:
    """Return what is wrong in an answer."""
    convention = MEL_CONVENTIONS[name]
    ours, theirs = found.convention.mel, convention.mel
    names = ANALYSIS if form.startswith("z-score") else (*ANALYSIS, "norm", "scale")
    wrong = [
        f"{key} {getattr(ours, key)}, not {getattr(theirs, key)}"
        for key in names
        if getattr(ours, key) != getattr(theirs, key)
    ]
    if found.convention.layout != convention.layout:
        wrong.append(f"layout {found.convention.layout}")
    if form in UNCHANGED and name not in found.presets:
        wrong.append(f"named {', '.join(found.presets) or 'nothing'}")
    return wrong


@dataclass
class Answers:
    """What was asked and answered so far."""

    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FORMS, 0))
    asked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FORMS, 0))
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def ask(self, name: str, clip: Path, form: str, others: np.ndarray) -> None:
        """Detect one convention, and keep the answer."""
        convention = MEL_CONVENTIONS[name]
        values = FORMS[form](features(convention, clip), others)
        audio, rate = read_audio(clip, mono=True)
        start = time.thread_time()
        try:
            values = values.T if convention.layout == "bands_first" else values
            found = faults(detect_convention(values, audio[..., : round(SECONDS * rate)], rate), name, form)
        except DataError as error:
            found = [str(error)]
        self.seconds.append(time.thread_time() - start)
        self.asked[form] += 1
        self.right[form] += not found
        if found:
            self.wrong.append(f"- {name}, {clip.stem}, {form}: {'; '.join(found)}")

    def write(self, path: Path) -> None:
        """Write the table, the time, and the wrong answers."""
        lines = ["| features | right | of |", "| --- | ---: | ---: |"]
        lines += [f"| {form} | {self.right[form]} | {self.asked[form]} |" for form in FORMS]
        lines += [f"| all | {sum(self.right.values())} | {sum(self.asked.values())} |", ""]
        times = f"median {median(self.seconds):.1f}, at most {max(self.seconds):.1f}"
        lines += [f"The first {SECONDS:g} s of each recording. CPU seconds of a call: {times}.", ""]
        lines += ["Wrong answers:", "", *self.wrong] if self.wrong else ["No answer is wrong."]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write a table of right answers, and a list of the wrong ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True, help="folder of .flac or .wav files")
    parser.add_argument("--statistics", type=Path, required=True, help="folder of other recordings")
    parser.add_argument("--clips", type=int, default=20, help="number of recordings")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    arguments = parser.parse_args()
    clips, others = (
        sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
        for folder in (arguments.recordings, arguments.statistics)
    )
    answers = Answers()
    for place, name in enumerate(distinct()):
        rest = np.concatenate([features(MEL_CONVENTIONS[name], path) for path in others[:OTHERS]])
        for number, clip in enumerate(clips[: arguments.clips]):
            answers.ask(name, clip, list(FORMS)[(number + place) % len(FORMS)], rest)
        answers.write(arguments.out)


if __name__ == "__main__":
    main()

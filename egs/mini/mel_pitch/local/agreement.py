"""Compare F0 from mels, and from trackers on a first inversion of the mel, with the teacher's F0 of the audio.

The teacher is a tracker with faults of its own, so a second table compares with the frames in which trackers of the
audio agree, and has the teacher beside the others.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.data.kaldi import KaldiDirectory
from recipes.data.reading import AudioReader
from recipes.data.text_files import write_texts
from vocoders import load_vocoder
from vocoders.core.measures import compare_f0
from vocoders.core.resampling import resample
from vocoders.frontends.f0 import extract_f0
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig
from vocoders.frontends.mel_conversion import interpolate_contour
from vocoders.frontends.mel_f0 import estimate_f0
from vocoders.frontends.mel_pitch import MelPitch

PRESETS = ("bigvgan_24k", "vocos_24k", "hifigan_22k", "espnet_24k", "wavehax_24k")
ITERATIONS = 8
# Trackers of the audio by vote, beside the teacher, and what they may differ by.
VOTERS = ("swift", "pyin")
NEAR = 0.2
# Noise relative to speech, in dB.
NOISE_DB = -50.0


def from_mel(mel: MelConfig, estimator: MelPitch) -> Callable[[Tensor], np.ndarray]:
    """Return a function from audio (T,) to F0 at the teacher's frames, by way of a mel."""
    own, front_end = estimator.config.mel, LogMel(mel)

    def track(audio: Tensor) -> np.ndarray:
        features = front_end(resample(audio, own.sample_rate, mel.sample_rate)[None])
        f0 = estimate_f0(features, mel, 0.5, estimator)
        frames = (torch.arange(len(audio) // own.hop_length) + 0.5) * own.hop_length / own.sample_rate
        return interpolate_contour(f0, frames * mel.sample_rate / mel.hop_length - 0.5).flatten().numpy()

    return track


def on_inversion(estimator: MelPitch, tracker: F0Config) -> Callable[[Tensor], np.ndarray]:
    """Return a function from audio (T,) to F0 that a tracker finds in a first inversion of the estimator's mel."""
    mel = estimator.config.mel
    front_end = LogMel(mel)
    # Griffin-Lim with the mel of the shipped vocoder, which is that of the estimator.
    vocoder = load_vocoder("griffin-lim:wavehax-24k")
    if vocoder.mel != mel:
        raise SystemExit(f"the shipped vocoder has the mel {vocoder.fingerprint}; expected {mel.fingerprint}")

    def track(audio: Tensor) -> np.ndarray:
        inverted = vocoder.synthesize(front_end(audio[None]), iterations=ITERATIONS).flatten()
        return extract_f0(inverted, mel.sample_rate, mel.hop_length, tracker)

    return track


def with_noise(mel: MelConfig, tracker: F0Config) -> Callable[[Tensor], np.ndarray]:
    """Return a function from audio (T,) to F0 of the audio with soft white noise: how sure the tracker is of itself."""

    def track(audio: Tensor) -> np.ndarray:
        noise = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0))
        level = audio.square().mean().sqrt() * 10 ** (NOISE_DB / 20)
        return extract_f0(audio + level * noise, mel.sample_rate, mel.hop_length, tracker)

    return track


def by_vote(contours: list[np.ndarray]) -> np.ndarray:
    """Return the F0 (F,) in which the first contour that agrees with another one has it, 0 where no two agree."""
    voted = np.zeros_like(contours[0])
    for place, first in enumerate(contours):
        for second in contours[place + 1 :]:
            voted = np.where((voted == 0) & near(first, second), first, voted)
    return voted


def near(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return where both are voiced and differ by at most :data:`NEAR`."""
    both = (first > 0) & (second > 0)
    return both & (np.abs(first / np.where(both, second, 1.0) - 1) <= NEAR)


def votes_table(tracks: dict[str, np.ndarray], contours: list[np.ndarray]) -> list[str]:
    """Return the lines of a table of tracks against what trackers of the audio agree on."""
    voted = by_vote(contours)
    heard, silent = voted > 0, np.all([contour == 0 for contour in contours], axis=0)
    lines = [
        "| system | unvoiced where they agree | gross errors there | cents there | voiced where none is |",
        "|---|---|---|---|---|",
    ]
    for name, track in tracks.items():
        found = heard & (track > 0)
        gross, missed = found & ~near(track, voted), heard & (track == 0)
        cents = np.median(np.abs(1200 * np.log2(track[found] / voted[found])))
        lines.append(
            f"| {name} | {100 * missed.sum() / heard.sum():.1f} % | {100 * gross.sum() / found.sum():.2f} % | "
            f"{cents:.1f} | {100 * (silent & (track > 0)).sum() / silent.sum():.0f} % |"
        )
    share, none = 100 * heard.mean(), 100 * silent.mean()
    return [f"They agree in {share:.0f} % of the frames, and none is voiced in {none:.0f} %.", "", *lines]


def extract_all(clips: list[Tensor], mel: MelConfig, tracker: F0Config) -> np.ndarray:
    """Return the F0 of all clips in one array."""
    return np.concatenate([extract_f0(clip, mel.sample_rate, mel.hop_length, tracker) for clip in clips])


def main() -> None:
    """Write a table of agreement with the teacher, and one of agreement with several trackers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the estimator's model folder")
    parser.add_argument("--data", type=Path, required=True, help="data directory of the test set")
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    arguments = parser.parse_args()
    estimator = MelPitch.from_pretrained(arguments.model)
    mel, teacher = estimator.config.mel, estimator.config.f0
    reader = AudioReader(KaldiDirectory.read(arguments.data).utterances, mel.sample_rate, resample=True)
    clips = [torch.from_numpy(reader.read(index)) for index in range(len(reader.utterances))]
    reference = extract_all(clips, mel, teacher)
    systems = {"mel of the estimator": from_mel(mel, estimator)}
    systems |= {f"mel {name}": from_mel(MEL_PRESETS[name], estimator) for name in PRESETS}
    for tracker in (teacher, teacher.by("dio")):
        systems[f"{tracker.method} on Griffin-Lim ({ITERATIONS} iterations)"] = on_inversion(estimator, tracker)
    systems[f"{teacher.method} on the audio with noise of {NOISE_DB:g} dB"] = with_noise(mel, teacher)
    systems["dio with StoneMask on the audio"] = lambda clip: extract_f0(
        clip, mel.sample_rate, mel.hop_length, teacher.by("dio")
    )
    lines = [
        f"# Agreement with {teacher.method} on the audio",
        "",
        f"{len(clips)} utterances of {arguments.data.name}, {len(reference)} frames. Gross errors are frames"
        " voiced in both whose F0 differs by more than 20 %; cents are the median difference. Time is that of one CPU "
        "thread for a second of audio, with the mel and its conversion.",
        "",
        "| system | F1 of voicing | gross errors | cents | seconds per second |",
        "|---|---|---|---|---|",
    ]
    tracks = {teacher.method: reference}
    for name, track in systems.items():
        started = time.thread_time()
        estimates = [track(clip) for clip in clips]
        cost = (time.thread_time() - started) * mel.sample_rate / sum(map(len, clips))
        tracks[name] = np.concatenate(estimates)
        found = compare_f0(tracks[name], reference)
        lines.append(
            f"| {name} | {found.voicing_f1:.3f} | {100 * found.gross_error:.2f} % | {found.median_cents:.1f} | "
            f"{cost:.4f} |"
        )
    voters = [extract_all(clips, mel, teacher.by(method)) for method in VOTERS]
    names = ", ".join((teacher.method, *VOTERS))
    lines += ["", f"## Agreement with trackers of the audio by vote ({names})", "", *votes_table(
        tracks | dict(zip(VOTERS, voters, strict=True)), [reference, *voters]
    )]  # fmt: skip
    write_texts(arguments.out.parent, {arguments.out.name: "\n".join(lines) + "\n"})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

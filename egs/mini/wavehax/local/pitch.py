"""Measure whether vocoders obey F0: scale it, and track the F0 of the output.

One utterance of each speaker is synthesised with several factors on F0. A voiced frame is right if Harvest finds the
wanted F0 within a tenth of an octave. The table shows the share of right frames: the mean over voices for each factor,
and the mean and the worst case over voices and factors.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from recipes.data.kaldi import KaldiDirectory, Utterance, speakers_of
from recipes.data.reading import read_utterance
from recipes.data.text_files import write_texts
from vocoders.frontends.f0 import extract_f0
from vocoders.frontends.f0_config import F0Config
from vocoders.interface import Vocoder
from vocoders.registry import load_vocoder

HOP_SECONDS = 0.01
GIVEN = F0Config(f0_min=55, f0_max=800, alignment="frame_center")
# Below and above what the factors make of speech.
FOUND = F0Config(f0_min=40, f0_max=1600, alignment="frame_center")
TOLERANCE = 0.1


def track(audio: np.ndarray, sample_rate: int, config: F0Config) -> np.ndarray:
    """Return the F0 (F,) of audio (T,) in Hz."""
    return extract_f0(audio.astype(np.float64), sample_rate, round(HOP_SECONDS * sample_rate), config)


def share_of_right_frames(vocoder: Vocoder, audio: np.ndarray, scales: list[float]) -> list[float]:
    """Return the share of right frames of one voice for each factor."""
    rate, shares = vocoder.sample_rate, []
    f0 = track(audio, rate, GIVEN)
    voiced = f0 > 0
    for scale in scales:
        output = vocoder.copy_synthesis(torch.from_numpy(audio), f0_scale=scale)[0, 0].cpu().numpy()
        found = track(output, rate, FOUND)[voiced]
        distance = np.abs(np.log2(np.maximum(found, 1) / (scale * f0[voiced])))
        shares.append(float((distance < TOLERANCE).mean()))
    return shares


def row(name: str, utterances: list[Utterance], seconds: float, scales: list[float]) -> str:
    """Return a row of the table for one vocoder."""
    vocoder, values = load_vocoder(name), []
    for utterance in utterances:
        samples = read_utterance(utterance, vocoder.sample_rate, resample=True)
        values.append(share_of_right_frames(vocoder, samples[: round(seconds * vocoder.sample_rate)], scales))
    shares = np.array(values)
    cells = [f"{share:.2f}" for share in (*shares.mean(0), shares.mean(), shares.min())]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="data directory of recordings")
    parser.add_argument("--models", default="wavehax-24k,world", help="vocoders with F0, separated by commas")
    parser.add_argument("--scales", default="0.6,0.8,1.25,1.5,1.9", help="factors on F0")
    parser.add_argument("--voices", type=int, default=10, help="number of speakers")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each clip")
    parser.add_argument("--out", type=Path, required=True, help="Markdown page to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    speakers = sorted(speakers_of(KaldiDirectory.read(options.data)).items())[: options.voices]
    utterances = [own[0] for _, own in speakers]
    scales = [float(scale) for scale in options.scales.split(",")]
    head = f"| system | {' | '.join(f'x {scale:g}' for scale in scales)} | mean | worst |\n"
    head += "|---|" + "---:|" * (len(scales) + 2) + "\n"
    rows = [row(name, utterances, options.seconds, scales) for name in options.models.split(",")]
    title = f"# Share of voiced frames at the wanted pitch, {len(utterances)} voices\n\n"
    write_texts(options.out.parent, {options.out.name: title + head + "\n".join(rows) + "\n"})


if __name__ == "__main__":
    main()

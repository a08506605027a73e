"""Train a small digit classifier on real speech, and show what it makes of real, generated and noise clips.

Log-mel spectrograms, levelled clip by clip, through three convolutions and a mean over time. The probability that it
gives the digit that was said, or asked for, says whether it recognises it; noise is asked for digits drawn by lot. Its
confidence (the probability of whatever digit it hears) says whether clips resemble any digit, and the spread of what it
hears, in bits, whether they are different ones.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes.data.kaldi import KaldiDirectory, Utterance
from recipes.data.reading import AudioReader
from recipes.data.text_files import write_texts
from vocoders.core.audio import read_audio
from vocoders.core.audio_formats import list_audio
from vocoders.frontends.mel import LogMel, MelConfig

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SAMPLE_RATE = 8000
MEL = MelConfig(sample_rate=SAMPLE_RATE, n_fft=256, hop_length=80, n_mels=40, fmin=60.0, fmax=3800.0)
FRAMES = 100


class DigitClassifier(nn.Module):
    """Log-mel (B, 40, F) to the logits of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        widths = [MEL.n_mels, 64, 64, 64]
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv1d(a, b, 5, padding=2), nn.BatchNorm1d(b), nn.ReLU(), nn.MaxPool1d(2))
            for a, b in zip(widths, widths[1:], strict=False)
        )
        self.head = nn.Linear(2 * widths[-1], len(DIGITS))

    def forward(self, x: Tensor) -> Tensor:
        """Classify a batch."""
        for conv in self.convs:
            x = conv(x)
        x = torch.cat([x.mean(-1), x.amax(-1)], dim=1)
        return self.head(F.dropout(x, 0.3, self.training))


def spectrum(audio: Tensor, front_end: LogMel) -> Tensor:
    """Return the levelled log-mel (40, 100) of the loudest second of audio (T,)."""
    length = FRAMES * MEL.hop_length
    audio = audio - audio.mean()
    if len(audio) > length:
        energy = F.avg_pool1d(audio.square()[None], length, stride=MEL.hop_length)[0]
        start = int(energy.argmax()) * MEL.hop_length
        audio = audio[start : start + length]
    audio = F.pad(audio, (0, length - len(audio)))
    mel = front_end(audio[None])[0]
    # 60 dB below the loudest point all is silence: rooms and microphones must not matter.
    return (mel - mel.max()).clamp(min=-7) / 3.5 + 1


def digit_of(utterance: Utterance) -> int:
    """Return the digit that an id such as ``seven-lucas_12`` begins with."""
    return DIGITS.index(utterance.utt_id.split("-")[0])


def load_set(path: str, front_end: LogMel) -> tuple[Tensor, Tensor]:
    """Return spectra (N, 40, 100) and digits (N,) of a data directory with ids such as ``seven-lucas_12``."""
    utterances = KaldiDirectory.read(path).utterances
    reader = AudioReader(utterances, SAMPLE_RATE)
    spectra = [spectrum(torch.from_numpy(np.array(reader.read(i))), front_end) for i in range(len(utterances))]
    return torch.stack(spectra), torch.tensor([digit_of(utterance) for utterance in utterances])


def shuffled(path: str, front_end: LogMel, milliseconds: int = 50) -> tuple[Tensor, Tensor]:
    """Return spectra and digits of real clips whose pieces of some milliseconds stand in random order: no words."""
    utterances = KaldiDirectory.read(path).utterances
    reader, generator = AudioReader(utterances, SAMPLE_RATE), torch.Generator().manual_seed(0)
    spectra, digits = [], []
    for index in range(0, len(utterances), max(1, len(utterances) // 200)):
        digits.append(digit_of(utterances[index]))
        pieces = torch.from_numpy(np.array(reader.read(index))).split(SAMPLE_RATE * milliseconds // 1000)
        order = torch.randperm(len(pieces), generator=generator).tolist()
        spectra.append(spectrum(torch.cat([pieces[place] for place in order]), front_end))
    return torch.stack(spectra), torch.tensor(digits)


def generated(folder: Path, front_end: LogMel) -> tuple[Tensor, Tensor | None]:
    """Return spectra of generated files and the digits that their names end with, as in ``sample-07-seven.wav``."""
    files = list_audio(folder)
    spectra = torch.stack([spectrum(read_audio(file, mono=True)[0][0], front_end) for file in files])
    words = [file.stem.split("-")[-1] for file in files]
    return spectra, torch.tensor([DIGITS.index(word) for word in words]) if set(words) <= set(DIGITS) else None


def train(x: Tensor, y: Tensor, epochs: int) -> DigitClassifier:
    """Train on spectra shifted in time and pitch at random."""
    torch.manual_seed(0)
    model = DigitClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.05)
    steps = epochs * (len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in range(steps):
        chosen = torch.randint(len(x), (64,))
        shift = (int(torch.randint(-2, 3, ())), int(torch.randint(-10, 11, ())))
        batch = torch.roll(x[chosen], shift, (1, 2)) * (0.9 + 0.2 * torch.rand(64, 1, 1))
        loss = F.cross_entropy(model(batch), y[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def describe(name: str, model: DigitClassifier, x: Tensor, y: Tensor | None = None) -> str:
    """Return a row: clips, accuracy, mean probability of the right digit, of any, and entropy of those heard."""
    with torch.inference_mode():
        probability = model(x).softmax(1)
    confidence, heard = probability.max(1)
    share = torch.bincount(heard, minlength=len(DIGITS)) / len(x)
    spread = abs(float((share * torch.log2(share.clamp(min=1e-12))).sum()))
    right = " | "
    if y is not None:
        share_right, of_right = (heard == y).float().mean(), probability.gather(1, y[:, None]).mean()
        right = f"{float(share_right):.3f} | {float(of_right):.3f}"
    return f"| {name} | {len(x)} | {right} | {float(confidence.mean()):.3f} | {spread:.2f} |"


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, help="data directory of the classifier's training")
    parser.add_argument("--test", required=True, help="data directory of real clips of other speakers")
    parser.add_argument("--generated", type=Path, help="folder of generated wav files")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True, help="Markdown page to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    front_end = LogMel(MEL)
    model = train(*load_set(options.train, front_end), options.epochs)
    x, y = load_set(options.test, front_end)
    generator = torch.Generator().manual_seed(0)
    length = FRAMES * MEL.hop_length
    white = torch.stack([spectrum(0.1 * torch.randn(length, generator=generator), front_end) for _ in range(100)])
    walks = 0.01 * torch.randn(100, length, generator=generator).cumsum(1)
    brown = torch.stack([spectrum(walk, front_end) for walk in walks])
    rows = [describe("real, speakers not in training", model, x, y)]
    if options.generated is not None:
        rows.append(describe("generated", model, *generated(options.generated, front_end)))
    rows.append(describe("real, pieces of 50 ms shuffled", model, *shuffled(options.test, front_end)))
    lots = torch.arange(100) % len(DIGITS)
    rows += [describe("white noise", model, white, lots), describe("brown noise", model, brown, lots)]
    head = "| clips | number | accuracy | probability of the right digit | confidence | digits heard (bits) |\n"
    head += "|---|---:|---:|---:|---:|---:|\n"
    write_texts(
        options.out.parent, {options.out.name: "# Digits that a classifier hears\n\n" + head + "\n".join(rows) + "\n"}
    )


if __name__ == "__main__":
    main()

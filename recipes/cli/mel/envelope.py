"""`ondes mel envelope`: the distribution of spectral envelopes that continues mels beyond their bands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say

if TYPE_CHECKING:
    from torch import Tensor

    from recipes.data.kaldi import KaldiDirectory

__all__ = ["register"]

# So that no voice and no recording dominates.
_SECONDS_PER_SPEAKER, _SECONDS_PER_UTTERANCE = 30.0, 6.0
_MARGIN = 0.1


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("envelope")(_envelope)


def _envelope(
    data: Annotated[Path, typer.Option("--data", help="Kaldi data directory of speech.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File to write (.safetensors).", show_default=False)
    ],
) -> None:
    """Measure the envelope of speech that fills what is beyond the bands of a mel.

    Example: ondes mel envelope --data data/train -o envelope.safetensors
    """
    from recipes.data.kaldi import KaldiDirectory
    from vocoders.frontends.speech_envelope import SpeechEnvelope

    directory = KaldiDirectory.read(data)
    audio = _balanced(directory)
    SpeechEnvelope.measure(audio).save(output)
    seconds = sum(len(item) for item in audio) / 24000
    say(f"{output}: {seconds:.0f} s of {len(directory.utterances)} utterances")


def _balanced(directory: "KaldiDirectory") -> "list[Tensor]":
    """Return audio at 24 kHz, not more than a limit of each speaker."""
    from dataclasses import replace

    import torch

    from recipes.data.reading import read_utterance, utterance_span
    from vocoders.frontends.speech_envelope import ENVELOPE_MEL

    rate = ENVELOPE_MEL.sample_rate
    left: dict[str, float] = {}
    pieces = []
    for utterance in directory.utterances:
        remaining = left.setdefault(utterance.speaker, _SECONDS_PER_SPEAKER)
        if remaining <= 0:
            continue
        seconds, span = min(remaining, _SECONDS_PER_UTTERANCE), utterance_span(utterance)
        # A little more than is used: the filter of resampling rings at the end of what it is given.
        beginning = min(span.length, round((seconds + _MARGIN) * span.sample_rate))
        samples = read_utterance(utterance, rate, True, replace(span, length=beginning))
        piece = samples[: round(seconds * rate)]
        if len(piece) >= ENVELOPE_MEL.hop_length:
            pieces.append(torch.as_tensor(piece, dtype=torch.float32).reshape(-1))
            left[utterance.speaker] -= len(piece) / rate
    return pieces

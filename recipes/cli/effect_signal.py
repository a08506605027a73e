"""`ondes effect-signal`: the signal that is played through a device to capture it."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.printing import say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("effect-signal")(_effect_signal)


def _effect_signal(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="WAV file to write.", show_default=False)],
    seconds: Annotated[float, typer.Option("--seconds", help="Length, from 29 s; the longer, the more music.")] = 190.0,
    rate: Annotated[int, typer.Option("--rate", help="Sample rate in Hz; players of captures expect 48000.")] = 48000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of noise and music.")] = 0,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace an existing file.")] = False,
) -> None:
    """Make the signal that is played through a device to capture it.

    Play it through the device, record the output at the same rate from the
    same moment on, and give both files to egs/template/capture.

    Example: ondes effect-signal signal.wav
    """
    import torch

    from recipes.data.effects.reamping import reamping_signal
    from vocoders.core.audio import write_audio

    audio = torch.from_numpy(reamping_signal(seconds, rate, seed)).float()
    write_audio(output, audio, rate, "PCM_24", overwrite=force)
    say(f"{output}: {seconds:g} s at {rate} Hz, 24 bits; blips at 10.5 and 11.5 s, the same 9 s at both ends")

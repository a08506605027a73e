"""`ondes try`: hear and measure a model on one clip, offline, without preparation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.declared import chosen_options, declared_command, given_options
from recipes.cli.printing import say
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["register"]

EXAMPLE = Path(__file__).resolve().parents[2] / "vocoders" / "examples" / "speech.flac"
_METRICS = ("pesq", "mstft", "mel_l1", "log_f0_rmse", "vuv_error", "level_difference")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("try", cls=declared_command("vocoder"))(_try)


def _try(
    context: typer.Context,
    audio: Annotated[
        Path | None, typer.Argument(metavar="AUDIO", help="Audio clip; default: the one that ships with ondes.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Shipped name, folder or hub id.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("out"),
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio.")] = 0,
    threads: ThreadsOption = None,
) -> None:
    """Hear and measure a vocoder on one clip.

    Writes the copy-synthesis, its reference and a picture of both. The clip
    is converted to the model's sample rate and to mono.

    Example: ondes try my_voice.wav
    """
    import time

    import torch

    from recipes.pictures import spectrogram_picture
    from vocoders.core.audio import read_audio, write_audio
    from vocoders.core.errors import MissingExtraError
    from vocoders.registry import default_vocoder, load_vocoder

    system = load_vocoder(model)
    options = chosen_options(system, model or default_vocoder(), given_options(context))
    source = audio or EXAMPLE
    reference, _ = read_audio(source, system.sample_rate, mono=True)
    started = time.perf_counter()
    result = system.synthesize(audio=reference, seed=seed, options=options)[0].cpu()
    seconds = time.perf_counter() - started
    reference = reference[:, : result.shape[-1]]

    name = source.stem
    written = {"reference": output / f"{name}.reference.wav", "result": output / f"{name}.wav"}
    write_audio(written["reference"], reference, system.sample_rate)
    write_audio(written["result"], result, system.sample_rate)
    picture = output / f"{name}.png"
    try:
        spectrogram_picture({"reference": reference, "copy-synthesis": result}, system.sample_rate, picture)
        drawn = str(picture)
    except MissingExtraError as error:
        drawn = f"not drawn: {error}"

    duration = result.shape[-1] / system.sample_rate
    say(f"{source.name}: {duration:.2f} s synthesised in {seconds:.2f} s ({torch.get_num_threads()} threads)")
    _show_metrics(reference, result, system.sample_rate)
    say(f"audio     {written['result']}")
    say(f"reference {written['reference']}")
    say(f"picture   {drawn}")


def _show_metrics(reference: "Tensor", result: "Tensor", sample_rate: int) -> None:
    from recipes.metrics.evaluation import measure
    from recipes.metrics.registry import create_metrics
    from vocoders.core.errors import MissingExtraError

    metrics = []
    for name in _METRICS:
        try:
            metrics += create_metrics([name])
        except MissingExtraError as error:
            say(f"not measured: {error}")
    values, errors = measure(reference, result, sample_rate, metrics)
    for metric in metrics:
        value = f"{values[metric.name]:9.3f}" if metric.name in values else f"  not measured: {errors[metric.name]}"
        say(metric.heading.ljust(32) + value)

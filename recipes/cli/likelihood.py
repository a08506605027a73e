"""`ondes likelihood`: bits per sample of an autoregressive model, beside simple models of the same codes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.checkpoint_option import CheckpointOption

if TYPE_CHECKING:
    from recipes.build import TrainedGenerator
    from recipes.data.waveforms import PieceDataset

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("likelihood")(_likelihood)


def _likelihood(
    exp: Annotated[Path, typer.Option("--exp", help="Folder of a training run.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Data directory to measure.", show_default=False)],
    train: Annotated[
        Path | None, typer.Option("--train", help="Where the simple models count codes; default: that of the run.")
    ] = None,
    checkpoint: CheckpointOption = "last",
    pieces: Annotated[
        int, typer.Option("--pieces", min=0, help="Cut into pieces of this many samples; 0: whole utterances.")
    ] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Utterances computed together.")] = 8,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file with every value.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Markdown page (RESULTS.md).")] = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the Markdown page, and name of the model.")] = "",
    note: Annotated[
        list[str] | None, typer.Option("--note", help="Line for the Markdown page; repeat for more.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, ... or auto.")] = "auto",
) -> None:
    """Bits per sample on DATA, with those of a histogram and of a Markov chain of order 1 of the training codes."""
    from recipes.build import restore_generator
    from recipes.data.loader import build_piece_dataset
    from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions
    from recipes.tasks.waveforms import LossValidator
    from vocoders.core.device import resolve_device
    from vocoders.core.errors import ConfigError

    trained = restore_generator(exp, checkpoint)
    if not hasattr(trained.model, "quantiser"):
        raise ConfigError(f"{exp}: a {trained.config.family} model gives no probabilities; expected one of codes")
    config = trained.config
    counted = train or config.data.train
    if counted is None:
        raise ConfigError(f"{exp}: the run names no training data; pass --train, a data directory")
    measured = build_piece_dataset(config.data, config.front_end, data, pieces or None)
    objective = LikelihoodObjective(LikelihoodOptions(), trained.model)
    model = trained.model.to(resolve_device(device))
    bits = {title or trained.config.family: LossValidator(measured, objective, batch).run(model, 0)["valid/bits"]}
    bits |= _simple_models(
        trained, build_piece_dataset(config.data, config.front_end, counted, pieces or None), measured
    )
    samples = sum(measured.length(number) for number in range(len(measured)))
    for name, value in bits.items():
        typer.echo(f"{name}: {value:.4f} bits per sample")
    if out is not None:
        document = {"bits_per_sample": bits, "data": str(data), "samples": samples, "step": trained.step}
        _write(out, json.dumps(document, indent=1) + "\n")
    if markdown is not None:
        facts = [f"{samples:,} samples of {data} ({len(measured)} sequences, each from silence); step {trained.step:,}"]
        facts.append(f"codes: {trained.model.fingerprint}; the simple models counted those of {counted}")
        _write(markdown, _page(title or "Likelihood", bits, [*facts, *(note or [])]))


def _simple_models(trained: "TrainedGenerator", train: "PieceDataset", test: "PieceDataset") -> dict[str, float]:
    from recipes.metrics.bits import HistogramModel, MarkovModel, bits_per_code

    quantiser = trained.model.quantiser

    def codes(dataset: "PieceDataset") -> list:
        return [quantiser.encode(dataset[i]["audio"][0]).int().numpy() for i in range(len(dataset))]

    seen, unseen = codes(train), codes(test)
    return {
        "Markov chain of order 1": bits_per_code(
            MarkovModel(seen, quantiser.num_codes, first=quantiser.zero_code), unseen
        ),
        "histogram (order 0)": bits_per_code(HistogramModel(seen, quantiser.num_codes), unseen),
        "uniform": float(trained.model.config.quantiser.bits),
    }


def _page(title: str, bits: dict[str, float], facts: list[str]) -> str:
    rows = "".join(f"| {name} | {value:.4f} |\n" for name, value in bits.items())
    notes = "".join(f"- {fact}\n" for fact in facts)
    return f"# {title}\n\n| model | bits per sample ↓ |\n|---|---:|\n{rows}\n{notes}"


def _write(path: Path, text: str) -> None:
    from vocoders.core.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""`ondes prepare`: a corpus becomes Kaldi data directories."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core
import typer.main

from recipes.cli.option_group import with_option_groups
from recipes.cli.printing import say

if TYPE_CHECKING:
    from typer._click import Context

    from effects.knobs import KnobSet
    from recipes.data.kaldi import Utterance

__all__ = ["register"]


class _SplitBy(StrEnum):
    utterance = "utterance"
    speaker = "speaker"


class _Microphone(StrEnum):
    mic1 = "mic1"
    mic2 = "mic2"


_Source = Annotated[Path, typer.Argument(metavar="SRC", help="Folder of the corpus.", show_default=False)]
_DataDir = Annotated[
    Path,
    typer.Argument(metavar="DATA_DIR", help="Data directory to write; its skipped.tsv lists unusable files."),
]
_Channel = Annotated[
    int | None,
    typer.Option("--channel", min=1, help="Channel of stereo files, from 1; default: both, which must be equal."),
]
_By = Annotated[_SplitBy, typer.Option("--split-by", help="Unit of --dev and --test.")]


@dataclass(frozen=True, kw_only=True)
class _Preparation:
    """Options of every corpus, as :func:`recipes.data.preparation.prepare` takes them."""

    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1
    decode: Annotated[
        bool, typer.Option("--decode/--no-decode", help="Decode files to find truncated, silent or NaN audio.")
    ] = True
    min_duration: Annotated[float, typer.Option("--min-duration", min=0.0, help="Shortest utterance in seconds.")] = 0.1
    dev: Annotated[int, typer.Option("--dev", min=0, help="Size of DATA_DIR/dev; the rest goes to DATA_DIR/train.")] = 0
    test: Annotated[int, typer.Option("--test", min=0, help="Size of DATA_DIR/test.")] = 0


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(cls=_Corpora, help="Turn a corpus into Kaldi data directories.")
    group.command("libritts")(with_option_groups(_libritts))
    group.command("ljspeech")(with_option_groups(_ljspeech))
    group.command("vctk")(with_option_groups(_vctk))
    group.command("folder")(with_option_groups(_folder))
    group.command("lhotse")(with_option_groups(_lhotse))
    group.command("huggingface")(with_option_groups(_huggingface))
    group.command("pairs")(_pairs)
    group.command("capture")(_capture)
    group.command("shards")(_shards)
    app.add_typer(group, name="prepare")


class _Corpora(typer.core.TyperGroup):
    """The commands below, and one per corpus reader of an installed package, imported when it runs."""

    def list_commands(self, ctx: "Context") -> list[str]:
        from recipes.data.corpora import CORPORA

        return [*super().list_commands(ctx), *CORPORA.added()]

    def get_command(self, ctx: "Context", cmd_name: str) -> Any:
        from recipes.data.corpora import CORPORA

        return super().get_command(ctx, cmd_name) or (_added(cmd_name) if cmd_name in CORPORA.added() else None)


def _added(name: str) -> Any:
    """Return the command for a corpus reader of an installed package."""
    from recipes.data.corpora import CORPORA

    def command(source: _Source, data_dir: _DataDir, options: _Preparation, split_by: _By = _SplitBy.utterance) -> None:
        from recipes.data.kaldi import Utterance
        from vocoders.core.errors import ConfigError

        with CORPORA.running(name):
            found = CORPORA.find(name)(source)
        if not isinstance(found, list) or not all(isinstance(item, Utterance) for item in found):
            raise ConfigError(f"corpus reader '{name}' found {found!r:.40}; expected a list of Utterance")
        _run(found, data_dir, options, split_by)

    app = typer.Typer(add_completion=False)
    summary = CORPORA.summary(name) or "Corpus reader of an installed package."
    app.command(name, help=summary)(with_option_groups(command))
    return typer.main.get_command(app)


def _libritts(
    source: _Source,
    data_dir: _DataDir,
    *,
    subsets: Annotated[
        list[str] | None,
        typer.Option("--subsets", help="Subsets separated by commas, such as train-clean-100; default: all."),
    ] = None,
    options: _Preparation,
    split_by: _By = _SplitBy.utterance,
) -> None:
    """Prepare LibriTTS, LibriTTS-R or a corpus with the same layout.

    The layout is SUBSET/SPEAKER/CHAPTER/FILE, with .wav or .flac files.

    Example: ondes prepare libritts /path/to/LibriTTS data/
    """
    from recipes.data.corpora import find_libritts

    names = [name for value in subsets or [] for name in value.replace(",", " ").split()]
    _run(find_libritts(source, names), data_dir, options, split_by)


def _ljspeech(source: _Source, data_dir: _DataDir, options: _Preparation) -> None:
    """Prepare LJSpeech (metadata.csv and wavs/).

    Example: ondes prepare ljspeech /path/to/LJSpeech-1.1 data/
    """
    from recipes.data.corpora import find_ljspeech

    _run(find_ljspeech(source), data_dir, options, _SplitBy.utterance)


def _vctk(
    source: _Source,
    data_dir: _DataDir,
    *,
    microphone: Annotated[
        _Microphone, typer.Option("--mic", help="Microphone of the recordings to use.")
    ] = _Microphone.mic1,
    options: _Preparation,
    split_by: _By = _SplitBy.speaker,
) -> None:
    """Prepare VCTK 0.92 (wav48_silence_trimmed) or 0.80 (wav48).

    Example: ondes prepare vctk /path/to/VCTK data/
    """
    from recipes.data.corpora import find_vctk

    _run(find_vctk(source, microphone.value), data_dir, options, split_by)


def _folder(
    source: _Source,
    data_dir: _DataDir,
    *,
    speaker: Annotated[
        str | None, typer.Option("--speaker", help="Speaker of all files; default: the first sub-folder.")
    ] = None,
    speaker_pattern: Annotated[
        str | None,
        typer.Option("--speaker-pattern", help="Regular expression on the path; group 1 is the speaker."),
    ] = None,
    text_pattern: Annotated[
        str | None,
        typer.Option(
            "--text-pattern",
            help="Regular expression on the path below SRC; group 1 is the transcript. "
            "Default: FILE.txt next to FILE.wav.",
        ),
    ] = None,
    options: _Preparation,
    split_by: _By = _SplitBy.utterance,
) -> None:
    """Prepare your own audio: any folder, with its sub-folders.

    Example: ondes prepare folder recordings/ data/ --dev 1 --test 2
    """
    from recipes.data.corpora import find_folder

    found = find_folder(source, speaker, speaker_pattern, text_pattern)
    _run(found, data_dir, options, split_by)


def _lhotse(
    source: Annotated[
        Path, typer.Argument(metavar="CUTS", help="Manifest, such as cuts.jsonl.gz.", show_default=False)
    ],
    data_dir: _DataDir,
    options: _Preparation,
    split_by: _By = _SplitBy.utterance,
) -> None:
    """Prepare a CutSet of lhotse; its cuts become segments of its files.

    Example: ondes prepare lhotse cuts.jsonl.gz data/
    """
    from recipes.data.corpora import find_lhotse

    _run(find_lhotse(source), data_dir, options, split_by)


def _huggingface(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of save_to_disk of datasets.", show_default=False)
    ],
    data_dir: _DataDir,
    *,
    split: Annotated[str | None, typer.Option("--split", help="Split of the data set, if it has several.")] = None,
    text_column: Annotated[
        str | None, typer.Option("--text-column", help="Column of the transcripts.", show_default="the usual names")
    ] = None,
    speaker_column: Annotated[
        str | None, typer.Option("--speaker-column", help="Column of the speakers.", show_default="the usual names")
    ] = None,
    options: _Preparation,
    split_by: _By = _SplitBy.utterance,
) -> None:
    """Prepare an audio data set of Hugging Face on this machine.

    Its audio files are written to DATA_DIR/audio as they are.

    Example: ondes prepare huggingface saved_set/ data/ --split train
    """
    from recipes.data.corpora import find_huggingface

    found = find_huggingface(source, data_dir / "audio", split, text_column, speaker_column)
    _run(found, data_dir, options, split_by)


def _pairs(
    source: _Source,
    data_dir: _DataDir,
    knobs: Annotated[
        str | None,
        typer.Option("--knobs", help="Knobs in SignalTrain's file names, in order; default: those of the LA-2A."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Training configuration; its model's knobs check the values."),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align", help="Repair delays, early or late; aligned audio goes to DATA_DIR/audio.")
    ] = False,
    channel: _Channel = None,
) -> None:
    """Prepare recordings of a device: pairs of its input and its output.

    List the pairs in pairs.csv (dry, wet, set, a column for each knob), or
    name the files like those of SignalTrain. Each pair is checked for
    silence, channels, delay, polarity, clipping and an unrelated take.
    Values are in s, Hz and dB.

    Example: ondes prepare pairs takes/ data/ --align
    """
    from recipes.data.effects.pairs import find_pairs
    from recipes.data.effects.preparation import prepare_pairs

    pairs = find_pairs(source, tuple((knobs or "").replace(",", " ").split()), _knobs_of(config))
    found = prepare_pairs(pairs, data_dir, align, channel)
    for directory in found.directories:
        say(f"{directory.path}: {len(directory)} pairs, {directory.duration / 60:.1f} min")
    for name, note in found.notes:
        say(f"note: {name}: {note}", err=True)
    for name, reason in found.skipped:
        say(f"skipped: {name}: {reason}", err=True)
    if found.skipped:
        raise typer.Exit(1)


def _capture(
    dry: Annotated[Path, typer.Argument(metavar="DRY", help="Audio played through the device.", show_default=False)],
    wet: Annotated[Path, typer.Argument(metavar="WET", help="Its recording.", show_default=False)],
    data_dir: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="Data directory to write.", show_default=False)],
    delay: Annotated[
        int | None,
        typer.Option("--delay", help="Samples by which WET is late; negative: early.", show_default="as measured"),
    ] = None,
    channel: _Channel = None,
) -> None:
    """Prepare one recording of a device: check it, align it, split it.

    DRY is best the signal of ondes effect-signal, whose blips and repeated
    passage show more faults; any other audio works too.

    Example: ondes prepare capture signal.wav recorded.wav data/
    """
    from recipes.data.effects.capture import prepare_capture

    found = prepare_capture(dry, wet, data_dir, delay, channel)
    for directory in found.directories[:2]:
        say(f"{directory.path}: {directory.duration:.1f} s")
    for note in found.notes:
        say(f"note: {note}", err=True)


def _shards(
    source: Annotated[
        Path, typer.Argument(metavar="DATA_DIR", help="Kaldi data directory of a training set.", show_default=False)
    ],
    output: Annotated[Path, typer.Argument(metavar="SHARDS", help="Folder to write.", show_default=False)],
    features: Annotated[
        Path | None, typer.Option("--features", help="Folder of 'ondes features'; its F0 goes into the shards.")
    ] = None,
    size: Annotated[float, typer.Option("--size", min=0.001, help="Size in MB from which a new shard begins.")] = 250.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the order of the utterances.")] = 0,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
) -> None:
    """Write a training set as WebDataset tar files, for object stores.

    The trainer reads them front to back: data.train names their folder. Audio
    is stored as FLAC. More shards than data.open_shards mix better.

    Example: ondes prepare shards data/train shards/ --nj 4
    """
    from recipes.data.kaldi import KaldiDirectory
    from recipes.data.shards.writing import write_shards

    directory = KaldiDirectory.read(source)
    index = write_shards(directory, output, feature_dir=features, shard_bytes=round(size * 1e6), seed=seed, nj=nj)
    say(f"{output}: {len(index)} utterances in {len(index.names)} shards, {index.durations.sum() / 3600:.3f} h")


def _knobs_of(config: Path | None) -> "KnobSet | None":
    if config is None:
        return None
    from effects.models import EffectConfig
    from recipes.config import TrainConfig
    from vocoders.core.errors import ConfigError

    model = TrainConfig.from_yaml(config).generator
    if not isinstance(model, EffectConfig):
        raise ConfigError(f"{config}: its model has no knobs; expected the configuration of an effect")
    return model.knobs


def _run(
    utterances: "list[Utterance]",
    data_dir: Path,
    options: _Preparation,
    split_by: _SplitBy,
) -> None:
    from recipes.data.preparation import prepare

    found = prepare(utterances, data_dir, split_by=split_by.value, **asdict(options))
    for directory in found.directories.values():
        hours = directory.duration / 3600
        say(f"{directory.path}: {len(directory)} utterances, {len(directory.speakers)} speakers, {hours:.3f} h")
    if found.skipped:
        say(f"{len(found.skipped)} files skipped; see {data_dir / 'skipped.tsv'}")

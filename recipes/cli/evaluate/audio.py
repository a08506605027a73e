"""`ondes evaluate audio`: comparison of systems with references of the same file names."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.batch_options import ShardOption, ShareOptions
from recipes.cli.evaluate.metrics import MetricsOption, chosen_names, metric_command
from recipes.cli.evaluate.outputs import Outputs, SeedOption
from recipes.cli.evaluate.systems import name_systems
from recipes.cli.lists import ListKind, list_command
from recipes.cli.option_group import with_option_groups
from recipes.cli.threads_option import ThreadsOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    lists = list_command({"--gen": ListKind.REPEATED, "--metrics": ListKind.NAMES})
    app.command("audio", cls=metric_command(lists))(with_option_groups(_audio))


def _audio(
    ref: Annotated[
        Path, typer.Option("--ref", help="References: a folder, data directory or wav.scp.", show_default=False)
    ],
    gen: Annotated[
        list[str],
        typer.Option(
            "--gen", metavar="[NAME=]DIR", help="Files of a system; repeat for more rows.", show_default=False
        ),
    ],
    metrics: MetricsOption = None,
    dry: Annotated[Path | None, typer.Option("--dry", help="Input of the effect, for metrics of its gain.")] = None,
    natural: Annotated[
        bool, typer.Option("--natural", help="Add a row that compares references with themselves.")
    ] = False,
    resample: Annotated[
        bool, typer.Option("--resample", help="Convert generated files with another sample rate.")
    ] = False,
    max_difference: Annotated[
        float,
        typer.Option(
            "--max-difference", min=0, metavar="SECONDS", help="Largest difference of lengths; more is an error."
        ),
    ] = 1.0,
    part: Annotated[
        float,
        typer.Option("--part", min=1, metavar="SECONDS", help="Longest piece measured at once; values are means."),
    ] = 120.0,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="FOLDER", help="Keep the value of each file here; what is there is not measured again."
        ),
    ] = None,
    shard: ShardOption = None,
    threads: ThreadsOption = None,
    seed: SeedOption = 0,
    report_files: Annotated[
        int, typer.Option("--report-files", min=0, help="Utterances with sound on the HTML page.")
    ] = 8,
    *,
    outputs: Outputs,
) -> None:
    """Compare audio files with references of the same names.

    With --keep, the same command goes on after an interruption. Jobs share the
    work with --keep and --shard; the command without --shard then has all
    values.

    Example: ondes evaluate audio --ref recordings/ --gen out/ --report page.html
    """
    from dataclasses import replace

    from recipes.cli.outputs import check_folder
    from recipes.metrics.evaluation import Alignment, evaluate_systems
    from recipes.metrics.registry import DEFAULT_METRICS, find_metrics
    from vocoders.core.errors import ConfigError

    share = ShareOptions(shard=shard).place()
    if shard is not None and keep is None:
        raise ConfigError("--shard needs --keep FOLDER, where the parts meet")
    if keep is not None:
        check_folder(keep)
    systems = {name: Path(source) for name, source in name_systems("--gen", gen).items()}
    chosen, not_run = find_metrics(chosen_names(metrics, DEFAULT_METRICS), dry is not None)
    alignment = Alignment(resample=resample, fail_seconds=max_difference, part_seconds=part)
    result = evaluate_systems(ref, systems, chosen, nj, alignment, seed, natural, dry, keep, share)
    outputs.present(replace(result, not_run=not_run), num_files=report_files)

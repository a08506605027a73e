"""The toy package of CONTRIBUTING.md adds one of each kind, and every command knows them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from effects.engine import render
from effects.runtimes.onnx import OnnxStream
from recipes.extensions import REGISTRIES
from recipes.families import find_family, load
from vocoders.interface import Vocoder, WaveformGenerator

TOY = Path(__file__).parents[1] / "toy_package"
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", (TOY.parents[1] / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
)
COMMANDS = [line for language, block in BLOCKS if language == "console" for line in block.splitlines()]
FILES = sorted([*TOY.glob("*.toml"), *TOY.glob("conf/*.yaml"), *TOY.glob("ondes_toy/*.py")])


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=lambda path: path.name)
def test_the_walk_through_is_made_of_the_files(path):
    shown = [block for _, block in BLOCKS if block == f"# {path.relative_to(TOY)}\n{path.read_text()}"]
    assert len(shown) == 1, f"CONTRIBUTING.md does not show {path.name} as it is"


def test_the_walk_through_runs(toy, ondes):
    printed = {line: ondes(line.removeprefix("ondes ")) for line in COMMANDS}
    listed = printed["ondes models --plugins"].out.splitlines()[1:]
    assert len(listed) == 11
    assert all(line.split("\t")[-1] == "ok" for line in listed)
    assert {line.split("\t")[0] for line in listed} == {registry.group for registry in REGISTRIES}

    name, *text = (toy / "data/test/text").read_text().split()
    assert text == ["clip", name.removeprefix("clip")]
    for folder in ("decoded/model", "decoded/random-phase"):
        assert len(list((toy / folder).glob("*.wav"))) == 1
    for folder in ("copies", "phases", "driven", "tubes"):
        assert all(len(soundfile.read(path)[0]) == 16000 for path in (toy / folder).glob("*.wav"))
        assert len(list((toy / folder).glob("*.wav"))) == 6
    assert "toy_crest" in (toy / "scores.json").read_text()

    logs = {run: _read_log(toy / f"exp/{run}/metrics.jsonl") for run in ("vocoder", "generator", "effect")}
    for run in ("vocoder", "generator"):
        assert logs[run]["loss/toy_level"][-1] < 0.9 * logs[run]["loss/toy_level"][0]
    assert logs["effect"]["valid/esr"][-1] < 0.5 * logs["effect"]["valid/esr_identity"][-1]
    assert {"metric/toy_crest", "loss/discriminator", "loss/multi_resolution_stft"} <= logs["vocoder"].keys()
    assert "loss/toy_peak" in logs["effect"]
    assert all((toy / f"exp/{run}/best.pt").is_file() for run in logs)

    names = {row["system"] for row in json.loads((toy / "bench.json").read_text())["speed"]}
    assert names == {"toy-16k", "toy:small", "toy-noise-16k", "random-phase"}

    _check_models(toy)
    _check_refusals(ondes)


def _read_log(path):
    """Return the values of a run by their names, in the order of steps."""
    log = {}
    for line in path.read_text().splitlines():
        for name, value in json.loads(line).items():
            log.setdefault(name, []).append(value)
    return log


def _check_models(toy):
    """Options act, and what was exported computes what the model computes."""
    vocoder, generator, tube = (load(name, verify=True) for name in ("toy-16k", "toy-noise-16k", "toy-tube-16k"))
    assert isinstance(vocoder, Vocoder)
    assert isinstance(generator, WaveformGenerator)
    audio = torch.from_numpy(soundfile.read(toy / "recordings/clip0.wav", dtype="float32")[0])
    whole = vocoder.copy_synthesis(audio, seed=3)
    assert torch.allclose(0.5 * whole, vocoder.copy_synthesis(audio, seed=3, loudness=0.5))
    drawn = generator.generate(500, 3, seed=1).audio
    assert torch.allclose(drawn[2], generator.generate(500, [2], seed=1).audio[0], atol=1e-6)
    second = generator.generate(16000, [1]).audio[0, 0].numpy()
    assert np.allclose(soundfile.read(toy / "drawn/sample-1.wav")[0], 0.5 * second, atol=1e-4)
    wet = render(tube, audio[None], 16000, {"drive": 6.0})
    stream = OnnxStream(toy / "exported", {"drive": 6.0})
    assert torch.allclose(torch.as_tensor(stream.process(audio[None])), wet, atol=1e-5)


def _check_refusals(ondes):
    """What a family cannot do is told in one line."""
    for line, words in {
        "export toy-tube-16k --format rtneural -o layers": "'toy_tube'",
        "export toy-16k --format onnx -o graph": "family 'toy'",
        "generate -m toy-16k -o x": "ondes synth",
        "synth recordings -m toy-noise-16k -o x": "ondes generate",
        "generate -m toy-noise-16k --label seven -o x": "no labels",
        "synth recordings -m toy-16k --steps 4 -o x": "--loudness",
        "synth recordings -m toy-16k --loudness -1 -o x": "loudness",
        "convert conf/effect.yaml --family toy -o x": "no reference checkpoint of toy",
        "train --config conf/vocoder.yaml --exp x objective.losses.toy_levl=1": "'toy_level'",
        "evaluate audio --ref recordings --gen copies --metrics toy_cres": "'toy_crest'",
        "effect recordings -o x --processor toy_drve": "'toy_drive'",
    }.items():
        error = ondes(line, code=2).err
        # A line before it may name the files of the folder that are no audio.
        (line,) = [line for line in error.splitlines() if "left out" not in line]
        assert line.startswith("error: ")
        assert words in line


def test_the_demo_lists_them_with_the_options_that_they_declare(toy):
    from demo.library import Library, find_entries

    for name in ("toy", "toy_noise", "toy_tube"):
        model_class = find_family(name).model_class
        model_class(model_class.config_class()).save_pretrained(toy / "models" / name)
    library = Library(find_entries([toy / "models"]))
    kinds = {name: library.entry(name).kind for name in ("toy", "toy_noise", "toy_tube", "random-phase")}
    assert list(kinds.values()) == ["vocoder", "generator", "effect", "vocoder"]
    for name in ("toy", "toy_noise", "random-phase"):
        assert [option.name for option in library.entry(name).declared] == ["loudness"]
    assert library.entry("toy").title == "Toy vocoder"
    assert library.entry("toy_tube").knob_names == ("drive",)
    assert library.load("toy").sample_rate == 16000


def test_help_has_what_is_installed_and_imports_none_of_it(toy, ondes):
    for line, words in {
        "prepare --help": "Folders with a list.csv",
        "synth --help": "--loudness",
        "generate --help": "--loudness",
    }.items():
        code = (
            "import sys; from recipes.cli.main import main\n"
            f"code = main({line.split()!r})\n"
            "heavy = {'torch', 'ondes_toy.vocoder', 'ondes_toy.corpus'} & set(sys.modules)\n"
            "sys.exit(str(heavy) if heavy else code)"
        )
        path = ":".join([str(toy.parent / "site"), str(TOY.parents[1])])
        run = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": path, "COLUMNS": "120"}, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        assert words in run.stdout
        assert run.stderr == ""


def test_readers_of_corpora_tell_what_is_missing(toy, ondes):
    assert "list.csv" in ondes("prepare toy conf data", code=2).err
    assert "skipped" in ondes("prepare toy recordings data --min-duration 2", code=2).err
    assert "--split-by" in ondes("prepare toy --help").out


@pytest.mark.slow
def test_processes_know_the_package_too(toy, ondes):
    from ondes_toy.generator import NoiseConfig, ToyNoise

    ToyNoise(NoiseConfig()).save_pretrained("noise")
    for nj in (1, 2):
        ondes(f"generate --model noise --num 5 --seconds 0.1 --batch 2 --nj {nj} -o drawn{nj}")
    first, second = ({path.name: path.read_bytes() for path in Path(f"drawn{nj}").iterdir()} for nj in (1, 2))
    assert len(first) == 5
    assert first == second

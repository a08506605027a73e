"""Many files: shares, what is done already, processes, and reports of failures."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import soundfile
import torch

from recipes.cli.batch_options import BatchOptions, ShareOptions
from recipes.cli.outputs import is_done
from vocoders.core.audio import read_audio, write_audio
from vocoders.core.errors import ConfigError

KNOB = ["--processor", "gain", "-k", "gain=-6dB"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(7):
        generator = torch.Generator().manual_seed(number)
        write_audio(f"in/{number}.wav", 0.1 * torch.randn(1, 2400, generator=generator), 24000)
    return tmp_path / "in"


def _made(folder="out"):
    return sorted(path.name for path in Path(folder).iterdir())


def test_shares_are_a_partition():
    items = list("abcdefghij")
    shares = [ShareOptions(shard=f"{number}/3").undone(items, []) for number in (1, 2, 3)]
    assert sorted(sum(shares, [])) == items
    assert max(map(len, shares)) - min(map(len, shares)) == 1
    assert ShareOptions(shard="12/12").undone(items, []) == []


def test_shares_of_one_folder_follow_each_other_and_do_all_files_once(ondes, folder):
    whole = ondes("effect", "in", "-o", "whole", "--processor", "gain")
    assert whole.code == 0
    for number in (2, 1, 3):
        assert ondes("effect", "in", "-o", "parts", "--processor", "gain", "--shard", f"{number}/3").code == 0
    files = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
    assert {path.name: path.read_bytes() for path in Path("parts").iterdir()} == files
    assert ondes("effect", "in", "-o", "parts", "--processor", "gain", "--shard", "1/3").code == 2


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "-1/2", "1/0"])
def test_a_share_that_is_none_is_refused(shard):
    with pytest.raises(ConfigError, match="expected I/N"):
        BatchOptions(shard=shard)


def test_places_in_an_array_of_slurm(monkeypatch):
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="SLURM"):
        ShareOptions(shard="slurm")
    for name, value in {"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}.items():
        monkeypatch.setenv(name, value)
    assert ShareOptions(shard="slurm").undone("abcd", []) == ["b", "d"]
    for values, share in {(7, 3, 5, 7, 1): "cf", (4, 3, 0, 4, 2): "cf", (3, 1, 3, 3, 1): "abcdef"}.items():
        _set_array(monkeypatch, *values)
        assert ShareOptions(shard="slurm").undone("abcdef", []) == list(share)


@pytest.mark.parametrize(
    "values", [(3, 2, 1, 3, 1), (1, 3, 0, 4, 1), (5, 2, 0, 5, 2), ("x", 2, 0, 1, 1), (0, 0, 0, 0, 1)]
)
def test_places_that_would_leave_files_out_are_refused(monkeypatch, values):
    _set_array(monkeypatch, *values)
    with pytest.raises(ConfigError, match="--shard slurm"):
        ShareOptions(shard="slurm")


def _set_array(monkeypatch, *values):
    for name, value in zip(("ID", "COUNT", "MIN", "MAX", "STEP"), values, strict=True):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))


def test_what_is_done_and_whole_is_not_done_again(ondes, folder):
    assert ondes("effect", folder, "-o", "out", *KNOB, "--shard", "1/2").code == 0
    assert _made() == ["0.wav", "2.wav", "4.wav", "6.wav"]
    before = Path("out/2.wav").stat().st_mtime_ns
    Path("out/4.wav").write_bytes(Path("out/4.wav").read_bytes()[:1000])
    os.utime("out/6.wav", (1, 1))
    run = ondes("effect", folder, "-o", "out", *KNOB, "--skip-existing", "--json")
    assert run.code == 0, run.err
    again = [Path(json.loads(line)["path"]).name for line in run.out.splitlines()]
    assert again == ["1.wav", "3.wav", "4.wav", "5.wav", "6.wav"]
    assert Path("out/2.wav").stat().st_mtime_ns == before
    assert read_audio("out/4.wav")[0].shape == (1, 2400)
    assert ondes("effect", folder, "-o", "out", *KNOB, "--skip-existing", "--json").out == ""
    # Without the option existing files are still refused.
    assert ondes("effect", folder, "-o", "out", *KNOB).code == 2


def test_mels_are_extracted_by_many_as_by_one(ondes, folder):
    command = ("mel", "extract", folder, "--mel", "hifigan_22k")
    (folder / "3.wav").write_bytes(b"RIFF no audio")
    one, many = (ondes(*command, "-o", name, "--nj", nj) for name, nj in (("one", 1), ("many", 2)))
    assert (one.code, many.code) == (1, 1)
    assert "3.wav" in many.err
    made = sorted(path.name for path in Path("one").iterdir())
    assert made == [f"{number}.npy" for number in (0, 1, 2, 4, 5, 6)]
    assert all(Path("one", name).read_bytes() == Path("many", name).read_bytes() for name in made)
    # What is whole and newer than its audio stays.
    Path("one/1.npy").write_bytes(Path("one/1.npy").read_bytes()[:-8])
    (folder / "3.wav").unlink()
    run = ondes(*command, "-o", "one", "--skip-existing", "--json")
    assert [Path(json.loads(line)["path"]).name for line in run.out.splitlines()] == ["1.wav"]
    assert ondes(*command, "-o", "share", "--shard", "2/2").code == 0
    assert sorted(path.name for path in Path("share").iterdir()) == ["1.npy", "4.npy", "6.npy"]


def test_patterns_with_any_number_of_folders_are_searched_within_bounds(ondes, folder, monkeypatch):
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("x1.wav", "y1.wav"):
        shutil.copy(folder / "0.wav", deep / name)
    (folder / "a" / "round").symlink_to(folder)
    command = ("effect", "--skip-existing", "-o", "out", *KNOB)
    assert ondes(*command, str(folder / "**" / "x?.wav")).code == 0
    assert [path.name for path in Path("out").rglob("*.wav")] == ["x1.wav"]
    assert ondes(*command, str(folder / "a" / "**" / "b" / "**" / "[xy]*.wav")).code == 0
    assert ondes(*command, str(folder / "**")).code == 0
    assert len(list(Path("out").rglob("*.wav"))) >= 9
    monkeypatch.setenv("ONDES_LIMIT_SEARCH", "3")
    run = ondes(*command, str(folder / "**" / "*.wav"))
    assert run.code != 0
    assert "more than 3 files" in run.err


def test_a_missing_or_damaged_file_is_not_done(tmp_path):
    assert not is_done(tmp_path / "none.wav")
    (tmp_path / "empty.wav").touch()
    assert not is_done(tmp_path / "empty.wav")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".caf"])
def test_the_first_half_of_a_file_is_not_done(tmp_path, suffix):
    path, rate = tmp_path / f"x{suffix}", 48000 if suffix == ".opus" else 24000
    noise = 0.1 * torch.randn(1, 3 * rate, generator=torch.Generator().manual_seed(0))
    write_audio(path, noise, rate)
    assert is_done(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert not is_done(path)


def test_processes_write_the_same_and_report_in_order(ondes, folder):
    (folder / "3.wav").write_bytes(b"RIFF no audio")
    one = ondes("effect", folder, "-o", "one", *KNOB, "--json")
    many = ondes("effect", folder, "-o", "many", *KNOB, "--json", "--nj", "2")
    assert (one.code, many.code) == (1, 1)
    paths = [json.loads(line)["path"] for line in many.out.splitlines()]
    assert paths == [json.loads(line)["path"] for line in one.out.splitlines()]
    assert "1 of 7 files failed" in many.err
    assert _made("one") == _made("many")
    assert all(Path("one", name).read_bytes() == Path("many", name).read_bytes() for name in _made("one"))


@pytest.mark.slow
def test_processes_synthesise_the_same(ondes, folder):
    how = ["--model", "mel-inversion", "--seed", "3"]
    assert ondes("synth", folder, "-o", "one", *how).code == 0
    assert ondes("synth", folder, "-o", "two", *how, "--nj", "2").code == 0
    assert all(Path("one", name).read_bytes() == Path("two", name).read_bytes() for name in _made("one"))


def test_errors_of_many_files_are_told_again_at_the_end(ondes, folder):
    for number in range(30):
        (folder / f"bad{number}.wav").write_bytes(b"")
    run = ondes("effect", folder, "-o", "out", *KNOB)
    assert run.code == 1
    report = run.err[run.err.index("30 of 37 files failed:") :].splitlines()
    assert len(report) == 31


@pytest.mark.slow
def test_interrupted_processes_leave_whole_files_only(folder):
    write_audio(folder / "long.wav", torch.zeros(2, 6_000_000), 24000)
    root = str(Path(__file__).resolve().parents[3])
    program = [sys.executable, "-m", "recipes.cli.main"]
    command = [*program, "effect", "in", "-o", "out", "--processor", "comp_4c", "--nj", "2"]
    environment = os.environ | {"PYTHONPATH": root}
    # Jobs in the background of a script inherit an ignored Ctrl-C.
    default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=default)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (Path("out").is_dir() and any(Path("out").glob(".ondes-*"))):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    time.sleep(1.5)
    assert not list(Path("out").glob(".ondes-*"))
    assert all(is_done(path) for path in Path("out").iterdir())


def test_the_end_of_a_job_leaves_no_temporary_file(tmp_path):
    program = """
import signal
from recipes.cli.interruption import prompt_interruption
from vocoders.core.atomic import atomic_file
with prompt_interruption(), atomic_file("x.txt") as temporary:
    temporary.write_text("half")
    signal.raise_signal(signal.SIGTERM)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    assert b"KeyboardInterrupt" in run.stderr
    assert not list(tmp_path.iterdir())


def test_names_of_any_bytes_and_links_in_a_circle(ondes, folder):
    names = ("\x1b[31mred", os.fsdecode(b"\xff\xfe"), "100%s", "-o")
    for name in names:
        (folder / f"{name}.wav").write_bytes((folder / "0.wav").read_bytes())
    (folder / "circle.wav").symlink_to("circle.wav")
    (folder / "again").symlink_to("../in")
    run = ondes("effect", folder, "-o", "out", *KNOB, "--json")
    assert run.code == 1
    assert "1 of 12 files failed" in run.err
    assert "\x1b" not in run.err
    lines = [json.loads(line) for line in run.out.splitlines()]
    assert [line["path"] for line in lines if "error" in line] == [str(folder / "circle.wav")]
    assert len(_made()) == 11
    measured = ondes("evaluate", "audio", "--ref", "out", "--gen", "out", "--metrics", "esr", "--report", "page.html")
    assert measured.code == 0, measured.err


def test_a_home_that_does_not_exist_is_one_line(ondes, folder):
    run = ondes("effect", folder, "-o", "~nobody-of-this-name/out", *KNOB)
    assert run.code == 2
    assert len(run.err.splitlines()) == 1


@pytest.mark.slow
def test_many_files_and_a_long_one_in_the_same_memory(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from batch_load import arguments, measure, write_inputs, write_long

    works = {1: write_inputs(tmp_path / "short", 200, 0.05, 8000), 2: write_long(tmp_path / "long", 0.2, 8000)}
    for folder in works.values():
        use = measure(arguments("effect", folder, 0, 0, 1), folder)
        assert use.code == 0, use.errors
        assert 0 < use.peak < 1500


def test_a_full_disk_ends_the_work_at_once(ondes, folder, monkeypatch):
    monkeypatch.setattr("vocoders.core.audio_writing.is_full", lambda folder: True)
    written = []

    def write(self, samples):
        written.append(len(samples))
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "write", write)
    run = ondes("effect", folder, "-o", folder.parent / "out", *KNOB)
    assert run.code == 2
    assert len(written) == 1
    assert run.err.splitlines()[-1].startswith("error:")
    assert "Traceback" not in run.err

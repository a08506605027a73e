"""`ondes effect`: files through models and ground truth, what is kept of them, and everything that is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from effects.automation import Automation
from effects.engine import Engine, render
from effects.knobs import Knob, KnobSet
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.models.tcn import TCN, TCNConfig
from effects.processors import find_processor
from vocoders.core import model_source
from vocoders.core.audio import audio_info, read_audio, write_audio

RATE = 44100
KNOBS = KnobSet(
    knobs=(
        Knob(name="threshold", unit="dB", min=-30, max=0, default=-24, scale="db"),
        Knob(name="attack", unit="s", min=0.001, max=0.04, default=0.01, scale="log"),
        Knob.switch("mode", ("soft", "hard")),
    )
)
TINY = {"channels": 4, "num_blocks": 2, "kernel_size": 3, "condition_channels": (4,), "knobs": KNOBS}
# What 16 bits can tell apart.
STEP = 1.01 / 32768


def make_model(config: TCNConfig | RecurrentConfig, path: Path) -> TCN | Recurrent:
    torch.manual_seed(0)
    model = (TCN if isinstance(config, TCNConfig) else Recurrent)(config).eval()
    with torch.no_grad():
        model.projection.weight.normal_(std=0.4)
    model.save_pretrained(path)
    return model


@pytest.fixture
def gain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TCN:
    """Ship one small effect, ``tiny``, and work in an empty folder."""
    monkeypatch.setattr(model_source, "_WEIGHTS", (tmp_path / "weights",))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return make_model(TCNConfig(head="gain", **TINY), tmp_path / "weights" / "tiny")


@pytest.fixture
def direct(gain: TCN, tmp_path: Path) -> str:
    """Gives the folder of an effect without a gain head."""
    make_model(TCNConfig(**TINY), tmp_path / "direct")
    return str(tmp_path / "direct")


def make_audio(path: str, channels: int = 1, length: int = 3000, rate: int = RATE, subtype: str | None = None):
    audio = torch.rand(channels, length, generator=torch.Generator().manual_seed(length)) - 0.5
    write_audio(path, audio, rate, subtype)
    return read_audio(path)[0]


def files_below(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("block", [None, 1, 64, 333, 100_000, 10**12])
def test_any_block_is_the_engine_with_that_block_and_gives_the_same_bits(ondes, gain, block) -> None:
    audio = make_audio("x.wav", subtype="FLOAT")
    words = [] if block is None else ["--block", block]
    run = ondes("effect", "x.wav", "-o", "y.wav", "--knob", "threshold=-12dB", "--knob", "mode=hard", *words)
    assert run.code == 0, run.err
    settings = {"threshold": -12, "mode": "hard"}
    engine = Engine(gain, settings=settings)
    size = min(block or len(audio[0]), len(audio[0]))
    padded = torch.nn.functional.pad(audio, (0, engine.latency_samples))
    played = torch.cat([engine.process(part) for part in padded.split(size, dim=-1)], dim=-1)
    written = read_audio("y.wav")[0]
    assert torch.equal(written, played[:, engine.latency_samples :])
    assert torch.equal(written, render(gain, audio, settings=settings))
    assert (written - audio).abs().max() > 1e-2


def test_zero_latency_runs_on_the_blocks_themselves(ondes, gain) -> None:
    audio = make_audio("x.wav", subtype="FLOAT")
    run = ondes("effect", "x.wav", "-o", "y.wav", "--zero-latency", "--block", 100, "--json")
    assert json.loads(run.out)["latency_samples"] == 0
    engine = Engine(gain, zero_latency=True)
    played = torch.cat([engine.process(part) for part in audio.split(100, dim=-1)], dim=-1)
    assert torch.equal(read_audio("y.wav")[0], played)
    torch.testing.assert_close(played, render(gain, audio), rtol=0, atol=1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "PCM_U8", "DOUBLE"])
def test_length_channels_rate_and_sample_format_stay(ondes, gain, subtype: str) -> None:
    make_audio("x.wav", channels=2, length=1237, rate=48000, subtype=subtype)
    run = ondes("effect", "x.wav", "-o", "y.wav")
    assert run.code == 0, run.err
    assert audio_info("y.wav") == audio_info("x.wav")
    assert audio_info("y.wav").subtype == subtype


def test_a_folder_keeps_its_names_formats_and_sub_folders(ondes, gain) -> None:
    make_audio("in/a.wav", subtype="PCM_24")
    make_audio("in/a.flac", subtype="PCM_24")
    make_audio("in/deep/b.ogg", channels=2)
    soundfile.write("in/c.mp3", np.zeros(RATE), RATE)
    run = ondes("effect", "in", "-o", "out")
    assert run.code == 0, run.err
    assert files_below("out") == ["a.flac", "a.wav", "c.wav", "deep/b.ogg"]
    for name in ("a.wav", "a.flac", "deep/b.ogg"):
        assert audio_info(f"out/{name}") == audio_info(f"in/{name}")
    assert re.search(r"c\.mp3: .*MPEG_LAYER_III.* WAV PCM_16", run.err)
    assert ondes("effect", "in/*.flac", "in/deep", "-o", "out2").code == 0
    assert files_below("out2") == ["a.flac", "b.ogg"]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (("x.wav", "FLOAT"), "y.flac", "PCM_24"),
        (("x.wav", "PCM_32"), "y.flac", "PCM_24"),
        (("x.wav", "PCM_U8"), "y.flac", "PCM_S8"),
        (("x.ogg", "VORBIS"), "y.wav", "PCM_16"),
        (("x.wav", "IMA_ADPCM"), "y.wav", "PCM_16"),
    ],
)
def test_a_sample_format_that_cannot_stay_is_told(ondes, gain, source, target: str, expected: str) -> None:
    soundfile.write(source[0], np.zeros(2000) + 0.1, RATE, source[1])
    run = ondes("effect", source[0], "-o", target)
    assert run.code == 0, run.err
    assert f"{source[1]} is written as" in run.err
    assert audio_info(target).subtype == expected
    assert audio_info(target).frames == audio_info(source[0]).frames


@pytest.mark.parametrize(("rate", "channels"), [(192000, 1), (44100, 8), (192000, 8), (8000, 2), (48000, 1)])
def test_any_rate_and_number_of_channels(ondes, gain, rate: int, channels: int) -> None:
    audio = make_audio("x.wav", channels, length=4001, rate=rate, subtype="FLOAT")
    run = ondes("effect", "x.wav", "-o", "y.wav")
    assert run.code == 0, run.err
    assert bool(re.search(f"{rate} Hz.* resampled .*44100 Hz", run.err)) == (rate != RATE)
    assert ("mono model" in run.err) == (channels > 1)
    assert torch.equal(read_audio("y.wav")[0], render(gain, audio, rate))


def test_channels_of_a_mono_model_are_dual_or_linked(ondes, gain, direct) -> None:
    audio = make_audio("x.wav", channels=2, subtype="FLOAT")
    run = ondes("effect", "x.wav", "-o", "y.wav", "--stereo", "linked")
    assert "one gain for all" in run.err
    assert torch.equal(read_audio("y.wav")[0], render(gain, audio, stereo="linked"))
    assert not torch.equal(read_audio("y.wav")[0], render(gain, audio))
    for source in (["-m", direct], ["--processor", "comp_4c"]):
        run = ondes("effect", "x.wav", "-o", "z.wav", "--stereo", "linked", *source)
        assert (run.code, run.err.count("\n")) == (2, 1)
        assert "linked" in run.err
        assert not Path("z.wav").exists()


def test_a_stereo_model_refuses_other_channels_and_goes_on(ondes, gain, tmp_path) -> None:
    make_model(TCNConfig(**TINY, audio_channels=2), tmp_path / "stereo")
    make_audio("mono.wav")
    make_audio("stereo.wav", channels=2)
    run = ondes("effect", "mono.wav", "stereo.wav", "-o", "out", "-m", tmp_path / "stereo")
    assert run.code == 1
    assert re.search(r"mono\.wav: .* 1 channels.* 2", run.err)
    assert "1 of 2 files failed" in run.err
    assert files_below("out") == ["stereo.wav"]


def test_mix_blends_with_the_input_in_time(ondes, gain) -> None:
    audio = make_audio("x.wav", rate=48000, subtype="FLOAT")
    assert ondes("effect", "x.wav", "-o", "y.wav", "--mix", 0.25).code == 0
    assert torch.equal(read_audio("y.wav")[0], render(gain, audio, 48000, mix=0.25))
    assert ondes("effect", "x.wav", "-o", "dry.wav", "--mix", 0).code == 0
    assert torch.equal(read_audio("dry.wav")[0], audio)


def test_automation_moves_knobs_and_its_end_is_told(ondes, gain) -> None:
    audio = make_audio("x.wav", length=6000, subtype="FLOAT")
    Path("knobs.csv").write_text("time,threshold\n0,-30\n0.05,-2 dB\n")
    run = ondes("effect", "x.wav", "-o", "y.wav", "--automation", "knobs.csv", "-k", "threshold=-3")
    assert run.code == 0, run.err
    assert re.search(r"x\.wav: .*automation.* 0\.050 s of 0\.136 s", run.err)
    assert re.search(r"'threshold'.* knobs\.csv.* --knob threshold", run.err)
    curves = Automation.read_csv("knobs.csv", KNOBS)
    moving = render(gain, audio, settings={"threshold": -3}, automation=curves)
    assert torch.equal(read_audio("y.wav")[0], moving)
    assert not torch.equal(moving, render(gain, audio, settings={"threshold": -3}))
    Path("long.csv").write_text("time;attack\n0;5ms\n1;9ms\n")
    assert "automation ends" not in ondes("effect", "x.wav", "-o", "z.wav", "--automation", "long.csv").err


@pytest.mark.parametrize("words", [["--processor", "comp_4c"], ["-m", "comp_4c"], ["-m", "true:comp_4c"]])
def test_the_ground_truth_is_rendered_with_the_same_options(ondes, gain, words: list[str]) -> None:
    audio = make_audio("x.wav", channels=2, rate=48000, subtype="FLOAT")
    run = ondes("effect", "x.wav", "-o", "y.wav", *words, "-k", "ratio=4:1", "-k", "attack=2ms", "--block", 64)
    assert run.code == 0, run.err
    expected, _ = find_processor("comp_4c").process(audio[None], {"ratio": 4, "attack": 0.002}, 48000)
    assert torch.equal(read_audio("y.wav")[0], expected[0])
    assert "resampled" not in run.err
    Path("knobs.csv").write_text("time,threshold\n0,-30\n0.02,0\n")
    for block in (50, 7000):
        run = ondes("effect", "x.wav", "-o", f"{block}.wav", *words, "--automation", "knobs.csv", "--block", block)
        assert "automation ends at 0.020 s" in run.err
    # The audio: float WAV files also hold the second in which they were written.
    assert torch.equal(read_audio("50.wav")[0], read_audio("7000.wav")[0])
    assert not torch.equal(read_audio("50.wav")[0], expected[0])


def test_knobs_are_listed(ondes, gain, direct) -> None:
    run = ondes("effect", "--list-knobs")
    assert run.code == 0, run.err
    rows = [line.split("\t") for line in run.out.splitlines()]
    assert rows == [
        ["knob", "unit", "range", "default", "scale"],
        ["threshold", "dB", "-30 dB .. 0 dB", "-24 dB", "db"],
        ["attack", "s", "1 ms .. 40 ms", "10 ms", "log"],
        ["mode", "-", "soft, hard", "soft", "switch"],
    ]
    assert ondes("effect", "--list-knobs", "--model", direct).out == run.out
    assert "release" in ondes("effect", "--list-knobs", "--processor", "comp_4c").out
    objects = [json.loads(line) for line in ondes("effect", "--list-knobs", "--json").out.splitlines()]
    assert KnobSet.from_dict({"knobs": objects}) == KNOBS


def test_effects_that_are_not_installed_list_their_knobs_and_name_the_extra(ondes, gain, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    assert "lpf12, hpf12, bpf12" in ondes("effect", "--list-knobs", "--processor", "pedalboard_ladder_filter").out
    make_audio("x.wav")
    Path("train.yaml").write_text(
        "{family: graybox, objective: {name: effect}, effect: {processor: pedalboard_distortion}}"
    )
    for words in (
        ["effect", "x.wav", "-o", "y.wav", "--processor", "pedalboard_distortion"],
        ["train", "--config", "train.yaml", "--exp", "exp"],
    ):
        run = ondes(*words)
        assert run.code == 2
        assert re.fullmatch(r"error: .*'pedalboard_distortion'.* pip install 'ondes\[pedalboard\]'\n", run.err)
    assert not Path("y.wav").exists()


def test_without_a_model_the_only_one_is_taken_and_several_are_named(ondes, gain, tmp_path) -> None:
    make_audio("x.wav")
    assert ondes("effect", "x.wav", "-o", "y.wav").code == 0
    make_model(RecurrentConfig(hidden_size=3), tmp_path / "weights" / "other")
    for words in (["x.wav", "-o", "z.wav"], ["--list-knobs"]):
        run = ondes("effect", *words)
        assert (run.code, run.out) == (2, "")
        assert re.fullmatch(r"error: .*--model \(other, tiny\).* --processor .*\n", run.err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--knob", "treshold=1"], "'threshold'? valid knobs: threshold, attack"),
        (["--knob", "threshold=3Hz"], "unit 'Hz' in '3Hz'"),
        (["--knob", "attack=5 sec"], "unit 'sec' in '5 sec'"),
        (["--knob", "attack=nan"], "'nan' is not understood"),
        (["--knob", "mode=medium"], "soft, hard"),
        (["--knob", "threshold"], "name=value"),
        (["--knob", "threshold=-1", "--knob", "threshold=-2"], "set twice"),
        (["--block", "0"], "--block"),
        (["--block", "-4"], "--block"),
        (["--mix", "1.5"], "--mix"),
        (["--mix", "nan"], "--mix"),
        (["--stereo", "ms"], "--stereo"),
        (["--device", "tpu9"], "unknown device 'tpu9'"),
        (["--model", "tinny"], "did you mean 'tiny'"),
        (["--model", "missing"], "no model 'missing'"),
        (["--processor", "comp4c"], "did you mean 'comp_4c'"),
        (["--model", "true:comp4c"], "did you mean 'comp_4c'"),
        (["--model", "tiny", "--processor", "comp"], "give one of the two"),
        (["--automation", "missing.csv"], "no such automation file"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2_before_any_work(ondes, gain, words, message: str) -> None:
    make_audio("x.wav")
    run = ondes("effect", "x.wav", "-o", "y.wav", *words)
    assert run.code == 2
    assert message in run.err
    assert (run.out, run.err.count("\n")) == ("", 1)
    assert files_below(".") == ["x.wav"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("time,threshold\n0,nan\n", "knobs.csv line 2: knob 'threshold': 'nan'"),
        ("time,threshold\n0,-3\n1,inf\n", "line 3"),
        ("time,threshold\nnan,-3\n", "line 2: knob 'time': 'nan'"),
        ("time,threshold\n1,-3\n1,-4\n", "line 3: time 1 s"),
        ("time,tresh\n0,-3\n", "'threshold'?"),
        ("time,attack\n0,3 Hz\n", "line 2: knob 'attack': unit 'Hz'"),
        ("threshold\n-3\n", "expected 'time'"),
        ("", "0 rows"),
    ],
)
def test_automation_that_cannot_be_is_refused_with_its_line(ondes, gain, table: str, message: str) -> None:
    make_audio("x.wav")
    Path("knobs.csv").write_text(table)
    run = ondes("effect", "x.wav", "-o", "y.wav", "--automation", "knobs.csv")
    assert run.code == 2
    assert message in run.err
    assert run.err.count("\n") == 1
    assert not Path("y.wav").exists()


def test_out_of_range_is_clamped_and_told_once(ondes, gain) -> None:
    for name in ("a", "b"):
        make_audio(f"in/{name}.wav")
    run = ondes("effect", "in", "-o", "out", "--knob", "attack=2s")
    assert run.code == 0
    assert run.err.count("clamped") == 1
    assert re.search(r"warning: .*'attack': 2 s .* 1 ms \.\. 40 ms", run.err)


def test_unusable_files_cost_nobody_else(ondes, gain) -> None:
    make_audio("in/good.wav")
    Path("in/bytes0.wav").write_bytes(b"")
    soundfile.write("in/frames0.wav", np.zeros(0), RATE)
    soundfile.write("in/nan.wav", np.array([0, np.nan, 0]), RATE, "FLOAT")
    Path("in/text.wav").write_text("no audio at all")
    run = ondes("effect", "in", "-o", "out", "--json")
    assert run.code == 1
    for message in (
        "in/bytes0.wav is empty (0 bytes)",
        "in/frames0.wav contains no samples, only a header",
        "in/nan.wav: 1 samples are NaN or infinite",
        "in/text.wav is a text file",
        "4 of 5 files failed",
    ):
        assert message in run.err
    assert files_below("out") == ["good.wav"]
    lines = {line["path"]: line for line in map(json.loads, run.out.splitlines())}
    assert lines["in/good.wav"]["seconds"] == 3000 / RATE
    assert "NaN" in lines["in/nan.wav"]["error"]
    run = ondes("effect", "in/frames0.wav", "-o", "y.wav")
    assert (run.code, Path("y.wav").exists()) == (1, False)


def test_one_sample_is_a_file(ondes, gain) -> None:
    make_audio("x.wav", length=1)
    assert ondes("effect", "x.wav", "-o", "y.wav").code == 0
    assert audio_info("y.wav").frames == 1


def test_misuse_of_files(ondes, gain) -> None:
    make_audio("x.wav")
    np.save("x.npy", np.zeros((3, 3)))
    for words, message in [
        ([], "INPUTS is missing"),
        (["x.wav"], "--output is missing"),
        (["gone.wav", "-o", "y.wav"], "gone.wav: no such file"),
        (["x.npy", "-o", "y.wav"], "x.npy contains features"),
        (["x.wav", "-o", "x.wav", "--force"], "would be overwritten"),
        (["x.wav", "x.wav", "-o", "y.m4a"], "cannot write '.m4a'"),
    ]:
        run = ondes("effect", *words)
        assert (run.code, run.err.count("\n")) == (2, 1), run.err
        assert message in run.err
    assert ondes("effect", "x.wav", "-o", "y.wav").code == 0
    assert "--force" in ondes("effect", "x.wav", "-o", "y.wav").err
    assert ondes("effect", "x.wav", "-o", "y.wav", "--force").code == 0


def test_a_vocoder_is_no_effect(ondes, tiny) -> None:
    write_audio("x.wav", torch.zeros(1, 100), RATE)
    run = ondes("effect", "x.wav", "-o", "y.wav", "-m", tiny)
    assert run.code == 2
    assert re.search("'tiny'.* effects", run.err)


def test_what_is_above_full_scale_is_told(ondes, gain, tmp_path) -> None:
    with torch.no_grad():
        gain.projection.weight.zero_()
        gain.projection.bias[0] = 1.0  # a gain of e, whatever comes in
    gain.save_pretrained(tmp_path / "loud")
    audio = make_audio("x.wav")
    run = ondes("effect", "x.wav", "-o", "y.wav", "-m", tmp_path / "loud", "--json")
    assert "clipped" in run.err
    assert json.loads(run.out)["peak"] == pytest.approx(2.718 * float(audio.abs().max()), rel=0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_memory_does_not_grow_with_the_file(gain, tmp_path, repository) -> None:
    script = (
        "import sys; from recipes.cli.main import main\n"
        f"code = main(['-q', 'effect', sys.argv[1], '-o', sys.argv[2], '-m', {str(tmp_path / 'weights' / 'tiny')!r}])\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])\n"
        "sys.exit(code)\n"
    )
    peaks = []
    for seconds in (2, 120):
        write_audio(f"{seconds}.wav", torch.zeros(2, seconds * RATE), RATE)
        command = [sys.executable, "-c", script, f"{seconds}.wav", f"out{seconds}.wav"]
        environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        peaks.append(int(run.stdout))
    # Two minutes of stereo are 42 MB; the whole in memory would be there several times.
    assert peaks[1] - peaks[0] < 20_000

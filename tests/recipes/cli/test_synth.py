"""`ondes synth`: every kind of input and output, and that bad input loses nothing."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from vocoders import registry
from vocoders.core.audio import audio_info, read_audio, write_audio
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.wavehax import Wavehax, WavehaxConfig

WAVEHAX = registry.FAMILIES["wavehax"]


def files_below(folder: Path | str = ".") -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("length", [240, 241, 1000, 24000])
def test_copy_synthesis_keeps_length_and_alignment(ondes, make_audio, tiny: str, length: int) -> None:
    audio = make_audio("x.wav", length)
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", tiny)
    assert run.code == 0, run.err
    assert run.out == ""
    assert "x.wav -> y.wav" in run.err
    assert torch.equal(read_audio("y.wav")[0], audio)


def test_the_only_shipped_model_is_the_default(ondes, make_audio, tiny_module, tmp_path: Path) -> None:
    make_audio("x.wav")
    assert ondes("synth", "x.wav", "-o", "out").code == 0
    assert files_below("out") == ["x.wav"]
    tiny_module.TinyVocoder(tiny_module.TinyVocoderConfig()).save_pretrained(tmp_path / "weights" / "tiny-b")
    run = ondes("synth", "x.wav", "-o", "out2")
    assert run.code == 2
    assert "tiny-24k, tiny-b" in run.err


@pytest.mark.parametrize("channels", [2, 8])
def test_each_channel_is_synthesised_on_its_own(ondes, make_audio, channels: int) -> None:
    audio = make_audio("x.wav", channels=channels)
    run = ondes("synth", "x.wav", "-o", "y.flac")
    assert run.code == 0
    assert f"{channels} channels" in run.err
    assert torch.equal(read_audio("y.flac")[0], audio)


def test_equal_channels_and_equal_seeds_give_equal_audio(ondes, make_audio, tiny_module, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy"
    tiny_module.TinyVocoder(tiny_module.TinyVocoderConfig(noise=0.1)).save_pretrained(noisy)
    mono = make_audio("x.wav")
    write_audio("dual.wav", mono.repeat(2, 1), 24000)
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        assert ondes("synth", "x.wav", "dual.wav", "-o", name, "-m", noisy, "--seed", seed).code == 0
    a, b, c = (read_audio(f"{name}/x.wav")[0] for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(read_audio("a/dual.wav")[0], a.repeat(2, 1))


def test_every_kind_of_input(ondes, make_audio) -> None:
    make_audio("corpus/one.wav")
    make_audio("corpus/speaker/two.flac", seed=1)
    make_audio("corpus/speaker/three.v1.ogg", seed=2)
    Path("corpus/notes.txt").write_text("no audio")
    Path("corpus/._one.wav").write_bytes(b"\0\5\26\7")
    Path("wav.scp").write_text("utt-1 corpus/one.wav\n\nutt.2   corpus/speaker/two.flac\n")
    everything = ["one.wav", "speaker/three.v1.wav", "speaker/two.wav"]
    for index, (arguments, expected) in enumerate(
        [
            (["corpus"], everything),
            (["corpus/**/*"], everything),
            (["corpus/*/*.flac"], ["speaker/two.wav"]),
            (["corpus/one.wav", "corpus/speaker/two.flac"], ["one.wav", "two.wav"]),
            (["corpus/one.wav", "corpus", "corpus/*.wav"], everything),
            (["wav.scp"], ["utt-1.wav", "utt.2.wav"]),
        ]
    ):
        run = ondes("synth", *arguments, "-o", f"out{index}")
        assert run.code == 0, run.err
        assert files_below(f"out{index}") == expected, arguments


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_wav_scp_of_an_editor(ondes, make_audio, encoding: str) -> None:
    make_audio("é.wav")
    Path("wav.scp").write_bytes("u1\té.wav\r\nü2\té.wav\r\n".encode(encoding))
    run = ondes("synth", "wav.scp", "-o", "out")
    assert run.code == 0, run.err
    assert files_below("out") == ["u1.wav", "ü2.wav"]
    assert ("Windows-1252" in run.err) == (encoding == "cp1252")


def test_wav_scp_paths_beside_the_list(ondes, make_audio) -> None:
    make_audio("data/audio/x.wav")
    Path("data/wav.scp").write_text("utt audio/x.wav\n")
    assert ondes("synth", "data/wav.scp", "-o", "out").code == 0
    assert files_below("out") == ["utt.wav"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("utt sox x.wav -t wav - |", "are not run"),
        ("utt", "expected '<id> <file>'"),
        ("../utt x.wav", "slash"),
        ("a x.wav\na x.wav", "twice"),
        ("", "lists nothing"),
    ],
)
def test_bad_wav_scp(ondes, make_audio, line: str, cause: str) -> None:
    make_audio("x.wav")
    Path("wav.scp").write_text(line + "\n")
    run = ondes("synth", "wav.scp", "-o", "out")
    assert run.code == 2
    assert cause in run.err
    assert not Path("out").exists()


def test_features(ondes, make_audio, tiny_module) -> None:
    audio = make_audio("x.wav", 960)
    features = audio.view(4, 240).T.numpy()
    np.savez("plain.npz", features=features, f0=np.array([0, 100, 110, 0]))
    np.savez("batched.npz", features=features[None], f0=np.zeros((1, 1, 4)), fingerprint="samples 24000 Hz hop=240")
    run = ondes("synth", "plain.npz", "batched.npz", "-o", "out", "--f0-scale", "1.5")
    assert run.code == 0, run.err
    for name in ("plain", "batched"):
        assert torch.equal(read_audio(f"out/{name}.wav")[0], audio)
    assert tiny_module.calls[0]["f0"].tolist() == [[[0.0, 100.0, 110.0, 0.0]]]
    assert tiny_module.calls[0]["f0_scale"] == 1.5


def test_features_with_another_f0_than_their_own(ondes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = Wavehax(WavehaxConfig(mel=MelConfig(n_mels=20), prior_shaping="envelope", channels=4, num_blocks=1))
    model.save_pretrained(tmp_path / "model")
    features, f0 = torch.randn(20, 30).numpy() - 5, np.full(30, 150.0, np.float32)
    np.savez("edited.npz", features=features, f0=1.5 * f0, mel_f0=f0)
    np.savez("scaled.npz", features=features, f0=f0)
    np.savez("wrong.npz", features=features, f0=f0, mel_f0=f0[:-1])
    assert ondes("synth", "edited.npz", "-o", "edited.wav", "-m", tmp_path / "model", "--force-features").code == 0
    assert (
        ondes(
            "synth", "scaled.npz", "-o", "scaled.wav", "-m", tmp_path / "model", "--force-features", "--f0-scale", "1.5"
        ).code
        == 0
    )
    assert torch.equal(read_audio("edited.wav")[0], read_audio("scaled.wav")[0])
    run = ondes("synth", "wrong.npz", "-o", "wrong.wav", "-m", tmp_path / "model", "--force-features")
    assert (run.code, "mel_f0" in run.err) == (1, True)


def test_features_of_a_model_without_f0(ondes, make_audio, tiny_module, tmp_path: Path) -> None:
    model = tmp_path / "no-f0"
    tiny_module.TinyVocoder(tiny_module.TinyVocoderConfig(takes_f0=False)).save_pretrained(model)
    np.save("x.npy", np.zeros((240, 3)))
    assert ondes("synth", "x.npy", "-o", "out", "-m", model).code == 0
    assert audio_info("out/x.wav").frames == 720


@pytest.fixture
def small_wavehax(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a Wavehax of random weights; its family is known beside the tiny one."""
    monkeypatch.setitem(registry.FAMILIES, "wavehax", WAVEHAX)
    config = WavehaxConfig(mel=MelConfig(fmax=12000.0), f0=F0Config(f0_min=55.0), channels=2, num_blocks=1)
    return Wavehax(config).save_pretrained(tmp_path / "small-wavehax")


def test_f0_that_is_missing_is_estimated_from_the_mel(ondes, make_audio, small_wavehax: Path) -> None:
    features = np.full((100, 30), -5.0, dtype=np.float32)
    np.save("mel.npy", features)
    np.savez("both.npz", features=features, f0=np.full(30, 200.0))
    run = ondes("synth", "mel.npy", "both.npz", "-o", "auto", "-m", small_wavehax)
    assert run.code == 0, run.err
    assert run.err.count("estimated from the mel") == 1
    assert ondes("synth", "both.npz", "-o", "mel", "-m", small_wavehax, "--f0", "mel").code == 0
    estimated, again, given = (read_audio(name)[0] for name in ("auto/mel.wav", "mel/both.wav", "auto/both.wav"))
    assert torch.equal(estimated, again)
    assert not torch.equal(estimated, given)


def test_f0_may_have_a_frame_more_or_less(ondes, make_audio, small_wavehax: Path) -> None:
    features = np.full((100, 30), -5.0, dtype=np.float32)
    for name, frames in (("equal", 30), ("shorter", 29), ("longer", 31)):
        np.savez(f"{name}.npz", features=features, f0=np.full(frames, 200.0))
    run = ondes("synth", "equal.npz", "shorter.npz", "longer.npz", "-o", "out", "-m", small_wavehax)
    assert run.code == 0, run.err
    equal, shorter, longer = (read_audio(f"out/{name}.wav")[0] for name in ("equal", "shorter", "longer"))
    assert torch.equal(equal, shorter)
    assert torch.equal(equal, longer)


def test_f0_of_another_scale_than_the_mel_is_stopped(ondes, make_audio, small_wavehax: Path) -> None:
    rate, frames = 24000, 100
    time = torch.arange(240 * frames) / rate
    voice = sum(0.05 * torch.sin(2 * torch.pi * 200 * k * time) for k in range(1, 12))
    features = LogMel(MelConfig(fmax=12000.0))(voice[None])[0]
    for name, factor in (("right", 1), ("octave", 2), ("cents", 8)):
        np.savez(f"{name}.npz", features=features, f0=np.full(frames, 200.0 * factor))
    run = ondes("synth", "right.npz", "octave.npz", "cents.npz", "-o", "out", "-m", small_wavehax, "--json")
    errors = {line["path"]: line.get("error", "") for line in map(json.loads, run.out.splitlines())}
    assert {name: bool(error) for name, error in errors.items()} == {
        "right.npz": False, "octave.npz": False, "cents.npz": True,
    }  # fmt: skip
    assert "--force-features" in errors["cents.npz"]
    assert ondes("synth", "cents.npz", "-o", "out", "-m", small_wavehax, "--force-features").code == 0


def test_rows_of_kaldi_archives_are_frames(ondes, make_audio, small_wavehax: Path) -> None:
    kaldiio = pytest.importorskip("kaldiio")
    features = np.random.default_rng(0).uniform(-11, -2, (100, 30)).astype(np.float32)
    np.save("x.npy", features)
    kaldiio.save_ark("x.ark", {"rows": features.T.copy()})
    for name in ("x.npy", "x.ark"):
        run = ondes("synth", name, "-o", "out", "-m", small_wavehax)
        assert run.code == 0, run.err
    assert torch.equal(read_audio("out/x.wav")[0], read_audio("out/rows.wav")[0])


def test_the_tracker_of_f0_is_chosen(ondes, make_audio, small_wavehax: Path) -> None:
    make_audio("x.wav", 24000)
    np.save("mel.npy", np.full((100, 30), -5.0))
    for source in ("harvest", "dio", "mel"):
        assert ondes("synth", "x.wav", "-o", source, "-m", small_wavehax, "--f0", source).code == 0
    run = ondes("synth", "mel.npy", "-o", "out", "-m", small_wavehax, "--f0", "harvest")
    assert run.code == 1
    assert "auto or mel" in run.err
    run = ondes("synth", "x.wav", "-o", "out", "-m", small_wavehax, "--f0", "harvst")
    assert run.code == 2
    assert "harvest" in run.err


def bad_feature_files() -> dict[str, str]:
    good, f0 = np.zeros((240, 4)), np.zeros(4)
    np.save("lonely.npy", good)
    np.savez("unnamed.npz", good, good)
    np.savez("short.npz", features=good, f0=f0[:2])
    np.savez("nan.npz", features=good * np.nan, f0=f0)
    np.savez("negative.npz", features=good, f0=f0 - 1)
    np.savez("flat.npz", features=good[0], f0=f0)
    np.savez("transposed.npz", features=good.T, f0=np.zeros(240))
    np.savez("foreign.npz", features=good, f0=f0, fingerprint="mel 22050 Hz")
    np.savez("words.npz", features=np.full((240, 4), "a"), f0=f0)
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("text.npy").write_text("not an array")
    Path("empty.npz").write_bytes(b"")
    Path("cut.npz").write_bytes(Path("short.npz").read_bytes()[:300])
    return {
        "lonely.npy": "no F0",
        "unnamed.npz": "'features'",
        "short.npz": "one per frame",
        "nan.npz": "NaN",
        "negative.npz": "negative",
        "flat.npz": "(bins, frames)",
        "transposed.npz": "are transposed",
        "foreign.npz": "model: samples 24000 Hz",
        "words.npz": "expected numbers",
        "objects.npy": "plain numbers",
        "text.npy": "plain numbers",
        "empty.npz": "empty",
        "cut.npz": "damaged",
    }


def test_bad_features_are_listed_and_the_rest_goes_on(ondes, make_audio) -> None:
    make_audio("good.wav")
    causes = bad_feature_files()
    run = ondes("synth", *causes, "good.wav", "-o", "out", "--json")
    assert run.code == 1
    assert files_below("out") == ["good.wav"]
    assert f"{len(causes)} of {len(causes) + 1} files failed" in run.err
    errors = {line["path"]: line["error"] for line in map(json.loads, run.out.splitlines()) if "error" in line}
    for name, cause in causes.items():
        assert cause in errors[name], (name, errors[name])
        assert name in errors[name]


def test_bad_audio_is_listed_and_the_rest_goes_on(ondes, make_audio) -> None:
    make_audio("in/a.wav")
    make_audio("in/z.wav")
    Path("in/empty.wav").write_bytes(b"")
    Path("in/text.wav").write_text("not audio at all\n" * 9)
    make_audio("in/short.wav", 3)
    make_audio("in/bug.wav", 777 * 240)
    soundfile.write("in/nan.wav", np.full(1000, np.nan), 24000, subtype="FLOAT")
    write_audio("in/silent.wav", torch.zeros(1000), 24000)
    run = ondes("synth", "in", "-o", "out")
    assert run.code == 1
    assert files_below("out") == ["a.wav", "silent.wav", "z.wav"]
    for part in [
        "empty (0 bytes)",
        "text file",
        "3 samples are less",
        "NaN",
        "RuntimeError: a bug",
        "5 of 8 files failed",
    ]:
        assert part in run.err
    assert "long story" not in run.err
    assert "silent.wav" in run.err


def test_entry_of_a_list_that_is_missing_is_one_failure(ondes, make_audio) -> None:
    make_audio("x.wav")
    Path("wav.scp").write_text("a x.wav\nb none.wav\n")
    run = ondes("synth", "wav.scp", "-o", "out")
    assert run.code == 1
    assert "none.wav: " in run.err
    assert files_below("out") == ["a.wav"]


def test_wrong_rate_needs_resample(ondes, make_audio) -> None:
    make_audio("x.wav", 4800, rate=48000)
    make_audio("fine.wav")
    run = ondes("synth", "fine.wav", "x.wav", "-o", "out")
    assert run.code == 2
    assert re.fullmatch(r"error: x\.wav: 48000 Hz.* 24000 Hz.*--resample\n", run.err)
    assert not Path("out").exists()
    assert ondes("synth", "x.wav", "-o", "y.wav", "--resample").code == 0
    info = audio_info("y.wav")
    assert (info.sample_rate, info.frames) == (24000, 2400)


def test_json_lines(ondes, make_audio) -> None:
    audio = make_audio("x.wav", 12000, channels=2)
    run = ondes("synth", "x.wav", "-o", "y.wav", "--json")
    (line,) = map(json.loads, run.out.splitlines())
    assert line.pop("rtf") >= 0
    assert line == {
        "path": "x.wav",
        "output": "y.wav",
        "seconds": 0.5,
        "sample_rate": 24000,
        "channels": 2,
        "peak": round(float(audio.abs().max()), 6),
    }


def test_too_loud_output_is_limited_with_a_warning(
    ondes, make_audio, tiny_module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_module.TinyVocoder(tiny_module.TinyVocoderConfig(gain=100.0)).save_pretrained(tmp_path / "loud")
    make_audio("x.wav")
    run = ondes("synth", "x.wav", "-o", "y.wav", "-m", tmp_path / "loud")
    assert run.code == 0
    assert "warning: y.wav: peak" in run.err
    assert 0.99 < read_audio("y.wav")[0].abs().max() < 1
    # Standard input is read to its end.
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("x.wav").read_bytes())))
    run = ondes("synth", "-", "-o", "z.wav", "-m", tmp_path / "loud")
    assert (run.code, "warning: z.wav: peak" in run.err) == (0, True), run.err
    assert 0.99 < read_audio("z.wav")[0].abs().max() < 1


def test_existing_output_is_kept_without_force(ondes, make_audio, tiny_module) -> None:
    make_audio("in/a.wav")
    make_audio("in/b.wav")
    make_audio("out/b.wav", 5)
    run = ondes("synth", "in", "-o", "out")
    assert run.code == 2
    assert re.search(r"out/b\.wav .*--force", run.err)
    assert files_below("out") == ["b.wav"]
    assert audio_info("out/b.wav").frames == 5
    assert tiny_module.calls == []
    assert ondes("synth", "in", "-o", "out", "--force").code == 0
    assert audio_info("out/b.wav").frames == 1000


def test_failure_with_force_keeps_the_old_output(ondes, make_audio) -> None:
    Path("x.wav").write_text("not audio")
    old = make_audio("y.wav")
    assert ondes("synth", "x.wav", "-o", "y.wav", "--force").code == 1
    assert torch.equal(read_audio("y.wav")[0], old)


@pytest.mark.parametrize("output", ["x.wav", ".", "link"])
def test_an_input_is_never_overwritten(ondes, make_audio, output: str) -> None:
    audio = make_audio("x.wav")
    Path("link").symlink_to(".")
    run = ondes("synth", "x.wav", "-o", output, "--force")
    assert run.code == 2
    assert "is an input" in run.err
    assert torch.equal(read_audio("x.wav")[0], audio)


def test_outputs_that_cannot_be_are_refused_before_any_work(ondes, make_audio, tiny_module) -> None:
    make_audio("a/x.wav")
    make_audio("b/x.wav")
    make_audio("b/x.flac")
    Path("file").write_text("")
    Path("taken/x.wav").mkdir(parents=True)
    for arguments, cause in [
        (["a/x.wav", "b/x.wav", "-o", "out"], "a/x.wav and b/x.wav would both become out/x.wav"),
        (["b", "-o", "out"], "would both become out/x.wav"),
        (["a", "b/x.wav", "-o", "y.wav"], "is one file, but there are 2 inputs"),
        (["a/x.wav", "-o", "y.m4a"], "cannot write '.m4a'"),
        (["a/x.wav", "-o", "file"], "file is a file"),
        (["a/x.wav", "-o", "taken", "--force"], "is a folder"),
        (["none.wav", "a/x.wav", "-o", "out"], "none.wav: no such file"),
        (["none/*.wav", "-o", "out"], "matches no audio"),
        (["taken", "-o", "out"], "no audio"),
        (["a/x.wav", "-o", "out", "--f0-scale", "0"], "f0_scale"),
        (["a/x.wav", "-o", "out", "--f0-scale", "nan"], "f0_scale"),
        (["a/x.wav", "-o", "out", "--device", "abacus"], "unknown device"),
        (["a/x.wav", "-o", "out", "--model", "tiny-24"], "did you mean 'tiny-24k'"),
        (["a/x.wav", "-o", "out", "--model", "a"], "no config.json"),
    ]:
        run = ondes("synth", *arguments)
        assert run.code == 2, arguments
        assert cause in run.err, (cause, run.err)
        assert not Path("out").exists()
    assert tiny_module.calls == []


def test_sub_folders_keep_equal_names_apart(ondes, make_audio) -> None:
    make_audio("in/a/x.wav")
    make_audio("in/b/x.wav")
    assert ondes("synth", "in", "-o", "out").code == 0
    assert files_below("out") == ["a/x.wav", "b/x.wav"]


def test_damaged_model_or_another_family(ondes, make_audio, tmp_path: Path) -> None:
    make_audio("x.wav")
    weights = tmp_path / "weights" / "tiny-24k" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    run = ondes("synth", "x.wav", "-o", "out", "-m", "tiny-24k")
    assert (run.code, "truncated" in run.err) == (2, True)
    weights.write_bytes(content)
    config = weights.with_name("config.json")
    config.write_text(config.read_text().replace('"tiny"', '"huge"'))
    run = ondes("synth", "x.wav", "-o", "out", "-m", "tiny-24k")
    assert (run.code, "family 'huge'" in run.err) == (2, True)


def test_quiet_and_verbose(ondes, make_audio) -> None:
    make_audio("x.wav")
    assert ondes("-q", "synth", "x.wav", "-o", "a").err == ""
    assert "debug: " in ondes("-v", "synth", "x.wav", "-o", "b").err


@pytest.mark.parametrize("where", ["python", "c"])
def test_ctrl_c_leaves_whole_files_alone(make_audio, repository: Path, tmp_path: Path, where: str) -> None:
    make_audio("in/a.wav", 480)
    make_audio("in/b.wav", 5 * 240)  # this one takes for ever
    make_audio("in/c.wav", 480)
    Path("ondes.py").write_text(
        "import sys, types\n"
        "import tiny_vocoder, vocoders.registry as registry\n"
        "registry.FAMILIES['tiny'] = registry.VocoderFamily("
        "'tiny', 'Tiny', 'tiny_vocoder:TinyVocoder', options='tiny_vocoder:TinyOptions')\n"
        "from recipes.cli.main import main\n"
        "sys.exit(main())\n"
    )
    search = os.pathsep.join([str(repository), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": search, "TINY_WAIT": where, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "ondes.py", "synth", "in", "-o", "out", "-m", tmp_path / "weights/tiny-24k", "--json"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A test run in the background of a script inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert json.loads(process.stdout.readline())["path"] == "in/a.wav"
    while process.stderr.readline() != "waiting\n":
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    expected = {"python": "interrupted; 1 of 3 files are finished", "c": "interrupted"}
    assert errors.splitlines()[-1] == expected[where]
    assert "Traceback" not in errors
    assert files_below("out") == ["a.wav"]


@pytest.mark.parametrize("name", ["griffin-lim", "griffin-lim:wavehax_24k", "world"])
def test_baselines_are_models(ondes, make_audio, name: str) -> None:
    audio = make_audio("x.wav", 6001)
    run = ondes("synth", "x.wav", "-o", "y.wav", "--model", name)
    assert run.code == 0, run.err
    found = read_audio("y.wav")[0]
    assert found.shape == audio.shape
    assert 0.3 < found.square().mean() / audio.square().mean() < 3


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--model", "griffin-lim:none"], "no model 'none'"),
        (["--model", "world:x"], "expected a sample rate"),
        (["--model", "world", "--device", "cuda"], "runs on the CPU"),
        (["--model", "griffin-lim", "--f0-scale", "2"], "has no such option"),
        (["--model", "world", "--steps", "4"], "--steps"),
        (["--model", "world:48000"], "48000 Hz model; pass --resample"),
    ],
)
def test_baselines_refuse(ondes, make_audio, arguments: list[str], cause: str) -> None:
    make_audio("x.wav", 6000)
    run = ondes("synth", "x.wav", "-o", "y.wav", *arguments)
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert cause in run.err

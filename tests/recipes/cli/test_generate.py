"""`ondes generate`: files of drawn waveforms, prompts, ranking, and what is refused."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch

import vocoders.registry
from recipes.cli.drawing import batch_size
from vocoders.core.audio import audio_info, read_audio, write_audio
from vocoders.core.errors import DataError
from vocoders.sashimi import CodeSampling, Sashimi, SashimiConfig
from vocoders.sashimi.sampler import generate

RATE = 8000
LENGTH = 160
TINY = SashimiConfig(sample_rate=RATE, channels=8, num_layers=1, kernel_length=256)


@pytest.fixture
def sashimi(tiny, monkeypatch, tmp_path):
    """Gives the folder of a small network; the working folder is empty."""
    family = vocoders.registry.VocoderFamily(
        "sashimi",
        "SaShiMi",
        "vocoders.sashimi:Sashimi",
        options="vocoders.sashimi:CodeOptions",
        kind="generator",
    )
    monkeypatch.setitem(vocoders.registry.FAMILIES, "sashimi", family)
    torch.manual_seed(0)
    Sashimi(TINY).save_pretrained(tmp_path / "sashimi")
    return tmp_path / "sashimi"


@pytest.fixture
def words(sashimi):
    """Give the folder of a network with labels."""
    torch.manual_seed(0)
    model = Sashimi(TINY.model_copy(update={"labels": ("yes", "no")}))
    for name, parameter in model.named_parameters():
        if name.endswith("label_offsets"):
            torch.nn.init.normal_(parameter)
    model.save_pretrained(sashimi.parent / "words")
    return sashimi.parent / "words"


@pytest.fixture
def draw(ondes, sashimi):
    """Return a function that runs the command for 20 ms."""
    return lambda *words: ondes("generate", "-m", sashimi, "--seconds", LENGTH / RATE, *words)


def write_tone(path, rate=RATE, channels=1, seconds=0.05):
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(round(rate * seconds)) / rate)
    write_audio(path, wave.expand(channels, -1), rate)


def _files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_files_hold_what_the_sampler_draws(draw, sashimi):
    run = draw("--num", 3, "--seed", 5, "--temperature", 0.9, "--top-p", 0.95, "-o", "out")
    assert run.code == 0, run.err
    model = Sashimi.from_pretrained(sashimi).eval()
    expected = generate(model, LENGTH, 3, sampling=CodeSampling(temperature=0.9, top_p=0.95), seed=5).audio
    for item in range(3):
        audio, rate = read_audio(f"out/sample-{item}.wav")
        assert rate == RATE
        torch.testing.assert_close(audio, expected[item], atol=2 / 32768, rtol=0)
    assert "samples per second" in run.err


def test_equal_seeds_give_equal_audio_whatever_the_batch(draw):
    assert draw("--num", 3, "--seed", 1, "-o", "a").code == 0
    assert draw("--num", 3, "--seed", 1, "--batch", 1, "-o", "b").code == 0
    assert draw("--num", 3, "--seed", 2, "-o", "c").code == 0
    a, b, c = (torch.stack([read_audio(f"{folder}/sample-{item}.wav")[0] for item in range(3)]) for folder in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_items_of_many_minutes_are_written_as_they_are_drawn_and_are_the_same(draw, ondes, words, monkeypatch):
    write_tone("start.wav")
    given = ("--num", 3, "--prompt", "start.wav", "--seed", 5, "--json")
    shorts = [json.loads(line) for line in draw(*given, "-o", "short").out.splitlines()]
    ondes("generate", "-m", words, "--num", 3, "--seconds", 0.02, "-o", "named")
    monkeypatch.setattr("recipes.cli.long_generation._LONG_SECONDS", 0.0)
    draw(*given, "--shard", "2/3", "-o", "long")
    run = draw(*given, "--skip-existing", "-o", "long")
    ondes("generate", "-m", words, "--num", 3, "--seconds", 0.02, "-o", "named again")
    longs = [json.loads(line) for line in run.out.splitlines()]
    assert [report["item"] for report in longs] == [0, 2]
    assert [report["seconds"] for report in longs] == [report["seconds"] for report in shorts[::2]]
    assert all(report["bits_per_sample"] is None for report in longs)
    for one, other in (("short", "long"), ("named", "named again")):
        assert len(_files(one)) == 3
        assert _files(one) == _files(other)


def test_processes_draw_the_same_and_report_in_order(ondes, words):
    write_tone("start.wav", rate=16000)
    given = ("generate", "-m", words, "--num", 5, "--prompt", "start.wav", "--seconds", 0.02, "--seed", 3, "--json")
    one = ondes(*given, "-o", "one")
    two = ondes(*given, "-o", "two", "--nj", 2, "--batch", 2)
    assert (one.code, two.code) == (0, 0), two.err
    assert two.out == one.out.replace("one/", "two/")
    assert len(_files("one")) == 5
    assert _files("one") == _files("two")
    assert two.err.count("resampled") == 1


@pytest.mark.slow
def test_processes_rank_the_same_and_write_long_items_the_same(ondes, draw, sashimi):
    ranked = ("--num", 6, "--drop-worst", 0.4, "--seed", 2, "--json")
    one, two = (draw(*ranked, "-o", f"ranked{nj}", "--nj", nj) for nj in (1, 2))
    assert (one.code, two.code) == (0, 0), two.err
    assert two.out == one.out.replace("ranked1/", "ranked2/")
    assert _files("ranked1") == _files("ranked2")
    # Items above 600 s are written while they are drawn.
    Sashimi(TINY.model_copy(update={"sample_rate": 1000})).save_pretrained("slow")
    given = ("generate", "-m", "slow", "--num", 2, "--seconds", 601)
    assert ondes(*given, "-o", "long", "--nj", 2).code == 0
    assert ondes(*given, "-o", "again", "--shard", "2/2").code == 0
    assert _files("again").items() < _files("long").items()


def test_items_are_shared_out_equally():
    batches = lambda count, wanted, nj: batch_size(count, _Free(), wanted, nj)  # noqa: E731
    assert [batches(count, None, 1) for count in (0, 1, 64, 65, 200)] == [1, 1, 64, 33, 50]
    assert [batches(count, None, 2) for count in (1, 3, 64, 129, 200)] == [1, 2, 32, 33, 50]
    assert batches(3, None, 8) == 1
    assert batches(3, 5, 2) == 3


class _Free:
    """Items that need no memory."""

    generator = SimpleNamespace(device=torch.device("cpu"))

    def memory(self, batch):
        return 0


def test_an_item_that_cannot_be_written_does_not_stop_the_others(draw, monkeypatch):
    write = write_audio

    def refuse_one(path, audio, rate):
        if path.name == "sample-1.wav":
            raise DataError(f"{path} cannot be written: no permission")
        write(path, audio, rate)

    monkeypatch.setattr("vocoders.core.audio.write_audio", refuse_one)
    run = draw("--num", 3, "-o", "out", "--json")
    assert run.code == 1
    assert "1 of 3 files failed" in run.err
    assert set(_files("out")) == {"sample-0.wav", "sample-2.wav"}
    assert [list(json.loads(line))[:2] for line in run.out.splitlines()][1] == ["path", "error"]


def test_a_prompt_is_continued(draw, sashimi):
    write_tone("tone.wav", rate=16000, channels=2)
    run = draw("--prompt", "tone.wav", "-o", "out.wav", "--temperature", 0)
    assert run.code == 0, run.err
    assert re.search("resampled .*16000 Hz.* 8000 Hz", run.err)
    assert "average of 2 channels" in run.err
    assert audio_info("out.wav").frames == 400 + LENGTH
    # Greedy: another seed changes nothing.
    assert draw("--prompt", "tone.wav", "-o", "again.wav", "--temperature", 0, "--seed", 9).code == 0
    assert torch.equal(read_audio("out.wav")[0], read_audio("again.wav")[0])


def test_ranking_drops_and_reports(draw):
    run = draw("--num", 5, "--drop-worst", 0.4, "--drop-best", 0.2, "--json", "-o", "out")
    assert run.code == 0, run.err
    reports = [json.loads(line) for line in run.out.splitlines()]
    bits = [report["bits_per_sample"] for report in reports]
    assert len(reports) == 2
    assert bits == sorted(bits, reverse=True)
    assert all(audio_info(report["path"]).frames == LENGTH for report in reports)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", -1], "temperature"),
        (["--temperature", "nan"], "temperature"),
        (["--top-p", 0], "top_p"),
        (["--guidance", -1], "guidance"),
        (["--top-p", 1.5], "top_p"),
        (["--num", 0], "--num"),
        (["--batch", 0], "--batch"),
        (["--seconds", 0], "not a positive number"),
        (["--seconds", "inf"], "not a positive number"),
        (["--drop-worst", 1], "drop"),
        (["--weights", "int4"], "int4"),
        (["--prompt", "missing.wav"], "missing.wav"),
    ],
)
def test_impossible_options_are_refused(draw, options, message, tmp_path):
    run = draw(*options, "-o", "out.wav")
    assert run.code in (1, 2)
    assert message in run.err
    assert "Traceback" not in run.err
    assert not (tmp_path / "work/out.wav").exists()


def test_prompts_without_sound_are_refused(draw):
    write_audio("silent.wav", torch.zeros(1, 800), RATE)
    soundfile.write("empty.wav", [], RATE)
    for name, message in (("silent", "silent"), ("empty", "empty")):
        run = draw("--prompt", f"{name}.wav", "-o", "out.wav")
        assert run.code in (1, 2)
        assert message in run.err


def test_files_and_reports_say_their_labels(ondes, words):
    common = ("generate", "-m", words, "--seconds", LENGTH / RATE, "--seed", 1)
    run = ondes(*common, "--num", 12, "--json", "-o", "out")
    assert run.code == 0, run.err
    reports = [json.loads(line) for line in run.out.splitlines()]
    assert {report["label"] for report in reports} == {"yes", "no"}
    for report in reports:
        assert report["path"] == f"out/sample-{report['item']:02d}-{report['label']}.wav"
    run = ondes(*common, "--num", 2, "--label", "no", "--batch", 1, "-o", "asked")
    assert run.code == 0, run.err
    assert audio_info("asked/sample-1-no.wav").frames == LENGTH
    assert "label no" in run.err
    assert ondes(*common, "--label", "no", "--guidance", 3, "-o", "guided.wav").code == 0
    assert not torch.equal(read_audio("guided.wav")[0], read_audio("asked/sample-0-no.wav")[0])


def test_unknown_labels_are_refused(ondes, words, draw):
    run = ondes("generate", "-m", words, "--label", "maybe", "-o", "out.wav")
    assert run.code == 2
    assert re.search("'maybe'.* yes, no", run.err)
    run = draw("--guidance", 2, "-o", "out.wav")
    assert run.code == 2
    assert re.search("guidance 2 .*labels", run.err)
    run = draw("--label", "yes", "-o", "out.wav")
    assert run.code == 2
    assert "has no labels" in run.err


def test_too_much_for_the_memory_is_refused_before_anything_is_drawn(draw, monkeypatch):
    monkeypatch.setattr("vocoders.core.memory.available_memory", lambda: 1000)
    run = draw("-o", "out.wav")
    assert run.code in (1, 2)
    assert "fewer --seconds" in run.err


def test_one_file_for_many_items_and_existing_files_are_refused(draw):
    assert "give a folder" in draw("--num", 2, "-o", "out.wav").err
    assert draw("-o", "out.wav").code == 0
    run = draw("-o", "out.wav")
    assert run.code in (1, 2)
    assert "out.wav" in run.err
    assert draw("-o", "out.wav", "--force").code == 0


def test_a_vocoder_is_sent_elsewhere(ondes, tiny):
    run = ondes("generate", "-m", tiny, "-o", "out.wav")
    assert run.code in (1, 2)
    assert "ondes synth" in run.err

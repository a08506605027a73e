"""`ondes effect-signal` and `ondes prepare capture`: from a signal to data directories, and one line for bad input."""

import pytest
import soundfile

from recipes.cli.main import main

RATE = 8000


@pytest.fixture
def dry(tmp_path, capsys):
    path = tmp_path / "dry.wav"
    assert main(["effect-signal", str(path), "--seconds", "29", "--rate", str(RATE)]) == 0
    capsys.readouterr()
    return path


def test_a_signal_and_its_recording_become_data_directories(dry, tmp_path, capsys):
    audio, rate = soundfile.read(dry)
    assert (len(audio), rate, soundfile.info(dry).subtype) == (29 * RATE, RATE, "PCM_24")
    soundfile.write(tmp_path / "wet.wav", 0.5 * audio[12:], RATE)
    assert main(["prepare", "capture", str(dry), str(tmp_path / "wet.wav"), str(tmp_path / "data")]) == 0
    printed = capsys.readouterr()
    assert "data/train" in printed.out
    assert "12 samples early" in printed.err
    assert (tmp_path / "data/dev/wet.scp").exists()


def test_a_signal_is_not_overwritten(dry, capsys):
    assert main(["effect-signal", str(dry), "--seconds", "29", "--rate", str(RATE)]) == 2
    assert main(["effect-signal", str(dry), "--seconds", "5", "--force"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("error: ") for line in errors)


def test_bad_recordings_are_one_line(dry, tmp_path, capsys):
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "rate.wav", soundfile.read(dry)[0], 2 * RATE)
    for name in ("missing.wav", "text.wav", "rate.wav"):
        assert main(["prepare", "capture", str(dry), str(tmp_path / name), str(tmp_path / "data")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
    assert not (tmp_path / "data").exists()

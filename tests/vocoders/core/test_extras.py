"""Optional packages: missing ones, and pairs that do not fit, end in one line with the command that mends it."""

import sys
from pathlib import Path

import pytest

from vocoders.core import extras
from vocoders.core.errors import ConfigError, MissingExtraError
from vocoders.core.extras import import_extra


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"metric 'x' needs nothing_like_it.*ondes\[metrics\]"):
        import_extra("nothing_like_it", "nothing_like_it", "metrics", "metric 'x'")


@pytest.mark.parametrize(
    ("torch", "command"),
    [
        ("2.6.0", "pip install --force-reinstall --no-deps 'torchaudio==2.6.0'"),
        ("2.11.0+cu126", "'torchaudio==2.11.0' --index-url https://download.pytorch.org/whl/cu126"),
        ("2.14.1+cpu", "'torchaudio==2.11.*' --index-url https://download.pytorch.org/whl/cpu"),
    ],
)
def test_a_torchaudio_of_another_torch_is_one_line(
    torch: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchaudio says it itself: an error of three lines at import, here of a package that needs it."""
    (tmp_path / "torchaudio.py").write_text('raise RuntimeError("different CUDA versions:\\nPyTorch 12\\naudio 13")')
    (tmp_path / "needs_torchaudio.py").write_text("import torchaudio")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    monkeypatch.setattr(extras, "version", {"torchaudio": "2.9.1", "torch": torch}.get)
    with pytest.raises(ConfigError) as caught:
        import_extra("needs_torchaudio", "needs_torchaudio", "metrics", "metric 'x'")
    message = str(caught.value)
    assert message.endswith(command)
    assert f"torchaudio 2.9.1 does not fit torch {torch}" in message
    assert "\n" not in message


def test_what_is_installed_is_imported() -> None:
    assert import_extra("json", "json", "metrics", "a test").loads("1") == 1


def test_extras_are_those_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "torch<3,>=2.6",
        'pyworld>=0.3.5; extra == "f0"',
        "ondes[f0]; extra == 'train'",
        'visqol-python[lattice]>=3.8; extra == "metrics"',
        'pytest>=8; extra == "test"',
        'auraloss>=0.4; extra == "demo"',
        'auraloss>=0.4; python_version < "4" and extra == "train"',
    ]
    monkeypatch.setattr(extras, "requires", lambda name: lines)
    assert extras.extra_packages() == {
        "f0": ["pyworld"],
        "demo": ["auraloss"],
        "train": ["pyworld", "auraloss"],
        "metrics": ["visqol-python"],
    }
    assert extras.extra_with("auraloss.freq") == "train"
    assert extras.extra_with("pytest") is None

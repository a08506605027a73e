"""Extras, audio formats and shipped models."""

import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

import soundfile

from recipes.doctor.report import Fact, Section
from vocoders.core import ffmpeg
from vocoders.core.audio_formats import WRITABLE_SUFFIXES
from vocoders.core.extras import extra_packages, torchaudio_advice

__all__ = ["audio", "extras", "models"]

# To be chosen for their licences, not advised.
_RESTRICTED = {
    "bench": "brings encodec, CC BY-NC 4.0",
    "kaldi": "kaldiio: evaluation licence of NTT",
    "pedalboard": "GPL 3",
}


def extras() -> Section:
    """Return which packages of each extra are installed."""
    facts: dict[str, Fact] = {}
    lacking = []
    for extra, packages in extra_packages().items():
        missing = [name for name in packages if not _is_installed(name)]
        state = f"lacks {', '.join(missing)}" if missing else "installed"
        facts[extra] = f"{state} ({_RESTRICTED[extra]})" if extra in _RESTRICTED else state
        lacking += [extra] if missing and extra not in _RESTRICTED else []
    advice = [f"what is not installed: pip install 'ondes[{','.join(lacking)}]'"] if lacking else []
    misfit = torchaudio_advice()
    return Section("extras", facts, advice, faults=[] if misfit is None else [misfit])


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def audio() -> Section:
    """Return the formats that the installed libsndfile and ffmpeg read and write."""
    facts: dict[str, Fact] = {
        "libsndfile": soundfile.__libsndfile_version__,
        "reads": sorted(name.lower() for name in soundfile.available_formats()),
        "writes": list(WRITABLE_SUFFIXES),
    }
    advice = []
    if program := shutil.which("ffmpeg"):
        facts["ffmpeg"] = f"{program} {_ffmpeg_version(program)}".strip()
        facts["reads by ffmpeg"] = list(ffmpeg.SUFFIXES)
    else:
        facts["ffmpeg"] = None
        advice.append(f"{', '.join(ffmpeg.SUFFIXES[:4])} and other formats need ffmpeg: apt install ffmpeg")
    if ".mp3" not in WRITABLE_SUFFIXES:
        advice.append(f"libsndfile {soundfile.__libsndfile_version__} has no MP3: pip install -U soundfile")
    return Section("audio formats", facts, advice)


def _ffmpeg_version(program: str) -> str:
    try:
        printed = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.match(r"ffmpeg version (\S+)", printed)
    return found[1] if found else ""


def models() -> Section:
    """Return the shipped models."""
    from vocoders.core.model_source import MODEL_FILES, shipped_folders

    folders = shipped_folders()
    torn = [folder.name for folder in folders if any(not (folder / file).is_file() for file in MODEL_FILES)]
    faults = [f"files of {', '.join(torn)} are missing; pip install --force-reinstall ondes"] if torn else []
    if not folders:
        faults.append("no model is installed with ondes; pip install --force-reinstall ondes")
    return Section("shipped models", {"names": [folder.name for folder in folders]}, faults=faults)

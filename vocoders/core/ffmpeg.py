"""Decoding of other formats than libsndfile's by the program ffmpeg, where it is installed.

The program is started without a shell, reads one local file of a known format and nothing else (playlists and scripts
would name other files), and writes to a temporary folder that is removed after reading.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vocoders.core.errors import UnreadableAudioError

__all__ = ["DEMUXERS", "SUFFIXES", "decoded", "is_installed", "is_known"]

SUFFIXES = (
    *(".m4a", ".m4b", ".m4r", ".mp4", ".mov", ".3gp", ".aac", ".webm", ".weba", ".mka", ".mkv", ".wma", ".asf", ".avi"),
    *(".ac3", ".eac3", ".dts", ".amr", ".ape", ".mpc", ".spx", ".tta", ".wv"),
)

DEMUXERS = ",".join(
    "mov matroska asf avi aac ac3 eac3 dts dtshd amr amrnb amrwb ape mpc mpc8 ogg tta wv caf aiff au flac mp3 w64 wav "
    "mpegts".split()
)
# MPEG-4, Matroska and WebM, ASF, AMR, WavPack, True Audio, Monkey's Audio, Musepack, Speex and FLAC in Ogg.
_SIGNATURES = re.compile(
    rb"....ftyp|\x1aE\xdf\xa3|0&\xb2u\x8ef\xcf\x11|#!AMR|wvpk|TTA1|MAC |MPCK|MP\+|OggS.{24}(?:Speex|\x7fFLAC)",
    re.DOTALL,
)
_TIMEOUT_SECONDS = 1800
_LIMIT_BYTES = 8 << 30


def is_installed() -> bool:
    """Tell whether the program is installed."""
    return shutil.which("ffmpeg") is not None


def is_known(path: Path, head: bytes) -> bool:
    """Tell from the name or the first bytes of a file whether ffmpeg should decode it."""
    return path.suffix.lower() in SUFFIXES or _SIGNATURES.match(head) is not None


@contextmanager
def decoded(path: Path, most_seconds: float | None = None) -> Iterator[tuple[Path, str]]:
    """Yield a temporary W64 file with the first audio track of ``path``, float32, and ffmpeg's complaint.

    Args:
        path: any media file.
        most_seconds: decode no more than this.

    Raises:
        UnreadableAudioError: if ffmpeg is not installed, finds no audio, takes too long or needs too much space.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        told = "needs the program ffmpeg, which is not installed"
        raise UnreadableAudioError(f"{path} {told}; install it, or convert the file to .wav or .flac", told)
    with tempfile.TemporaryDirectory(prefix="ondes-") as folder:
        target = Path(folder) / "audio.w64"
        source = ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-i", f"file:{path.absolute()}"]
        length = [] if most_seconds is None else ["-t", f"{most_seconds:.3f}"]
        coding = ["-map", "0:a:0", "-c:a", "pcm_f32le", "-fs", str(_LIMIT_BYTES), "-f", "w64"]
        command = [program, "-nostdin", "-hide_banner", "-v", "error", *source, *length, *coding, str(target)]
        try:
            run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise _unreadable(path, f"it takes longer than {_TIMEOUT_SECONDS} s") from None
        except OSError as error:
            raise _unreadable(path, f"the program does not start: {error.strerror or error}") from None
        complaint = _first_line(run.stderr, path)
        if run.returncode != 0 or not target.is_file():
            raise _unreadable(path, complaint or f"it ended with code {run.returncode}")
        if target.stat().st_size >= _LIMIT_BYTES - (1 << 20):
            raise _unreadable(path, f"the audio takes more than {_LIMIT_BYTES >> 30} GiB")
        yield target, complaint


def _unreadable(path: Path, cause: str) -> UnreadableAudioError:
    return UnreadableAudioError(f"{path} cannot be decoded by ffmpeg: {cause}", f"not decoded by ffmpeg ({cause})")


def _first_line(output: bytes, path: Path) -> str:
    """Return the first complaint, without memory addresses and without the path, which the message already contains."""
    lines = [re.sub(r"\[[^]]*\] *", "", line) for line in output.decode("utf-8", "replace").splitlines()]
    address = re.compile(f"(file:)?{re.escape(str(path.absolute()))}(: )?")
    told = [address.sub("", line).strip().rstrip(".") for line in lines]
    return next((line for line in told if line), "")

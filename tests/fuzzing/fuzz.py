"""Coverage-guided fuzzing of every reader of files, by atheris (`pip install 'ondes[fuzz]'`).

Each reader has a process of its own, which starts from its seeds and from what was found before. A content that breaks
a reader is written to `out/fuzz/found/READER`; moved to `tests/fuzzing/found`, the tests read it at every run.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
# What a reader may take for one content, of at most so many bytes.
_SECONDS, _MEGABYTES, _BYTES = 10, 2048, 1 << 14


def main() -> int:
    """Fuzz all readers, or some; return 1 if one was broken."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of files.")
    parser.add_argument("readers", nargs="*", help="names of readers; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="time for each reader")
    parser.add_argument("--out", type=Path, default=_ROOT / "out" / "fuzz", help="folder for corpora and findings")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path[:0] = [str(_ROOT), str(_HERE), str(_HERE.parent / "samples")]
    if options.child:
        _fuzz(options.readers[0], options.seconds, options.out)
        return 0
    from fuzzed_readers import READERS

    if unknown := set(options.readers) - set(READERS):
        parser.error(f"no reader {', '.join(unknown)}; there are {', '.join(READERS)}")
    broken = 0
    for name in options.readers or READERS:
        tried, found = _run(name, options.seconds, options.out)
        broken += found
        print(f"{name}: {tried} contents tried, {found} broke the reader", flush=True)
    return 1 if broken else 0


def _run(name: str, seconds: int, out: Path) -> tuple[int, int]:
    """Fuzz a reader in another process; return the number of contents tried, and of different faults."""
    found = out / "found" / name
    before = set(found.glob("*"))
    command = [sys.executable, __file__, name, "--child", "--seconds", str(seconds), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    match = re.search(r"Done (\d+) runs", ended.stderr) or re.search(
        r"stat::number_of_executed_units:\s*(\d+)", ended.stderr
    )
    if match is None:
        print(ended.stderr[-2000:], file=sys.stderr)
    return int(match[1]) if match else 0, len(set(found.glob("*")) - before)


def _fuzz(name: str, seconds: int, out: Path) -> None:
    """Fuzz a reader in this process, which ends with it."""
    import logging

    import atheris

    with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
        include=[
            "vocoders.core",
            "effects.captures",
            "effects.automation",
            "recipes.data",
            "recipes.runs",
            "recipes.serving",
            "vocoders.frontends.convention_presets",
            "vocoders.frontends.mel_convention",
            "lhotse.cut",
            "lhotse.audio.recording",
            "lhotse.supervision",
        ],
        # numba compiles these, and knows no instrumented code.
        exclude=["vocoders.core.vectors", "vocoders.core.tiles"],
    ):
        from fuzzed_readers import READERS, attempt

    logging.disable()
    corpus, found = out / "corpus" / name, out / "found" / name
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    for content in [*READERS[name].seeds(), *(path.read_bytes() for path in (_HERE / "found" / name).glob("*"))]:
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    known: set[str] = set()

    def try_one(content: bytes) -> None:
        started = time.thread_time()
        try:
            attempt(name, content)
            place = "slow" if time.thread_time() - started > _SECONDS / 5 else ""
        except Exception as error:  # any escape is a fault; the first of each kind is kept, and the search goes on
            place = f"{type(error).__name__} {traceback.extract_tb(error.__traceback__)[-1].lineno}"
        if place and place not in known:
            known.add(place)
            (found / f"{place.split()[0]}-{hashlib.sha256(content).hexdigest()[:8]}").write_bytes(content)

    limits = [f"-timeout={_SECONDS}", f"-rss_limit_mb={_MEGABYTES}", f"-max_len={_BYTES}"]
    files = [f"-artifact_prefix={found}/", str(corpus)]
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-print_final_stats=1", *limits, *files], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())

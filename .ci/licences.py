"""The licences of all packages that ondes and its extras bring, as they stand in NOTICE.

python .ci/licences.py            print them, and fail where one is not free for all uses
python .ci/licences.py --write    write them into NOTICE
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["EXTRAS", "NOTICE", "RESTRICTED", "closure", "is_refused", "licence_of", "section"]

ROOT = Path(__file__).resolve().parents[1]
NOTICE = ROOT / "NOTICE"
HEADING = "Packages that ondes uses and does not contain, with the licences that they declare"
EXTRAS = ("train", "metrics", "f0", "formats", "shards", "lhotse", "export", "demo", "serve")
# Extras with a package that not everyone may use; nothing else depends on them.
RESTRICTED = {
    "bench": "vocos (MIT) brings encodec: CC BY-NC 4.0, not for commercial use",
    "kaldi": "kaldiio: evaluation licence of NTT",
    "pedalboard": "pedalboard: GPL-3.0-only",
}
# They come with builds of torch for NVIDIA's GPUs, under NVIDIA's terms.
_OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")
# From its repository, where the metadata of a package say nothing.
_SAID_ELSEWHERE = {"pyworld": "MIT"}


def closure(extras: Iterable[str] = EXTRAS) -> dict[str, Distribution]:
    """Return the installed packages that ondes needs with these extras, by their normal names."""
    found: dict[str, Distribution] = {}
    waiting = _of_ondes(("", *extras))
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name == "ondes":
            waiting += _of_ondes(wanted.extras)
            continue
        for extra in ("", *wanted.extras):
            if (name, extra) in seen or _OF_CUDA.match(name):
                continue
            seen.add((name, extra))
            try:
                found[name] = distribution(wanted.name)
            except PackageNotFoundError:
                continue
            needed = map(Requirement, found[name].requires or [])
            waiting += [need for need in needed if need.marker is None or need.marker.evaluate({"extra": extra})]
    return dict(sorted(found.items()))


def _of_ondes(extras: Iterable[str]) -> list[Requirement]:
    """Return what ondes itself asks for; the extra "" is the core."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"": project["dependencies"], **project["optional-dependencies"]}
    return [Requirement(line) for extra in extras for line in wanted[extra]]


def licence_of(package: Distribution) -> str:
    """Return the licence that a package declares, in one line."""
    data = package.metadata
    if expression := data.get("License-Expression"):
        return expression
    classifiers = [line.rpartition(" :: ")[2] for line in data.get_all("Classifier", []) if line.startswith("License")]
    named = [line for line in classifiers if line not in ("OSI Approved", "License")]
    text = (data.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 60:
        return text
    if named or text:
        return ", ".join(named) or text.splitlines()[0]
    return _SAID_ELSEWHERE.get(package.name, "not declared")


def is_refused(licence: str) -> bool:
    """Tell whether no alternative of a licence is free for all uses without reaching into other programs (GPL)."""
    alternatives = re.split(r"\bOR\b|,", licence)
    pattern = r"\bA?GPL|GNU (?:Affero )?General Public|NonCommercial|\bNC\b|(?i:evaluation)|not declared"
    return all(re.search(pattern, part) for part in alternatives)


def section() -> str:
    """Return the section of NOTICE."""
    rows = [f"{name}: {licence_of(package)}" for name, package in closure().items()]
    lines = [f"{HEADING}", f"(extras {', '.join(EXTRAS)} included; written by `make notice`):", "", *rows, ""]
    lines += ["Builds of torch for NVIDIA's GPUs bring NVIDIA's libraries (nvidia-*, cuda-*) under NVIDIA's terms.", ""]
    lines += ["Extras that are installed by their names alone, because of their terms:", ""]
    return "\n".join([*lines, *(f"{extra}: {terms}" for extra, terms in RESTRICTED.items()), ""])


def main(arguments: list[str]) -> int:
    """Print or write the section; the exit code is 1 if a package is not free for all uses."""
    text = section()
    if arguments == ["--write"]:
        before = NOTICE.read_text(encoding="utf-8").partition(HEADING)[0].rstrip()
        NOTICE.write_text(f"{before}\n\n{text}", encoding="utf-8")
    else:
        print(text, end="")
    refused = [name for name, package in closure().items() if is_refused(licence_of(package))]
    if refused:
        print(f"error: not free for all uses: {', '.join(refused)}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

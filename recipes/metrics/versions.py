"""Versions of the packages on which the values of metrics depend."""

import importlib.metadata

__all__ = ["package_versions"]

_PACKAGES = (
    *("ondes", "torch", "torchaudio", "pesq", "auraloss", "pyworld", "pystoi", "speechmos", "librosa"),
    *("torchcrepe", "swift-f0"),
)


def package_versions() -> dict[str, str]:
    """Return the versions of those that are installed."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions

"""Optional packages: imported on first use, with one line that says what to install, or what does not fit together."""

import importlib
import re
from importlib.metadata import PackageNotFoundError, requires, version
from types import ModuleType

from vocoders.core.errors import ConfigError, MissingExtraError

__all__ = ["extra_packages", "extra_with", "import_extra", "torchaudio_advice"]

# What its own tests need, but no user.
_OF_DEVELOPERS = ("all", "dev", "docs", "fuzz", "test")
# Modules that a command needs as a whole are those of recipes.
_ASKED_FIRST = ("train", "metrics")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([\w,-]+)\])?.*?(?:;.*extra == ['\"]([\w-]+)['\"])?$")
# Later releases of torch go with the last one of torchaudio.
_LAST_TORCHAUDIO = (2, 11)


def import_extra(module: str, package: str, extra: str, purpose: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: dotted module name.
        package: name of the package with the module.
        extra: extra of ondes that installs it.
        purpose: what needs it, for the message.

    Raises:
        ConfigError: if it is installed and does not load, such as torchaudio beside a torch of another build.
        MissingExtraError: if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or package, extra, purpose) from None
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        remedy = torchaudio_advice() or f"pip install --force-reinstall {package}"
        raise ConfigError(f"{purpose} needs {package}, which does not load ({reason}); {remedy}") from None


def extra_packages() -> dict[str, list[str]]:
    """Return the packages of each extra that users may want, from the metadata of the installation."""
    wanted: dict[str, list[tuple[str, str]]] = {}
    try:
        lines = requires("ondes") or []
    except PackageNotFoundError:  # a copy of the packages that nobody has installed
        lines = []
    for name, nested, extra in (match.groups() for line in lines if (match := _REQUIREMENT.match(line))):
        if extra and extra not in _OF_DEVELOPERS:
            wanted.setdefault(extra, []).append((name, nested or ""))
    return {extra: list(dict.fromkeys(_unfolded(extra, wanted))) for extra in wanted}


def _unfolded(extra: str, wanted: dict[str, list[tuple[str, str]]]) -> list[str]:
    """Return the packages of an extra, those of extras within it too."""
    found = []
    for name, nested in wanted.get(extra, []):
        inner = [package for part in nested.split(",") for package in _unfolded(part, wanted)]
        found += inner if name == "ondes" else [name]
    return found


def extra_with(module: str) -> str | None:
    """Return the extra that installs a module, ``train`` before others; ``None`` if none does."""
    name = module.partition(".")[0].replace("_", "-").lower()
    fitting = [extra for extra, packages in extra_packages().items() if name in map(str.lower, packages)]
    # The metadata of a wheel sorts them by name.
    return next((extra for extra in _ASKED_FIRST if extra in fitting), next(iter(fitting), None))


def torchaudio_advice() -> str | None:
    """Return the command that mends a torchaudio which does not load beside this torch; ``None`` if it loads."""
    try:
        installed = version("torchaudio")
    except PackageNotFoundError:
        return None
    try:
        importlib.import_module("torchaudio")
    except Exception:  # whatever a compiled part says that meets another torch
        return f"torchaudio {installed} does not fit torch {version('torch')}: {_install_torchaudio(version('torch'))}"
    return None


def _install_torchaudio(torch_version: str) -> str:
    """Return the command that installs the release of torchaudio for a release of torch, for the same CUDA."""
    release, _, build = torch_version.partition("+")
    major, minor, *_ = (int(part) for part in re.findall(r"\d+", release))
    wanted = release if (major, minor) <= _LAST_TORCHAUDIO else f"{_LAST_TORCHAUDIO[0]}.{_LAST_TORCHAUDIO[1]}.*"
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return f"pip install --force-reinstall --no-deps 'torchaudio=={wanted}'{index}"

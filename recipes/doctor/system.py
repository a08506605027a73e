"""Versions, devices and compiled code."""

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from recipes.doctor.report import Fact, Section, in_megabytes
from vocoders.core.memory import available_memory
from vocoders.core.threads import default_threads, usable_cores
from vocoders.version import __version__

__all__ = ["compiled_code", "devices", "versions"]

_PACKAGES = ("numpy", "scipy", "numba", "librosa", "soundfile", "soxr", "pydantic", "safetensors", "huggingface_hub")


def versions() -> Section:
    """Return the releases of ondes, Python, torch and the packages of the core."""
    import torch

    facts: dict[str, Fact] = {
        "ondes": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "torch": torch.__version__,
    }
    missing = []
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            missing.append(package)
    faults = [f"missing: {', '.join(missing)}; pip install --force-reinstall ondes"] if missing else []
    return Section("versions", facts, faults=faults)


def devices() -> Section:
    """Return processors and accelerators."""
    import torch

    memory = available_memory()
    facts: dict[str, Fact] = {
        "processor": platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or default_threads()),
        "free memory": None if memory is None else in_megabytes(memory),
    }
    advice = []
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index in range(count):
        found = torch.cuda.get_device_properties(index)
        facts[f"cuda:{index}"] = f"{found.name}, {in_megabytes(found.total_memory)}"
    if torch.backends.mps.is_available():
        facts["mps"] = "Apple GPU"
    if not count and shutil.which("nvidia-smi"):
        built = "for the CPU alone" if torch.version.cuda is None else f"for CUDA {torch.version.cuda}"
        advice.append(
            f"torch {torch.__version__} is built {built} and sees no GPU, though nvidia-smi is here; run nvidia-smi, "
            "and choose the torch for your driver on https://pytorch.org/get-started/locally"
        )
    facts["GPUs"] = count
    return Section("devices", facts, advice)


def compiled_code() -> Section:
    """Return whether numba compiles, and which compiler there is for packages that need one."""
    from numba import config, njit

    facts: dict[str, Fact] = {}
    advice: list[str] = []
    faults: list[str] = []
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        facts["numba"] = "off by NUMBA_DISABLE_JIT"
        advice.append("unset NUMBA_DISABLE_JIT: streams, SaShiMi and the fastest Wavehax are compiled code")
    elif njit(lambda x: x + 1)(1) == 2:
        facts["numba"] = "on"
    else:
        faults.append("numba computes wrong sums; pip install --force-reinstall numba llvmlite")
    compiler = next((found for name in ("cc", "gcc", "clang", "cl") if (found := shutil.which(name))), None)
    facts["C compiler"] = compiler and f"{compiler} {_first_line(compiler, '--version')}".strip()
    if compiler is None:
        advice.append("no C compiler: pip cannot install pyworld and pesq (extras f0, metrics); apt install gcc")
    return Section("compiled code", facts, advice, faults)


def _first_line(*command: str) -> str:
    try:
        printed = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"({printed.splitlines()[0]})" if printed else ""

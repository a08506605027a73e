"""Definitions of models stand without what computes them another way: no runtime and no compiler is imported."""

import subprocess
import sys

import pytest

RUNTIMES = ("numba", "llvmlite", "onnx", "onnxruntime", "vocoders.sashimi.runtimes", "effects.runtimes")

_MAKE = {
    "sashimi": "from vocoders.sashimi import Sashimi, SashimiConfig\nSashimi(SashimiConfig(channels=8, num_layers=1))",
    "effects": (
        "from effects.registry import FAMILIES\n"
        "for family in FAMILIES.values():\n"
        "    model = family.model_class\n"
        "    model(model.config_class())"
    ),
}


@pytest.mark.parametrize("models", _MAKE)
def test_making_a_model_imports_no_runtime(models: str) -> None:
    code = f"import sys\n{_MAKE[models]}\nprint(*(name for name in {RUNTIMES} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["tcn", "recurrent", "s4"])
def test_every_stream_that_a_model_names_is_one(name: str) -> None:
    from importlib import import_module

    from effects.registry import FAMILIES
    from effects.runtimes.stream import Stream

    module, stream = FAMILIES[name].model_class.runtime.split(":")
    assert issubclass(getattr(import_module(module), stream), Stream)

"""The common parts of exports: the description, a test vector, and the verification of the export."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effects.knobs import KnobSet
from effects.models import EffectModel
from vocoders.core.graphs.agreement import TEST_VECTOR_FILE, check_agreement, relative_error, write_test_vector
from vocoders.version import __version__

__all__ = ["TestVector", "Verification", "describe", "make_test_vector", "verify"]

_FORMAT = 1
# Largest difference from the model in double precision, as a fraction of the output's peak. If rounding is amplified so
# much that PyTorch in single precision is near this limit, another order of summation may exceed it a few times.
_TOLERANCE = 1e-6
_AMPLIFIED = 4.0
_LEAST_SECONDS = 0.25


@dataclass(frozen=True)
class TestVector:
    """The test of a runtime: input and output audio (C, T), float32, and normalised knobs (K,)."""

    __test__ = False  # tells pytest that this is no test

    input: np.ndarray
    knobs: np.ndarray
    output: np.ndarray
    rounding: float
    """Difference of PyTorch in single precision from ``output``, as a fraction of its peak."""

    def save(self, folder: Path) -> None:
        """Write the file of ``input``, ``knobs`` and ``output`` to a folder."""
        write_test_vector(folder, {"input": self.input, "knobs": self.knobs, "output": self.output})


@dataclass(frozen=True)
class Verification:
    """Difference of an export from the model."""

    max_relative_error: float
    torch_relative_error: float
    tolerance: float


@torch.no_grad()
def make_test_vector(model: EffectModel, settings: Mapping[str, float], least: int = 0) -> TestVector:
    """Return noise of varying level with a pause, and the output of the model for it in double precision.

    Args:
        model: on any device.
        settings: a value for each knob.
        least: least number of samples.
    """
    length = max(least, round(_LEAST_SECONDS * model.sample_rate))
    length = -(-length // model.block_length) * model.block_length
    generator = np.random.default_rng(0)
    envelope = np.abs(np.sin(np.linspace(0, 3 * np.pi, length))) * (np.abs(np.linspace(-1, 1, length)) > 0.05)
    noise = generator.uniform(-1, 1, (model.config.audio_channels, length)) * envelope
    audio = torch.from_numpy(noise.astype(np.float32))[None]
    knobs = model.knobs.normalize(model.knobs.values(settings))[None]
    single = copy.deepcopy(model).cpu().float().eval()
    double = copy.deepcopy(single).double()
    # Both use the knobs rounded to single precision.
    output, _ = double(audio.double(), knobs.float().double())
    rounded, _ = single(audio, knobs.float())
    arrays = (audio[0].numpy(), knobs[0].float().numpy(), output[0].float().numpy())
    return TestVector(*arrays, rounding=relative_error(rounded[0].numpy(), output[0].numpy()))


def verify(vector: TestVector, outputs: Mapping[str, np.ndarray]) -> Verification:
    """Compare the outputs of an export with the test vector.

    Args:
        vector: the test vector.
        outputs: outputs (C, T), by the way of computing them.

    Raises:
        CheckpointError: if one differs too much.
    """
    tolerance = max(_TOLERANCE, _AMPLIFIED * vector.rounding)
    errors = {how: relative_error(output, vector.output) for how, output in outputs.items()}
    return Verification(check_agreement(errors, tolerance), vector.rounding, tolerance)


def describe(
    model: EffectModel, kind: str, settings: Mapping[str, float], frozen: bool, verification: Verification
) -> dict[str, Any]:
    """Return the description of an export; values are in SI units and decibels."""
    return {
        "format": _FORMAT,
        "kind": kind,
        "ondes": __version__,
        "family": model.family,
        "sample_rate": model.sample_rate,
        "audio_channels": model.config.audio_channels,
        "latency_samples": model.latency,
        "receptive_field": model.receptive_field,
        "knobs": _describe_knobs(model.knobs),
        "settings": dict(settings),
        "frozen": frozen,
        "test_vector": TEST_VECTOR_FILE,
        "verification": vars(verification),
    }


def _describe_knobs(knobs: KnobSet) -> dict[str, Any]:
    low, high = knobs.norm
    return {
        "normalisation": f"{low:g} + ({high - low:g}) * position",
        "position": {
            "log": "log(value / min) / log(max / min)",
            "linear, db, int, switch": "(value - min) / (max - min)",
        },
        **knobs.to_dict(),
    }

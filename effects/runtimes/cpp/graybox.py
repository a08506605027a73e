"""Export of gray boxes as plain C++: no runtime, no allocation, sample by sample, as a plug-in wants it."""

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from effects.models import EffectModel
from effects.models.graybox import Blend, Dynamics, Filter, GrayBox, Stage
from effects.runtimes.bundle import TestVector, describe, make_test_vector, verify
from effects.runtimes.cpp.sources import SHARED_SOURCES, copy_sources, write_description, write_lines
from vocoders.core.atomic import atomic_folder
from vocoders.core.errors import ConfigError
from vocoders.core.graphs.agreement import write_metadata

__all__ = ["FILES", "export_cpp"]

_logger = logging.getLogger(__name__)

_SOURCES = {"effect.hpp": "graybox_effect.hpp", "stages.hpp": "stages.hpp"} | {name: name for name in SHARED_SOURCES}
#: The C++ files of an export.
FILES = ("description.hpp", "weights.hpp", *_SOURCES)
_ON_A_LINE = 6


def export_cpp(
    model: EffectModel, folder: str | Path, settings: Mapping[str, Any] | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Export a gray box as C++17, and verify it: the example is compiled and plays the test vector.

    Args:
        model: the effect.
        folder: folder to write.
        settings: knobs at the start.
        overwrite: replace an existing folder.

    Returns:
        The metadata.

    Raises:
        CheckpointError: if the output of the compiled example differs from that of the model.
        ConfigError: for unknown knobs, another family, several channels, or without a C++ compiler.
        DataError: if the folder exists, or cannot be written.
    """
    if not isinstance(model, GrayBox):
        raise ConfigError(f"format 'cpp' is for gray boxes, this is '{model.family}'; use format 'onnx'")
    if model.config.audio_channels != 1:
        raise ConfigError(f"format 'cpp' is for mono models, this has {model.config.audio_channels} channels")
    resolved = model.knobs.resolve(settings)
    vector = make_test_vector(model, resolved)
    with atomic_folder(folder, overwrite) as temporary:
        copy_sources(temporary, _SOURCES)
        write_description(temporary, model, resolved, is_frozen=False)
        write_lines(temporary / "weights.hpp", _weights(model))
        verification = verify(vector, {"C++": _compile_and_play(temporary, vector)})
        vector.save(temporary)
        metadata = describe(model, "cpp", resolved, False, verification) | {"files": list(FILES)}
        write_metadata(temporary, metadata)
    _logger.debug("%s: differs from the model by %.1e of the peak", folder, verification.max_relative_error)
    return metadata


def _weights(model: GrayBox) -> Iterator[str]:
    """Yield the lines of ``weights.hpp``: of each layer the rows, each after its bias, then the linear map."""
    layers = [layer for layer in model.hidden if isinstance(layer, nn.Linear)] + [model.projection]
    sizes = [len(model.knobs), *(layer.out_features for layer in layers)]
    rows = [np.concatenate([_exact(layer.bias)[:, None], _exact(layer.weight)], axis=1) for layer in layers]
    numbers = np.concatenate([row.ravel() for row in [*rows, _exact(model.direct.weight)]])
    yield "// Written by `ondes export`: the stages of this effect, and the network that sets them."
    yield "#pragma once"
    yield ""
    yield '#include "stages.hpp"'
    yield ""
    yield f"using Stages = std::tuple<{', '.join(map(_type, model.stages))}>;"
    yield f"constexpr int num_parameters = {sizes[-1]}, num_layer_sizes = {len(sizes)};"
    yield f"constexpr int layer_sizes[num_layer_sizes] = {{{', '.join(map(str, sizes))}}};"
    yield f"constexpr int widest_layer = {max(sizes)};"
    yield f"constexpr double network[{len(numbers)}] = {{"
    for start in range(0, len(numbers), _ON_A_LINE):
        yield "    " + " ".join(f"{number!r}," for number in numbers[start : start + _ON_A_LINE].tolist())
    yield "};"


def _type(stage: Stage) -> str:
    if isinstance(stage, Filter):
        return f"Filter<{stage.num_sections}>"
    if isinstance(stage, Dynamics | Blend):
        return type(stage).__name__
    return f"Shaper<{stage.num_parameters // 3}>"


def _exact(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def _compile_and_play(folder: Path, vector: TestVector) -> np.ndarray:
    """Return the output (1, T) of the compiled example for the test vector."""
    name = os.environ.get("CXX") or "c++"
    if (compiler := shutil.which(name)) is None:
        raise ConfigError(f"no C++ compiler '{name}', which tries the export; install one, or name it in CXX")
    with tempfile.TemporaryDirectory() as scratch:
        program, source, output = (Path(scratch) / name for name in ("example", "input.f32", "output.f32"))
        vector.input[0].astype("<f4").tofile(source)
        for command in (
            [compiler, "-std=c++17", "-O2", str(folder / "example.cpp"), "-o", str(program)],
            [str(program), str(source), str(output)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no message"])[0]
                raise ConfigError(f"the C++ example fails in '{Path(command[0]).name}': {said}; nothing was written")
        return np.fromfile(output, "<f4")[None]

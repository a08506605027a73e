"""Stream through an exported step graph with ONNX Runtime, as a plug-in would do it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effects.knobs import KnobSet
from effects.runtimes.onnx.graph import StateTensor
from vocoders.core.checks import check_audio
from vocoders.core.errors import CheckpointError, ShapeError
from vocoders.core.graphs.agreement import METADATA_FILE
from vocoders.core.graphs.session import import_onnxruntime, open_session
from vocoders.core.json_files import read_json

__all__ = ["OnnxStream", "StepRunner"]


class StepRunner:
    """Runs a step graph on one thread and passes its states from call to call.

    Args:
        model: the graph, as bytes or a file.
        states: its states.
        in_place: share the memory of input and output for the states that allow it.

    Raises:
        CheckpointError: if the runtime cannot load the graph.
        MissingExtraError: if onnxruntime is not installed.
    """

    def __init__(self, model: bytes | str | Path, states: list[StateTensor], in_place: bool = True) -> None:
        self._runtime = import_onnxruntime()
        self._session = open_session(model)
        self._knobs = next(
            (
                self._runtime.OrtValue.ortvalue_from_numpy(np.zeros(item.shape, np.float32))
                for item in self._session.get_inputs()
                if item.name == "knobs"
            ),
            None,
        )
        self._states, self._in_place = states, in_place
        self.reset()

    def reset(self) -> None:
        """Return to the start of the stream."""
        value = self._runtime.OrtValue.ortvalue_from_numpy
        # Two buffers for each state, which are swapped; one for states that are written in place.
        self._memory = []
        for state in self._states:
            first = value(state.zeros())
            self._memory.append([first, first if state.in_place and self._in_place else value(state.zeros())])
        self._bindings: dict[int, list[Any]] = {}
        self._turn = 0

    def set_knobs(self, knobs: np.ndarray) -> None:
        """Set the normalised knobs (K,), initially 0; frozen knobs do not change."""
        if self._knobs is not None:
            self._knobs.update_inplace(np.ascontiguousarray(knobs, np.float32)[None])

    def run(self, audio: np.ndarray) -> np.ndarray:
        """Process the next samples (1, C, T), float32; T at least 1 and at most what the graph allows."""
        length = audio.shape[-1]
        if length == 0:
            raise ShapeError("a block of 0 samples; expected at least 1")  # the runtime would crash the process
        if length not in self._bindings:
            self._bindings[length] = [self._bind(audio, turn) for turn in range(2)]
        binding, source, result = self._bindings[length][self._turn]
        source.update_inplace(np.ascontiguousarray(audio, np.float32))
        self._session.run_with_iobinding(binding)
        self._turn = 1 - self._turn
        return result.numpy().copy()

    def _bind(self, audio: np.ndarray, turn: int) -> tuple[Any, Any, Any]:
        value = self._runtime.OrtValue.ortvalue_from_numpy
        binding = self._session.io_binding()
        source, result = (value(np.zeros(audio.shape, np.float32)) for _ in range(2))
        binding.bind_ortvalue_input("audio", source)
        if self._knobs is not None:
            binding.bind_ortvalue_input("knobs", self._knobs)
        binding.bind_ortvalue_output("output", result)
        for state, memory in zip(self._states, self._memory, strict=True):
            binding.bind_ortvalue_input(state.input, memory[turn])
            binding.bind_ortvalue_output(state.output, memory[1 - turn])
        return binding, source, result


class OnnxStream:
    """One stream through an exported effect.

    Args:
        folder: folder of the export.
        settings: settings of the knobs, in the form of :meth:`KnobSet.resolve`; by default those of the export.
        in_place: as for :class:`StepRunner`.

    Raises:
        CheckpointError: if the folder is no ONNX export.
        ConfigError: for unknown knobs, or any where they are frozen.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any] | None = None, in_place: bool = True) -> None:
        folder = Path(folder)
        self.metadata = _read_metadata(folder)
        self.sample_rate: int = self.metadata["sample_rate"]
        self.latency_samples: int = self.metadata["latency_samples"]
        schema = self.metadata["knobs"]
        taken = [] if self.metadata["frozen"] else schema["knobs"]
        self.knobs = KnobSet.from_dict({"knobs": taken, "norm": schema["norm"]}, str(folder / METADATA_FILE))
        states = [
            StateTensor(state["name"], tuple(state["shape"]), state["dtype"], state["in_place"])
            for state in self.metadata["states"]
        ]
        self._runner = StepRunner(folder / self.metadata["file"], states, in_place)
        self._settings = {} if self.metadata["frozen"] else dict(self.metadata["settings"])
        self.set_knobs(settings or {})

    def reset(self) -> None:
        """Return to the start of the stream; the knobs do not change."""
        self._runner.reset()

    def set_knobs(self, settings: Mapping[str, Any]) -> None:
        """Set knobs at once; for smooth changes, set them in small steps between short blocks."""
        given = self.knobs.resolve(settings)
        self._settings |= {name: value for name, value in given.items() if name in settings}
        normalized = self.knobs.normalize(self.knobs.values(self._settings))
        self._runner.set_knobs(normalized.float().numpy())

    def process(self, audio: Tensor) -> Tensor:
        """Process the next samples (C, T); return the same number, delayed by ``latency_samples``.

        Raises:
            DataError: for NaN or infinite samples.
            ShapeError: for another number of channels or type, or a block that the graph cannot take.
        """
        audio = check_audio(audio, "CT", least=0)
        channels, multiple = self.metadata["audio_channels"], self.metadata["block"]["multiple_of"]
        if audio.ndim != 2 or audio.shape[0] != channels or audio.shape[1] % multiple:
            raise ShapeError(f"audio {tuple(audio.shape)}; expected ({channels}, T), T a multiple of {multiple}")
        if audio.shape[1] == 0:
            return audio.clone()
        largest = self.metadata["block"]["largest"] or audio.shape[1]
        blocks = [self._runner.run(part.numpy()[None])[0] for part in audio.split(largest, dim=1)]
        return torch.from_numpy(np.concatenate(blocks, axis=-1))


def _read_metadata(folder: Path) -> dict[str, Any]:
    try:
        metadata = read_json(folder / METADATA_FILE)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is not an export: {METADATA_FILE} cannot be read ({error})") from None
    if metadata.get("kind") != "onnx":
        raise CheckpointError(f"{folder} is an export of kind '{metadata.get('kind')}'; expected 'onnx'")
    return metadata

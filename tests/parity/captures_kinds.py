"""Kinds of reference files about captures: files of other programs, beside inputs and outputs of their players."""

import json
from pathlib import Path

import torch
from oracle import OracleFile, kind

from effects.captures.reading import open_capture
from effects.engine import Engine
from effects.models import EffectModel

# The specification's tolerances, for convolutions and for recurrent cells in single precision.
TOLERANCES = {"recurrent": 5e-5}
TOLERANCE = 1e-5
BLOCK = 64


def _capture_of(file: OracleFile) -> Path | None:
    """Return the capture beside a file, which its metadata name."""
    name = file.metadata.get("file")
    path = file.path.with_name(name) if isinstance(name, str) else file.path
    return path if path != file.path and path.is_file() and {"in", "out"} <= set(file.names) else None


def _play(model: EffectModel, audio: torch.Tensor, knobs: list[float], start: dict | None = None) -> torch.Tensor:
    """Return the model's output as a stream of blocks, from the given state or that of a new stream."""
    state = model.initial_state(1, 1) if start is None else start
    values, outputs = torch.tensor([knobs]).reshape(1, -1), []
    for block in audio[None, None].split(BLOCK, dim=-1):
        output, state = model.stream(block, values, state)
        outputs.append(output)
    return torch.cat(outputs, dim=-1)[0, 0]


@kind(lambda file: _capture_of(file) is not None)
@torch.no_grad()
def check_capture(file: OracleFile) -> None:
    """Every recorded variant: sizes, settings of the knobs, starts with and without silence before."""
    path = _capture_of(file)
    for name in [name for name in file.names if name.startswith("out")]:
        if name == "out_core055":
            file.leave(name, "an error of that player: modulations that it skipped")
            continue
        slim = float(name.removeprefix("out_slim_")) if name.startswith("out_slim_") else None
        knobs = file.metadata["knobs_b" if name.endswith("_b") else "knobs"]
        knobs = json.loads(knobs) if isinstance(knobs, str) else knobs
        model = open_capture(path, slim)
        start = None
        if name == "out_cold":
            if model.family == "recurrent":
                file.leave(name, "streams of recurrent captures start after silence, as in players")
                continue
            start = {key: torch.zeros_like(past) for key, past in model.initial_state(1, 1).items()}
        audio, silence = file.tensors["in"], 0
        if name.startswith("out_prewarm_"):
            silence = int(name.removeprefix("out_prewarm_"))
            audio = torch.nn.functional.pad(audio, (silence, 0))
        output = _play(model, audio, knobs, start)[silence:]
        file.compare(name, output, TOLERANCES.get(model.family, TOLERANCE))
        if name == "out" and not knobs:
            # What a user hears: the engine, which waits for whole hops.
            engine = Engine(model)
            file.compare(
                name,
                engine.process(file.tensors["in"][None])[0, engine.latency_samples :],
                TOLERANCE,
                file.tensors["out"][: -engine.latency_samples or None],
            )
    file.report_missing(r"out.*")

"""A stream from an exported ONNX graph, frame by frame, with NumPy and ONNX Runtime alone.

    python stream_example.py [output.wav]

The test vector comes frame by frame; the samples are those of the whole utterance.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).resolve().parent
metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
given = dict(np.load(folder / metadata["test_vector"]))
output = sys.argv[1] if len(sys.argv) > 1 else "stream.wav"
graph = next(graph for graph in metadata["graphs"] if graph["file"] == "step.onnx")
hop, latency, total = metadata["hop_length"], graph["latency"], given["features"].shape[-1]
session = onnxruntime.InferenceSession(str(folder / graph["file"]), providers=["CPUExecutionProvider"])
ports = {port["name"]: port for port in graph["inputs"]}
shapes = {name: [1 if axis == "batch" else axis for axis in port["shape"]] for name, port in ports.items()}
memory = {name: np.zeros(shapes[name], port["type"]) for name, port in ports.items() if name.startswith("memory")}
memory["phase"] = given["phase"].astype(ports["phase"]["type"])

pieces = []
for frame in range(total - (-latency // hop)):
    inputs = {name: np.zeros(shapes[name], "float32") for name in ("features", "f0", "noise")}
    if frame < total:
        inputs = {name: given[name][..., frame : frame + 1] for name in ("features", "f0")}
        inputs["noise"] = given["noise"][..., frame * hop : (frame + 1) * hop]
    inputs |= {"frame": np.array(frame), "total": np.array(total if frame >= total else 2**40)}
    audio, *state = session.run(None, inputs | memory)
    memory = dict(zip(["phase", *(name for name in memory if name != "phase")], state, strict=True))
    pieces.append(audio[0, 0])
audio = np.concatenate(pieces)[latency : latency + total * hop]
error = np.abs(audio - given["audio"][0, 0]).max() / np.abs(given["audio"]).max()
print(f"differs from the whole utterance by {error:.1e} of the peak")
with wave.open(output, "wb") as file:
    file.setparams((1, 2, metadata["sample_rate"], 0, "NONE", ""))
    file.writeframes((32767 * audio.clip(-1, 1)).astype("<i2").tobytes())
print(f"{output}: {len(audio) / metadata['sample_rate']:.2f} s")

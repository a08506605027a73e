"""Audio from an exported ONNX graph, with NumPy and ONNX Runtime alone.

    python example.py [inputs.npz] [output.wav]

inputs.npz holds the inputs of the first graph in metadata.json by name; noise that it lacks is drawn. Without it, the
test vector is computed and compared.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).resolve().parent
metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
given = dict(np.load(sys.argv[1] if len(sys.argv) > 1 else folder / metadata["test_vector"]))
output = sys.argv[2] if len(sys.argv) > 2 else "example.wav"
main, sizes, random = metadata["graphs"][0], {}, np.random.default_rng(0)


def run(file, inputs):
    """Return the first output of a graph."""
    session = onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


for port in main["inputs"]:
    if port["name"] not in given:
        sizes["samples"] = sizes["frames"] * metadata["hop_length"]
        shape = [sizes.get(axis, axis) for axis in port["shape"]]
        draw = random.random if port["drawn"] == "uniform" else random.standard_normal
        given[port["name"]] = draw(shape).astype(port["type"])
    sizes |= dict(zip(port["shape"], given[port["name"]].shape, strict=True))
audio = run(main["file"], {port["name"]: given[port["name"]] for port in main["inputs"]})
if "audio" in given:
    error = np.abs(audio - given["audio"]).max() / np.abs(given["audio"]).max()
    print(f"differs from the model by {error:.1e} of the peak")
if metadata["mel_refinement"] and "features" in given:
    iterations = np.array(metadata["mel_refinement"])
    audio = run("mel_refinement.onnx", {"audio": audio, "features": given["features"], "iterations": iterations})
with wave.open(output, "wb") as file:
    file.setparams((1, 2, metadata["sample_rate"], 0, "NONE", ""))
    file.writeframes((32767 * audio[0, 0].clip(-1, 1)).astype("<i2").tobytes())
print(f"{output}: {audio.shape[-1] / metadata['sample_rate']:.2f} s")

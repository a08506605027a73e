"""Audio from an exported step graph, code by code, with NumPy and ONNX Runtime alone.

    python example.py [seconds] [output.wav] [label]

It first follows the codes of the test vector and compares the logits.
"""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(__file__).resolve().parent
metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
graph, vector = metadata["graphs"][0], np.load(folder / metadata["test_vector"])
session = onnxruntime.InferenceSession(str(folder / graph["file"]), providers=["CPUExecutionProvider"])
seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.1
output = sys.argv[2] if len(sys.argv) > 2 else "example.wav"
label = int(sys.argv[3]) if len(sys.argv) > 3 else 0


def play(batch, labels, choose, count):
    """Return codes and logits (batch, count); ``choose`` returns the code at a place from the logits for it."""
    codes = np.full(batch, graph["first_code"], np.int64)
    # Every state has the axis of the batch first; the number of the code has none.
    state = {port["name"]: np.zeros([batch, *port["shape"][1:]] if port["shape"] else [], port["type"])
             for port in graph["inputs"] if port["name"] not in ("codes", "labels")}  # fmt: skip
    given, drawn, logits = {"labels": labels} if labels is not None else {}, [], []
    for place in range(count):
        found, *after = session.run(None, {"codes": codes, **given, **state})
        codes, state = choose(place, found), dict(zip(state, after, strict=True))
        drawn.append(codes)
        logits.append(found)
    return np.stack(drawn, 1), np.stack(logits, 1)


followed = vector["codes"]
names = vector["labels"] if "labels" in vector else None
_, logits = play(len(followed), names, lambda place, _: followed[:, place], followed.shape[1])
error = np.abs(logits - vector["logits"]).max() / np.abs(vector["logits"]).max()
print(f"differs from the model by {error:.1e} of the peak")
random = np.random.default_rng(0)
labels = None if names is None else np.array([label])
noisy = lambda place, found: (found + random.gumbel(size=found.shape)).argmax(1)  # noqa: E731
codes, _ = play(1, labels, noisy, round(seconds * metadata["sample_rate"]))
audio = np.array(graph["decoding"])[codes[0]]
with wave.open(output, "wb") as file:
    file.setparams((1, 2, metadata["sample_rate"], 0, "NONE", ""))
    file.writeframes((32767 * audio.clip(-1, 1)).astype("<i2").tobytes())
print(f"{output}: {seconds:.2f} s")

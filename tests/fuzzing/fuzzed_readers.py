"""Every reader of files, as a function of bytes, with files to start from.

Whatever the bytes are, a reader returns or raises an `OndesError` of one line, soon and in little memory.
"""

import io
import json
import math
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from hostile_files import CASES
from made_checkpoints import CONFIGS, made_state
from safetensors.torch import save

from effects import load as load_effect
from effects.automation import Automation
from effects.captures.outline import read_outline
from effects.knobs import Knob, KnobSet
from effects.models.linear import Linear, LinearConfig
from effects.models.tcn import TCN, TCNConfig
from effects.registry import FAMILIES as EFFECTS
from recipes.build import build_generator, restore_generator
from recipes.config import TrainConfig
from recipes.data.corpora.manifests import find_lhotse
from recipes.data.id_lists import read_file_list
from recipes.data.kaldi import KaldiDirectory
from recipes.data.predicted import PredictedFeatures
from recipes.data.shards.index import ShardIndex
from recipes.data.shards.reading import ShardF0, ShardReader
from recipes.data.statistics import FeatureStatistics
from recipes.families import find_family
from recipes.families import load as load_model
from recipes.runs.history import read_run
from recipes.runs.page import run_page
from recipes.serving.files import synthesize_file
from recipes.serving.limits import Limits
from recipes.serving.session import Session, parse_request
from vocoders.core.audio import audio_info, read_audio
from vocoders.core.audio_pipes import PipeFormat, read_pipe
from vocoders.core.card import read_card
from vocoders.core.display import card_html
from vocoders.core.errors import ConfigError, OndesError
from vocoders.core.feature_files import FEATURE_SUFFIXES, read_feature_file
from vocoders.core.kaldi_files import read_table as read_matrix_table
from vocoders.core.model_source import describe_model, read_model_config
from vocoders.core.official import read_official_checkpoint
from vocoders.core.official_state import find_reference
from vocoders.core.pretrained import read_tensors
from vocoders.core.statistics_file import IDENTITY, read_statistics
from vocoders.core.tables import read_table
from vocoders.frontends.convention_presets import find_convention, read_convention
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.mel import MelConfig
from vocoders.registry import FAMILIES as VOCODERS
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

__all__ = ["READERS", "Reader", "attempt"]

_CAPTURES = Path(__file__).resolve().parents[1] / "effects" / "captures" / "files"
_KNOBS = KnobSet(
    knobs=(
        Knob(name="drive", unit="dB", min=0, max=24, default=12, scale="db"),
        Knob(name="time", unit="s", min=0.001, max=1, default=0.01, scale="log"),
        Knob.switch("bright"),
    )
)


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        read: takes the bytes and an empty folder, in which it may write them under a name.
        seeds: contents to start from.
    """

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]


def attempt(name: str, content: bytes) -> str:
    """Read content; return the error of one line, or an empty text.

    Raises:
        AssertionError: for an error of several lines.
        Exception: whatever else escapes the reader is a fault.
    """
    with tempfile.TemporaryDirectory(prefix="ondes-fuzz-") as folder:
        try:
            READERS[name].read(content, Path(folder))
        except OndesError as error:
            line = str(error)
            assert len(line.splitlines()) == 1, f"an error of {len(line.splitlines())} lines"
            return line
    return ""


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def from_bytes(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return from_bytes


def _cases(kind: str, most: int = 1 << 14) -> list[bytes]:
    contents = [make() for make in CASES[kind].values()]
    return [content for content in contents if len(content) <= most]


def _audio(path: Path) -> None:
    audio_info(path)
    read_audio(path, mono=True)


def _audio_seeds() -> list[bytes]:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (300, 2))
    found = []
    for format, subtype in (
        *(("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM")),
        *((format, None) for format in ("FLAC", "OGG", "AIFF", "AU", "CAF", "W64", "RF64", "SVX", "NIST", "VOC")),
    ):
        stream = io.BytesIO()
        try:
            soundfile.write(stream, noise[:, :1] if format in ("SVX",) else noise, 16000, subtype, format=format)
        except (ValueError, soundfile.LibsndfileError):  # not in this libsndfile
            continue
        found.append(stream.getvalue())
    return found + _cases("audio")


def _pipe(content: bytes, folder: Path) -> None:
    raw = PipeFormat("s16le", 16000, 2) if content[:1] == b"\xfe" else None
    for block in read_pipe(io.BytesIO(content), raw)[1]:
        assert block.shape[0] >= 1


def _features(content: bytes, folder: Path) -> None:
    """The first byte chooses the kind of file."""
    suffix = FEATURE_SUFFIXES[content[0] % len(FEATURE_SUFFIXES)] if content else ".npy"
    path = folder / f"x{suffix}"
    path.write_bytes(content[1:])
    read_feature_file(path)


def _feature_seeds() -> list[bytes]:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    npy, npz, tensors = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, array)
    np.savez(npz, features=array, f0=array[0])
    torch.save({"features": torch.from_numpy(array)}, tensors)
    ark = b"id \0BFM \4\3\0\0\0\4\4\0\0\0" + array.tobytes()
    text = b"id  [\n 1 2\n 3 4 ]\n"
    by_suffix = {".npy": npy, ".npz": npz, ".pt": tensors}
    kinds = {FEATURE_SUFFIXES.index(suffix): stream.getvalue() for suffix, stream in by_suffix.items()}
    arks = [bytes([FEATURE_SUFFIXES.index(".ark")]) + content for content in (ark, text)]
    return [bytes([number]) + content for number, content in kinds.items()] + arks


def _config(path: Path) -> None:
    TrainConfig.from_yaml(path)


def _model(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    found = read_model_config(folder)
    known = {"wavehax": WavehaxConfig, "tcn": TCNConfig}
    config = known.get(found.family, WavehaxConfig).from_dict(found.config)
    card_html(found.family, config)
    describe_model(found)


def _model_seeds() -> list[bytes]:
    contents: list[Mapping] = [
        {"format": 1, "family": "wavehax", "ondes": "1", "config": WavehaxConfig().to_dict()},
        {"format": 1, "family": "tcn", "ondes": "1", "config": TCNConfig().to_dict()},
    ]
    return [json.dumps(content).encode() for content in contents] + _cases("json")


def _card(content: bytes, folder: Path) -> None:
    (folder / "README.md").write_bytes(content)
    read_card(folder)


def _capture(path: Path) -> None:
    try:
        read_outline(path)
    except OndesError:
        pass
    load_effect(path)


def _capture_seeds() -> list[bytes]:
    contents = [path.read_bytes() for path in _CAPTURES.iterdir()]
    return sorted(contents, key=len)[:6]


def _checkpoint(path: Path) -> None:
    find_reference(read_official_checkpoint(path))


def _checkpoint_seeds() -> list[bytes]:
    new, old = io.BytesIO(), io.BytesIO()
    content = {"model": {"a.weight": torch.ones(2, 2)}, "step": 3}
    torch.save(content, new)
    torch.save(content, old, _use_new_zipfile_serialization=False)
    return [new.getvalue(), old.getvalue(), *_cases("checkpoint")]


def _statistics(path: Path) -> None:
    read_statistics(path, ["mean", "std"], "mel")


def _kaldi(content: bytes, folder: Path) -> None:
    """Files of a data directory, divided by a byte that texts do not contain."""
    names = ("wav.scp", "utt2spk", "utt2dur", "segments", "text", "spk2utt")
    for name, part in zip(names, content.split(b"\x1c"), strict=False):
        (folder / name).write_bytes(part)
    KaldiDirectory.read(folder, check_files=False)


def _shards(content: bytes, folder: Path) -> None:
    """The files of a folder of shards, divided by a byte that texts do not contain."""
    names = ("shards.json", "utterances.tsv", "shard-000000.tar")
    for name, part in zip(names, content.split(b"\x1c", 2), strict=False):
        (folder / name).write_bytes(part)
    reader = ShardReader(ShardIndex.read(folder), 16000, resample=True)
    reader.read(0)
    ShardF0(reader).get("a")


def _shard_seeds() -> list[bytes]:
    head = {"format": 1, "f0": "x", "shards": [{"name": "shard-000000.tar", "utterances": 1}]}
    audio, f0, tar = io.BytesIO(), io.BytesIO(), io.BytesIO()
    soundfile.write(audio, np.zeros(300), 16000, format="FLAC")
    np.save(f0, np.zeros(2, np.float32))
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for kind, stream in (("flac", audio), ("f0.npy", f0)):
            member = tarfile.TarInfo(f"000000.{kind}")
            member.size = len(stream.getvalue())
            archive.addfile(member, io.BytesIO(stream.getvalue()))
    return [b"\x1c".join((json.dumps(head).encode(), b"a\ts\t16000\t1\t300\ttext\n", tar.getvalue()))]


def _predicted(content: bytes, folder: Path) -> None:
    """A table of predicted mels and an archive, divided by a byte that texts do not contain."""
    table, _, archive = content.partition(b"\x1c")
    (folder / "x.ark").write_bytes(archive)
    (folder / "feats.scp").write_bytes(table.replace(b"x.ark", str(folder / "x.ark").encode()))
    found = PredictedFeatures(folder, MelConfig())
    if not found.missing(["a"]):
        found.get("a")


def _run(content: bytes, folder: Path) -> None:
    """The log and the configuration of a run, divided by a byte that texts do not contain."""
    log, _, config = content.partition(b"\x1c")
    (folder / "metrics.jsonl").write_bytes(log)
    (folder / "config.yaml").write_bytes(config)
    run_page(read_run(folder))


@lru_cache
def _tiny() -> Wavehax:
    sizes: dict[str, Any] = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame"}
    return Wavehax(WavehaxConfig(**sizes, f0=F0Config(alignment="frame_center"))).eval()


def _stream(content: bytes, folder: Path) -> None:
    """The messages of a client of the server, divided by a byte that texts do not contain."""
    request, *messages = content[:10_000].split(b"\x1c")
    session = Session(_tiny(), parse_request(request.decode("utf-8", "replace")), Limits(seconds=1.0))
    for message in messages:
        list(session.push(message))
    list(session.finish())


def _stream_seeds() -> list[bytes]:
    frame = np.append(np.full(100, -3), 150).astype("<f4").tobytes()
    requests = [{}, {"input": "pcm", "encoding": "f32le"}, {"seed": 3, "options": {"f0_scale": 1.5}}]
    contents = (9 * frame, np.zeros(1500, "<f4").tobytes(), 5 * frame)
    return [json.dumps(r).encode() + b"\x1c" + c for r, c in zip(requests, contents, strict=True)]


def _body(content: bytes, folder: Path) -> None:
    """The body of a request, after a line of JSON with the parameters of its query."""
    given, _, body = content.partition(b"\x1c")
    try:
        query = {str(key): str(value) for key, value in json.loads(given).items()}
    except (ValueError, AttributeError, RecursionError):
        query = {}
    synthesize_file(_tiny(), body, query, Limits(seconds=1.0))


def _body_seeds() -> list[bytes]:
    audio, features = io.BytesIO(), io.BytesIO()
    soundfile.write(audio, np.zeros(2000), 24000, format="WAV")
    np.savez(features, features=np.full((100, 9), -3, np.float32), f0=np.full(9, 150, np.float32))
    return [b'{"seed": "3"}\x1c' + audio.getvalue(), b'{"f0_scale": "1.5"}\x1c' + features.getvalue()]


@lru_cache
def _tiny_folders() -> list[tuple[bytes, bytes]]:
    """Configuration and tensors of small models of several families."""
    models = (TCN(TCNConfig(channels=2, num_blocks=1)), Linear(LinearConfig(taps=16)))
    found = []
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(Path(folder) / "m")
            names = ("config.json", "model.safetensors")
            found.append(tuple((Path(folder) / "m" / name).read_bytes() for name in names))
    return found


def _folder(content: bytes, folder: Path) -> None:
    """Configuration and tensors of a model folder, divided by a byte that texts do not contain."""
    config, _, tensors = content.partition(b"\x1c")
    (folder / "config.json").write_bytes(config)
    (folder / "model.safetensors").write_bytes(tensors)
    load_model(folder)


def _conversion(content: bytes, folder: Path) -> None:
    """Shapes of tensors by name, as JSON, and a configuration; the first byte chooses the family.

    Without a configuration its first variant is built.
    """
    families = _converted()
    family = find_family(families[content[0] % len(families)] if content else families[0])
    tensors, _, text = content[1:].partition(b"\x1c")
    try:
        shapes = json.loads(tensors)
    except (ValueError, RecursionError):
        return
    path, config = folder / "x.pt", folder / "x.yaml"
    torch.save(_zeros(shapes), path)
    # The published networks of these take a second.
    text = text or json.dumps(CONFIGS.get(family.name, "")).encode()
    config.write_bytes(text)
    how = {"config": config} if len(text) > 2 else {"variant": next(iter(family.variants))}
    family.convert(path, **how, stats=IDENTITY if family.needs_statistics else None)


def _converted() -> list[str]:
    """Families of reference checkpoints."""
    return [name for name in (*VOCODERS, *EFFECTS) if find_family(name).converter is not None]


def _zeros(shapes: Any) -> Any:
    """Put a tensor of zeros in place of each small shape."""
    if isinstance(shapes, dict):
        return {name: _zeros(shape) for name, shape in shapes.items()}
    is_shape = isinstance(shapes, list) and all(type(size) is int and 0 <= size <= 4096 for size in shapes)
    return torch.zeros(shapes) if is_shape and math.prod(shapes) <= 1 << 20 else shapes


def _conversion_seeds() -> list[bytes]:
    """Names by which the networks of the references are known."""
    names = ("blocks.0.dwconv.weight", "estimator.MelCond.embed.weight", "c_layers.0.layer.output_linear.weight")
    names += ("init_conv.0.conv.weight_v", "mpaec.dft_analysis.conv_analysis_real.weight", "blocks.0.conv1.weight")
    content = json.dumps({"model": {name: [4, 4, 3] for name in names}}).encode()
    made = []
    for family, config in CONFIGS.items():
        shapes = {name: list(tensor.shape) for name, tensor in made_state(family).items()}
        number = bytes([_converted().index(family)])
        made.append(number + json.dumps(shapes).encode() + b"\x1c" + json.dumps(config).encode())
    return made + [bytes([number]) + content for number in range(len(_converted()))]


def _run_checkpoint(content: bytes, folder: Path) -> None:
    (folder / "x.pt").write_bytes(content)
    restore_generator(folder, folder / "x.pt")


def _run_checkpoint_seeds() -> list[bytes]:
    stream = io.BytesIO()
    config = TrainConfig.from_dict(
        {
            "family": "tcn",
            "model": {"channels": 2, "num_blocks": 1},
            "data": {"train": "a"},
            "effect": {"processor": "gain"},
            "objective": {"name": "effect"},
        }
    )
    state = {
        "family": "tcn",
        "config": config.to_dict(),
        "parts": {"generator": build_generator(config).state_dict()},
        "step": 3,
    }
    torch.save(state, stream)
    return [stream.getvalue(), *_cases("checkpoint")]


def _lhotse(path: Path) -> None:
    if find_spec("lhotse") is None:
        raise ConfigError("lhotse is not installed")
    find_lhotse(path)


def _lhotse_seed() -> bytes:
    source = {"type": "file", "channels": [0], "source": "a.wav"}
    recording = {"id": "r", "sources": [source], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0}
    spoken = {"id": "s", "recording_id": "r", "start": 0.0, "duration": 1.0, "channel": 0, "text": "x", "speaker": "y"}
    cut = {"id": "c", "start": 0.0, "duration": 1.0, "channel": 0, "supervisions": [spoken], "recording": recording}
    return json.dumps(cut | {"type": "MonoCut"}).encode() + b"\n"


def _knobs(content: bytes, folder: Path) -> None:
    _KNOBS.parse(content.decode("utf-8", "replace").split("\n"))


READERS: Mapping[str, Reader] = {
    "audio": Reader(_file("x.wav", _audio), _audio_seeds),
    "pipe": Reader(_pipe, lambda: [content for content in _audio_seeds() if content[:4] == b"RIFF"]),
    "features": Reader(_features, _feature_seeds),
    "config": Reader(
        _file("x.yaml", _config),
        lambda: [b"data: {train: a}\nmodel: {family: wavehax}\ntrainer: {steps: 1e3}\n", *_cases("yaml", 4096)],
    ),
    "model": Reader(_model, _model_seeds),
    "tensors": Reader(
        _file("model.safetensors", read_tensors),
        lambda: [save({"a": torch.ones(2, 3), "b": torch.zeros(1)}), *_cases("safetensors")],
    ),
    "checkpoint": Reader(_file("x.pt", _checkpoint), _checkpoint_seeds),
    "card": Reader(_card, lambda: [b"---\nlicense: mit\nlibrary_name: ondes\ntags: [a]\n---\n# x\n"]),
    "statistics": Reader(
        _file("x.bin", _statistics),
        lambda: [b'{"mean": [1, 2], "std": [1, 1]}', *_cases("statistics"), *(s[1:] for s in _feature_seeds())],
    ),
    "own_statistics": Reader(
        _file("x.json", FeatureStatistics.load),
        lambda: [b'{"format": 1, "mean": [1.0], "std": [1.0], "fingerprint": "x", "frames": 3}'],
    ),
    "table": Reader(
        _file("x.csv", lambda path: read_table(path, "table", "rows")),
        lambda: [b"a,b\n1,2\n", b"sep=;\na;b\n1,5;2\n", "a\tb\n1\t2\n".encode("utf-16"), *_cases("table")],
    ),
    "automation": Reader(
        _file("x.csv", lambda path: Automation.read_csv(path, _KNOBS)),
        lambda: [b"time,drive,bright\n0,3dB,on\n1.5,12,off\n", b"time;drive\n0;3,5\n"],
    ),
    "knobs": Reader(_knobs, lambda: [b"drive=3dB\ntime=200ms\nbright=on", b"drive=3,5", b"time=1e3"]),
    "capture": Reader(_file("x.nam", _capture), _capture_seeds),
    "list": Reader(
        _file("wav.scp", lambda path: read_file_list(path, "list")), lambda: [b"a a.wav\nb b c.wav\n", *_cases("list")]
    ),
    "matrices": Reader(_file("feats.scp", read_matrix_table), lambda: [b"a x.ark:3\nb y.npy\n"]),
    "shards": Reader(_shards, _shard_seeds),
    "predicted": Reader(
        _predicted,
        lambda: [
            b"a x.ark:3\n\x1cid \0BFM \4\3\0\0\0\4\4\0\0\0" + np.arange(12, dtype="<f4").tobytes(),
            b"a x.ark:2\n\x1ca  [\n 1 2\n 3 4 ]\n",
        ],
    ),
    "convention": Reader(
        _file("x.yaml", read_convention),
        lambda: [
            find_convention(name).to_yaml().encode() for name in ("hifigan_22k", "tacotron_16k", "matcha_ljspeech")
        ],
    ),
    "run": Reader(
        _run,
        lambda: [b'{"step": 1, "loss": 2.5}\n{"step": 2, "loss": NaN, "steps_per_second": 3}\n\x1cmodel: {a: 1}\n'],
    ),
    "stream": Reader(_stream, _stream_seeds),
    "body": Reader(_body, _body_seeds),
    "folder": Reader(_folder, lambda: [b"\x1c".join(parts) for parts in _tiny_folders()]),
    "conversion": Reader(_conversion, _conversion_seeds),
    "run_checkpoint": Reader(_run_checkpoint, _run_checkpoint_seeds),
    "lhotse": Reader(_file("cuts.jsonl", _lhotse), lambda: [_lhotse_seed()]),
    "kaldi": Reader(
        _kaldi,
        lambda: [
            b"r r.wav\n\x1cu a\n\x1cu 1.5\n\x1cu r 0 1.5\n\x1cu a text\n\x1ca u\n",
            b"u u.wav\n\x1cu a\n\x1cu 2\n\x1c\x1cu\n",
        ],
    ),
}
"""The readers by name."""

"""Sources of models: a folder, the name of a shipped model, or an id on the model hub."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocoders.core.card import read_card
from vocoders.core.errors import CheckpointError
from vocoders.core.json_files import read_json
from vocoders.core.model_advice import CHECKPOINT_SUFFIXES, advise_on_path

__all__ = [
    "MODEL_FILES",
    "MODEL_FORMAT",
    "ModelFile",
    "ShippedModel",
    "describe_model",
    "is_model_folder",
    "read_model_config",
    "resolve_model",
    "shipped_folders",
    "shipped_models",
    "shipped_names",
]

MODEL_FILES = ("config.json", "model.safetensors", "README.md", "reference.safetensors")
MODEL_FORMAT = 1

_PACKAGES = Path(__file__).resolve().parents[2]
_WEIGHTS = (_PACKAGES / "vocoders" / "weights", _PACKAGES / "effects" / "weights")
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(_PART)
_HUB_ID = re.compile(rf"({_PART}/{_PART})(?:@({_PART}(?:/{_PART})*))?")


@dataclass(frozen=True)
class ModelFile:
    """The content of ``config.json`` in a model folder; ``config`` is not yet checked against its family."""

    path: Path
    family: str
    version: str
    config: dict[str, Any]


@dataclass(frozen=True)
class ShippedModel:
    """A shipped model, or one in any other folder, as its files describe it."""

    name: str
    family: str
    path: Path
    sample_rate: int | None
    num_parameters: int
    size_bytes: int
    license: str
    description: str


def shipped_models() -> list[ShippedModel]:
    """Return the models that ship with ondes, in order of their names; vocoders first, then effects."""
    return [describe_model(read_model_config(folder)) for folder in shipped_folders()]


def shipped_names() -> list[str]:
    """Return the names of the models that ship with ondes."""
    return [folder.name for folder in shipped_folders()]


def read_model_config(source: str | Path) -> ModelFile:
    """Read ``config.json`` of a model folder.

    Raises:
        CheckpointError: if it is missing, damaged, or of a format that this version does not know.
    """
    path = Path(source)
    file = path / "config.json"
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not a model folder: it has no config.json") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} is no configuration of a model: {error}") from None
    if not isinstance(content, dict) or content.get("format") != MODEL_FORMAT:
        found = content.get("format") if isinstance(content, dict) else None
        newer = isinstance(found, int) and found > MODEL_FORMAT
        advice = "update ondes" if newer else advise_on_path(path)
        raise CheckpointError(f"{file}: model format {found!r}, this version reads {MODEL_FORMAT}; {advice}")
    family, config = content.get("family"), content.get("config")
    if not isinstance(family, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", family) or not isinstance(config, dict):
        raise CheckpointError(f"{file}: expected a family name and a mapping 'config', found family {family!r}")
    return ModelFile(path, family, str(content.get("ondes", "unknown")), config)


def is_model_folder(path: Path) -> bool:
    """Return whether a folder is a model folder that this version can read."""
    try:
        read_model_config(path)
    except CheckpointError:
        return False
    return True


def resolve_model(source: str | Path) -> Path:
    """Return the folder of a model.

    A string and a path mean the same. They are tried in this order: a model folder, or one of its files; the name of a
    shipped model; an id on the model hub, ``organisation/name`` or ``organisation/name@revision``, from which only the
    four files of a model are downloaded.

    Raises:
        CheckpointError: if there is no such model; the message lists the attempts.
    """
    text = source.as_posix() if isinstance(source, Path) else str(source)
    path = Path(text).expanduser()
    if path.is_file() and path.name in MODEL_FILES:
        path = path.parent
    if (path / "config.json").is_file():
        return path
    if path.is_file():
        raise CheckpointError(advise_on_path(path))
    if _NAME.fullmatch(text):
        for weights in _WEIGHTS:
            if (weights / text / "config.json").is_file():
                return weights / text
    if path.is_dir():
        raise CheckpointError(advise_on_path(path))
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        raise CheckpointError(f"{path}: no such file, nor a model folder of that name")
    if (match := _HUB_ID.fullmatch(text)) and ".." not in text:
        return _download(match[1], match[2])
    raise CheckpointError(f"no model '{text}': no such folder, and {_missing_name(text)}")


def shipped_folders() -> list[Path]:
    """Return the folders of the models that ship with ondes, in the order of :func:`shipped_models`."""
    return [file.parent for weights in _WEIGHTS for file in sorted(weights.glob("*/config.json"))]


def describe_model(file: ModelFile) -> ShippedModel:
    """Describe a model folder from its files.

    Raises:
        CheckpointError: if its card or its weights are missing or damaged.
    """
    folder, card = file.path, read_card(file.path)
    weights = folder / "model.safetensors"
    return ShippedModel(
        name=folder.name,
        family=file.family,
        path=folder,
        sample_rate=_find_sample_rate(file.config),
        num_parameters=_count_parameters(weights),
        size_bytes=sum(path.stat().st_size for name in MODEL_FILES if (path := folder / name).is_file()),
        license=str(card.get("license", "unknown")),
        description=str(card.get("description", "")),
    )


def _find_sample_rate(config: Mapping[str, Any]) -> int | None:
    """Find ``sample_rate`` at the top of a configuration, else in its groups."""
    rate = config.get("sample_rate")
    if isinstance(rate, int):
        return rate
    groups = (_find_sample_rate(value) for value in config.values() if isinstance(value, Mapping))
    return next((rate for rate in groups if rate is not None), None)


def _count_parameters(weights: Path) -> int:
    # Imported here, since listing the declared options needs no model.
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="np") as file:
            return int((file.metadata() or {}).get("parameters", 0))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{weights} is damaged or missing: {error}") from None


def _missing_name(name: str) -> str:
    names = shipped_names()
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"no model of that name ships with ondes; did you mean '{near[0]}'?"
    return f"ondes ships {', '.join(names) if names else 'no models'}"


def _download(hub_id: str, revision: str | None) -> Path:
    # Imported here: only this source needs it, and the import is slow.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    missing = f"no model '{hub_id}': no such folder here, and"
    causes = {
        GatedRepoError: f"the hub gives '{hub_id}' only to users who accepted its terms; log in there first",
        RepositoryNotFoundError: f"{missing} the hub has none either (or it is private and you are not logged in)",
        RevisionNotFoundError: f"model '{hub_id}' has no revision '{revision}' on the hub",
        HFValidationError: f"{missing} it is not a valid hub id",
        OSError: f"{missing} the hub cannot be reached; check the network, or give a folder",
    }
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(MODEL_FILES)))
    except tuple(causes) as error:
        raise CheckpointError(next(text for kind, text in causes.items() if isinstance(error, kind))) from None
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"hub repository '{hub_id}' contains no ondes model: it has no config.json")
    return folder

"""Services that show runs beside TensorBoard: Weights & Biases and MLflow, through the trackers of accelerate.

Without an account both keep their files in the folder of the run; ``wandb sync`` and ``mlflow ui`` read them there.
"""

import importlib.util
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vocoders.core.atomic import atomic_file
from vocoders.core.errors import MissingExtraError

__all__ = ["Trackers", "check_trackers"]

logger = logging.getLogger(__name__)

_IDS_FILE = "trackers.json"
_PROJECT = "ondes"


def check_trackers(names: Sequence[str]) -> None:
    """Raise a :class:`MissingExtraError` for a service whose package is not installed."""
    for name in names:
        if name in _MAKERS and importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, "trackers", f"trainer.trackers: {name}")


class Trackers:
    """The services of a run, in its main process. One that fails is left out from then on; training goes on.

    Args:
        names: ``wandb`` or ``mlflow``; other names are ignored.
        folder: folder of the run. A resumed run goes on under its former ids, which ``trackers.json`` keeps.
        settings: configuration of the run, nested.
    """

    def __init__(self, names: Sequence[str], folder: Path, settings: Mapping[str, Any]) -> None:
        path = folder / _IDS_FILE
        ids = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._trackers: dict[str, Any] = {}
        for name in names:
            if name in _MAKERS:
                self._attempt(name, lambda name=name: self._start(name, folder, ids, settings))
        if self._trackers:
            with atomic_file(path) as temporary:
                temporary.write_text(json.dumps(ids, indent=1) + "\n", encoding="utf-8")

    def _start(self, name: str, folder: Path, ids: dict[str, str], settings: Mapping[str, Any]) -> None:
        from accelerate import PartialState

        PartialState()  # which accelerate's trackers ask whether this is the main process
        tracker, find_id = _MAKERS[name](folder, ids.get(name))
        tracker.start()
        self._trackers[name] = tracker
        if name not in ids:
            tracker.store_init_configuration(_plain(settings))
        ids[name] = find_id(tracker)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of a step."""
        for name, tracker in list(self._trackers.items()):
            self._attempt(name, lambda tracker=tracker: tracker.log(dict(values), step=step))

    def close(self) -> None:
        """End the runs at the services."""
        for name, tracker in list(self._trackers.items()):
            self._attempt(name, tracker.finish)

    def _attempt(self, name: str, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # a service must not end a training, whatever it raises
            self._trackers.pop(name, None)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            logger.warning("%s fails and is left out from now on (%.300s)", name, reason)


def _weights_and_biases(folder: Path, former: str | None) -> tuple[Any, Callable[[Any], str]]:
    from accelerate.tracking import WandBTracker

    project = os.environ.get("WANDB_PROJECT", _PROJECT)
    mode = os.environ.get("WANDB_MODE", "offline")
    options = {} if former is None else {"id": former, "resume": "allow"}
    tracker = WandBTracker(project, name=folder.resolve().name, dir=str(folder), mode=mode, **options)
    return tracker, lambda started: str(started.run.id)


def _mlflow(folder: Path, former: str | None) -> tuple[Any, Callable[[Any], str]]:
    import mlflow  # pyright: ignore[reportMissingImports]  (an extra)
    from accelerate.tracking import MLflowTracker

    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    place = str(folder.resolve() / "mlflow")
    tracker = MLflowTracker(_PROJECT, logging_dir=place, run_id=former, run_name=folder.resolve().name)
    return tracker, lambda started: str(started.tracker.info.run_id)


_MAKERS: dict[str, Callable[[Path, str | None], tuple[Any, Callable[[Any], str]]]] = {
    "wandb": _weights_and_biases,
    "mlflow": _mlflow,
}


def _plain(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings as texts and numbers by their flat names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _plain(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, (int, float, str)) else str(value)
    return flat

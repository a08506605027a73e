"""Export of a vocoder or a generator as ONNX graphs, written only after they have run and agreed with the model."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vocoders.core.atomic import atomic_folder
from vocoders.core.errors import ConfigError
from vocoders.core.graphs.agreement import (
    METADATA_FILE,
    TEST_VECTOR_FILE,
    check_agreement,
    write_metadata,
    write_test_vector,
)
from vocoders.core.graphs.session import OPSET, open_session
from vocoders.core.graphs.tracing import GraphPlan, compare
from vocoders.core.pretrained import PretrainedModel
from vocoders.interface import System, Vocoder
from vocoders.registry import FAMILIES
from vocoders.version import __version__

__all__ = ["EXAMPLE_FILE", "TOLERANCE", "export_onnx"]

_logger = logging.getLogger(__name__)

EXAMPLE_FILE = "example.py"
# Largest difference from the model, as a fraction of the output's peak.
TOLERANCE = 1e-4
_FORMAT = 1


def export_onnx(
    system: System, folder: str | Path, changes: Mapping[str, Any] | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Export a system as ONNX graphs, and verify each of them in ONNX Runtime.

    The folder holds the graphs, ``metadata.json`` (inputs, outputs, units, front end, options), ``test_vector.npz``
    (inputs and output of the first graph), and ``example.py``, which needs NumPy and ONNX Runtime alone.

    Args:
        system: the vocoder or generator.
        folder: folder to write.
        changes: options of synthesis that the graphs contain, by name: the number of steps of a flow.
        overwrite: replace an existing folder.

    Returns:
        The metadata.

    Raises:
        CheckpointError: if the output of a graph differs from that of the model by more than ``TOLERANCE``.
        ConfigError: for an unknown option, or a system without graphs.
        DataError: if the folder exists, or cannot be written.
        MissingExtraError: if onnx or onnxruntime is not installed.
    """
    options = system.options(**(changes or {}))
    if not isinstance(system, PretrainedModel):
        raise ConfigError(f"{type(system).__name__} is no model and has no ONNX graph; export a model")
    plans: tuple[GraphPlan, ...] = FAMILIES[system.family].make_graphs(system, options)
    contents, errors = {}, {}
    for plan in plans:
        contents[plan.file] = plan.build()
        session = open_session(contents[plan.file])
        errors |= compare(plan, lambda inputs, session=session: session.run(None, dict(inputs)))
    error = check_agreement(errors, TOLERANCE)
    metadata = _describe(system, options.to_dict(), plans, error)
    sources = Path(__file__).with_name("examples")
    with atomic_folder(folder, overwrite) as temporary:
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        write_test_vector(temporary, plans[0].test_vector())
        write_metadata(temporary, metadata)
        for name, source in _examples(plans).items():
            (temporary / name).write_text((sources / source).read_text(encoding="utf-8"), encoding="utf-8")
    _logger.debug("%s: differs from the model by %.1e of the peak", folder, error)
    return metadata


def _examples(plans: tuple[GraphPlan, ...]) -> dict[str, str]:
    """Return the examples of an export, and the files that they are copies of: one for each way to run a graph."""
    main, *others = dict.fromkeys(plan.example_name for plan in plans)
    return {EXAMPLE_FILE: f"{main}.py"} | {f"{name}_example.py": f"{name}.py" for name in others}


def _describe(system: Any, options: dict[str, Any], plans: tuple[GraphPlan, ...], error: float) -> dict[str, Any]:
    refinement = options.get("mel_refinement", 0)
    if refinement is None:
        refinement = system.config.mel_refinement
    takes_features = isinstance(system, Vocoder)
    features = {"hop_length": system.hop_length, "num_features": system.num_features} if takes_features else {}
    return {
        "format": _FORMAT,
        "kind": "onnx",
        "ondes": __version__,
        "family": system.family,
        "sample_rate": system.sample_rate,
        **features,
        "fingerprint": system.fingerprint,
        "options": options,
        "mel_refinement": refinement,
        "opset": OPSET,
        "graphs": [plan.describe() for plan in plans],
        "files": [*(plan.file for plan in plans), METADATA_FILE, TEST_VECTOR_FILE, *_examples(plans)],
        "test_vector": TEST_VECTOR_FILE,
        "verification": {"max_relative_error": error, "tolerance": TOLERANCE},
        "config": system.config.to_dict(),
    }

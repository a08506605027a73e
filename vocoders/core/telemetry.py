"""Packages that report how they are used unless they are told not to."""

import os

__all__ = ["refuse_telemetry"]


def refuse_telemetry() -> None:
    """Turn off what ONNX Runtime sends, on Linux from 1.29 on: names and hashes of models, an id of the machine.

    It reads the variable when it is imported. A value that the user has set stays.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

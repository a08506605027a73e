"""Nothing is reported to anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")


def test_onnx_runtime_makes_no_id_of_the_machine(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "import vocoders, onnxruntime; import sys; sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.iterdir()) == []

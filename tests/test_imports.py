"""Arrows between packages run one way, and light modules stay light."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(repository: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300)


def test_import_contracts_hold(repository: Path) -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    if not linter.exists():
        pytest.skip("import-linter is not installed (extra 'dev')")
    result = run(repository, str(linter), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("module", ["vocoders", "vocoders.core.errors", "vocoders.core.config", "recipes.cli.main"])
def test_light_modules_do_not_import_torch(repository: Path, module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    result = run(repository, sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr or f"{module} imports torch"

"""Every file of reference tensors that a kind recognises agrees with our implementation."""

import captures_kinds  # noqa: F401
import effects_kinds  # noqa: F401
import effects_training_kinds  # noqa: F401
import oracle
import periodwave_kinds  # noqa: F401
import periodwave_training_kinds  # noqa: F401
import pytest
import sashimi_kinds  # noqa: F401
import training_kinds  # noqa: F401  (registers its kinds)
import wavehax_kinds  # noqa: F401

FOLDER = oracle.oracle_folder()
FILES = sorted(FOLDER.rglob("*.safetensors")) if FOLDER.is_dir() else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_reference_tensors_agree(path, record_property):
    file = oracle.OracleFile(path)
    check = oracle.find_check(file)
    if check is None:
        pytest.skip(
            f"no kind of check for {file.path.parent.name} files of class {file.metadata.get('cls', 'unknown')}"
        )
    check(file)
    if not file.worst:
        pytest.skip("; ".join(f"{name}: {reason}" for name, reason in file.left.items()))
    name, error = max(file.worst.items(), key=lambda item: item[1])
    record_property("worst", f"{name}: {error:.3g}")


def test_the_oracle_is_found():
    if not FILES:
        pytest.skip(f"no reference tensors: {FOLDER} is absent; set ONDES_ORACLE")
    assert any(oracle.find_check(oracle.OracleFile(path)) for path in FILES)

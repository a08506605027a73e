"""The commands in the READMEs of the recipes: every option, folder and override in them exists."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

EGS = Path(__file__).resolve().parents[2] / "egs"
READMES = sorted(EGS.glob("*/*/README.md"))


def _commands(path):
    blocks = re.findall(r"```bash\n(.*?)```", path.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("readme", READMES, ids=[str(path.parent.relative_to(EGS)) for path in READMES])
def test_commands(readme, tmp_path, shell):
    shutil.copytree(EGS, tmp_path / "egs", ignore=shutil.ignore_patterns("data", "exp", "dump", "downloads"))
    recipe = readme.parent.relative_to(EGS)
    # Commands that start with the repository's root say so by `cd`.
    folder = tmp_path if any(line.startswith("cd ") for line in _commands(readme)) else tmp_path / "egs" / recipe
    assert _commands(readme)
    for line in _commands(readme):
        if line.startswith("cd "):
            folder = folder / line.removeprefix("cd ")
            continue
        # All but the stages themselves: the options are read, the files they name are looked up.
        words = shlex.split(line.replace("./run.sh", "./run.sh --stop_stage -9"))
        result = shell(*words, cwd=folder)
        assert result.returncode == 0, result.stderr
    for link in re.findall(r"\]\(([^)]+)\)", readme.read_text()):
        if link != "RESULTS.md":
            assert (readme.parent / link).exists(), link


@pytest.mark.parametrize("readme", READMES, ids=[str(path.parent.relative_to(EGS)) for path in READMES])
def test_overrides_name_known_keys(readme):
    from recipes.config import TrainConfig

    for line in _commands(readme):
        words = shlex.split(line)
        overrides = [word for word in words if re.fullmatch(r"[a-z_]+\.[a-z_.]+=.*", word)]
        named = words[words.index("--conf") + 1] if "--conf" in words else None
        conf = readme.parent / named if named else next(iter(sorted(readme.parent.glob("conf/*.yaml"))))
        TrainConfig.from_yaml(conf, overrides)

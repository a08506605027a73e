"""A place as a reader has it after the installation, and a shell in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from document_commands import REPOSITORY, Command
from document_data import CORPORA, write_recordings

# The pages of the documentation that are written by hand.
WEBSITE = Path("tests/documents/website")
# Where documents say that data lies; the only words of a command that are replaced.
_PLACES = ("/data/", "/path/to/")
_OUTPUTS = ("-o", "--output", "--out", "--report")


class Sandbox:
    """A copy of what a clone holds, with the data that commands name; what one command leaves, the next one finds."""

    def __init__(self, root: Path, path: str) -> None:
        self.root = self.folder = root
        self.path = path
        (root / ".ci").mkdir()
        for name in ("Makefile", "pyproject.toml", ".ci/constraints.txt"):
            shutil.copy2(REPOSITORY / name, root / name)
        generated = shutil.ignore_patterns("data", "exp", "dump", "downloads", "__pycache__")
        shutil.copytree(REPOSITORY / "egs", root / "egs", ignore=generated)

    def install(self, programs: Path) -> None:
        """Leave what `make install` leaves, newer than what it was made from."""
        folder = self.root / ".venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        for program in programs.iterdir():
            (folder / "bin" / program.name).unlink(missing_ok=True)
            shutil.copy2(program, folder / "bin")
        (folder / ".installed").touch()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        own = {"PATH": self.path, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        return os.environ | own | {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}

    def localise(self, text: str) -> str:
        """Make the data that a command names, and return the command with the place where it lies."""
        for place in _PLACES:
            data = self.root / "corpora"
            for word in text.split():
                if word.startswith(place):
                    CORPORA.make(data / word.removeprefix(place))
            text = text.replace(f" {place}", f" {data}/")
        return text

    def run(self, command: Command, text: str | None = None) -> str:
        """Run a command where the last one ended; ``text`` is what runs in its place.

        Returns:
            What it prints.
        """
        left = self.root / ".left"
        if command.language == "python":
            script = self.root / "block.py"
            script.write_text(command.text)
            words = ["python", str(script)]
        else:
            line = self.localise(text or command.text)
            words = ["bash", "-c", f'set -e\n{line}\nprintf "%s\\n" "$PWD" "$PATH" >{left}']
        result = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=1500
        )
        printed = result.stdout + result.stderr
        assert result.returncode == 0, f"{command.text}\n{printed}"
        assert "Traceback" not in printed, f"{command.text}\n{printed}"
        if command.language == "bash":
            self.check_outputs(command)
            folder, self.path = left.read_text().splitlines()
            self.folder = Path(folder)
        return printed

    def output(self, line: str) -> str:
        """Return what a line prints, which is no command of a document."""
        words = ["bash", "-c", line]
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def check_outputs(self, command: Command) -> None:
        """What a command says that it writes is there."""
        words = command.words
        for option, name in zip(words, words[1:], strict=False):
            if option in _OUTPUTS and name != "-":
                path = self.folder / name
                assert path.exists(), f"{command.text}: {name} is not there"
                files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
                assert files, f"{command.text}: {name} is empty"
                assert all(file.stat().st_size for file in files), f"{command.text}: an empty file"


def _path_without_ondes() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not Path(folder, "ondes").exists())


@pytest.fixture
def sandbox(tmp_path: Path, program_path: str) -> Sandbox:
    """A fresh place in the root of the repository, with the environment on the path."""
    root = tmp_path / "ondes"
    root.mkdir()
    return Sandbox(root, program_path)


@pytest.fixture
def open_sandbox(sandbox: Sandbox, programs: Path) -> Callable[[Path, list[Command]], Sandbox]:
    """Return a function that gives the place in which a document's commands begin."""

    def open_at(document: Path, commands: list[Command]) -> Sandbox:
        folder = document.parent.relative_to(REPOSITORY)
        if folder == Path():
            # Its reader has installed nothing but what it says, and has recordings.
            sandbox.path = _path_without_ondes()
            sandbox.install(programs)
            write_recordings(sandbox.root)
        elif WEBSITE in folder.parents:
            # Its reader has followed "Installing", and has recordings.
            write_recordings(sandbox.root)
        # Commands that begin at the root of the repository say so by `cd`.
        if folder.parts[:1] == ("egs",) and not any(command.text.startswith("cd ") for command in commands):
            sandbox.folder = sandbox.root / folder
        return sandbox

    return open_at

"""The commands that the documents show, as they stand there."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DOCUMENTS", "REPOSITORY", "Command", "inline_commands", "name_of", "read_commands"]

REPOSITORY = Path(__file__).resolve().parents[2]
# Never the results of runs, which lie deeper.
_PLACES = (
    *("*.md", "demo/*.md", "vocoders/**/*.md", "effects/**/*.md", "egs/*/*.md", "egs/*/*/*.md"),
    "tests/documents/website/pages/**/*.md",
)
DOCUMENTS = sorted({path for place in _PLACES for path in REPOSITORY.glob(place)})
_FENCE = re.compile(r"^ *```(\S*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
# What a block may hold beside commands. Those of `console` need a package of the reader's: tests/extensions runs them.
_NO_COMMANDS = ("text", "toml", "yaml", "console")
# The first line of a block that is a file of the toy package; tests/extensions compares them.
_FILE = re.compile(r"# (ondes_toy/\w+\.py|pyproject\.toml|conf/\w+\.yaml)\n")


@dataclass(frozen=True)
class Command:
    """One command of a document: a line of a shell with what continues it, or a whole block of Python."""

    text: str
    language: str

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, without comments."""
        return shlex.split(self.text, comments=True)


def name_of(document: Path) -> str:
    """Return the name of a document in the repository."""
    return str(document.relative_to(REPOSITORY))


def read_commands(document: Path) -> list[Command]:
    """Return the commands of a document's fenced blocks in their order."""
    commands = []
    for language, block in _FENCE.findall(document.read_text()):
        if language == "bash":
            lines = block.replace("\\\n", " ").splitlines()
            commands += [Command(line.strip(), language) for line in lines if shlex.split(line, comments=True)]
        elif language == "python" and not _FILE.match(block):
            commands.append(Command(block, language))
        elif not _FILE.match(block):
            assert language in _NO_COMMANDS, f"{name_of(document)}: a block in '{language}', which no test runs"
    return commands


def inline_commands(document: Path) -> list[str]:
    """Return what stands as ``ondes COMMAND ...`` within the text of a document."""
    text = _FENCE.sub("", document.read_text())
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
    return [span for span in spans if re.match(r"ondes [a-z]+( |$)", span)]

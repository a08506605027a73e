"""Comments in a training configuration: beside each key, the beginning of what ``ondes config explain`` says of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from recipes.config import TrainConfig
from recipes.config_help import explain
from vocoders.core.text import read_text

__all__ = ["with_comments"]

_WIDTH = 120
_LONGEST = 90


def with_comments(path: str | Path) -> str:
    """Return the text of a training configuration with the meaning of each key at the end of its line.

    Lines with a comment keep it, and keys with a comment on the line above have none. Sections have none, and neither
    have keys whose first clause is too long for the line.

    Raises:
        ConfigError: if the file is no training configuration.
        DataError: if it cannot be read.
    """
    config = TrainConfig.from_yaml(path)
    meanings: dict[str, str] = {}
    for section in TrainConfig.model_fields:
        for key in explain(section, config.family, str(config.objective["name"])):
            meanings.setdefault(key.path, _clause(key.meaning))
    text = read_text(path)
    lines = text.splitlines()
    for key, number in _lines(yaml.compose(text, yaml.SafeLoader), ""):
        line = lines[number]
        explained = " #" in line or (number > 0 and lines[number - 1].lstrip().startswith("#"))
        if not explained and (meaning := meanings.get(key)) and len(line) + 3 + len(meaning) <= _WIDTH:
            lines[number] = f"{line} # {meaning}"
    return "\n".join(lines) + "\n"


def _lines(node: yaml.Node, prefix: str) -> Iterator[tuple[str, int]]:
    """Yield the path and the line of each key whose value ends on the line on which it begins."""
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _lines(value, f"{path}.")
        elif value.end_mark.line == key.start_mark.line:
            yield path, key.start_mark.line


def _clause(meaning: str) -> str:
    """Return the first clause of a meaning, without what stands in brackets; nothing if that is long or one word."""
    plain = re.sub(r" \([^()]*\)", "", meaning)
    clause = re.split(r"\. |; |: |, see ", plain, maxsplit=1)[0].strip(" .")
    return clause if len(clause) <= _LONGEST and " " in clause else ""

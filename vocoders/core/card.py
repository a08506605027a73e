"""Model cards: README.md with YAML front matter, as the model hub reads it."""

from pathlib import Path
from typing import Any

from vocoders.core.config import parse_yaml
from vocoders.core.errors import ConfigError, OndesError
from vocoders.core.text import read_text

__all__ = ["check_card", "minimal_card", "read_card"]


def minimal_card(family: str, num_parameters: int) -> str:
    """Return a card with the known facts alone; the licence of the weights is for their trainer to state."""
    return (
        "---\n"
        "license: unknown\n"
        "library_name: ondes\n"
        f"tags: [ondes, {family}]\n"
        "---\n\n"
        f"# {family}\n\n"
        f"A model of the family `{family}` with {num_parameters:,} parameters. "
        "Training data, licence and quality are not recorded.\n"
    )


def check_card(card: str) -> None:
    """Raise :class:`ConfigError` unless the front matter of ``card`` names a license and ``library_name: ondes``."""
    front = _front_matter(card, "model card")
    if front is None:
        raise ConfigError("the model card has no front matter; expected YAML between two lines of '---' at its start")
    if not front.get("license"):
        raise ConfigError("the front matter of the model card names no license; add 'license: ...'")
    if front.get("library_name") != "ondes":
        raise ConfigError(f"the model card has library_name: {front.get('library_name')}; expected ondes")


def read_card(folder: Path) -> dict[str, Any]:
    """Return the front matter of a model folder's card; empty if the card is absent or unreadable."""
    try:
        return _front_matter(read_text(folder / "README.md", limit="config"), str(folder / "README.md")) or {}
    except OndesError:
        return {}


def _front_matter(card: str, source: str) -> dict[str, Any] | None:
    lines = card.replace("\r\n", "\n").split("\n")
    if lines[0] != "---" or "---" not in lines[1:]:
        return None
    front = parse_yaml("\n".join(lines[1 : lines.index("---", 1)]), source)
    return front if isinstance(front, dict) else None

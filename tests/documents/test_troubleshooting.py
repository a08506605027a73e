"""Every error line that the page on troubleshooting quotes is one that the code prints."""

import ast
import re
from collections.abc import Iterator

from document_commands import REPOSITORY

PAGE = REPOSITORY / "tests/documents/website/pages/troubleshooting.md"
PACKAGES = ("vocoders", "effects", "recipes", "demo")
# A template with fewer characters of its own would match anything.
FEWEST = 12


def quoted_lines() -> list[str]:
    """Return the headings of the page that stand in backquotes: lines of output."""
    return re.findall(r"^`(.+)`\n:   ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def templates() -> Iterator[re.Pattern[str]]:
    """Yield a pattern for each text of the source, with anything where a value is put in."""
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    texts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts = re.split(r"(%s)", node.value)
                    texts = [None if text == "%s" else text for text in texts]
                else:
                    continue
                if sum(len(text) for text in texts if text) >= FEWEST:
                    yield re.compile("".join(".*" if text is None else re.escape(text) for text in texts), re.DOTALL)


def test_each_quoted_line_is_one_of_the_code() -> None:
    lines = quoted_lines()
    assert len(lines) >= 10
    patterns = list(templates())
    assert not [line for line in lines if not any(pattern.fullmatch(line) for pattern in patterns)]
    foreign = "clip.wav: no such thing in this package; pass --magic"
    assert not any(pattern.fullmatch(foreign) for pattern in patterns)

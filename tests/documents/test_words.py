"""One word for each idea: the glossary of CONTRIBUTING.md, and the words that it retired."""

import re

import pytest
from document_commands import DOCUMENTS, REPOSITORY, name_of

# Retired words, each with the word of the glossary.
RETIRED = {
    r"true effects?": "processor",
    r"ground-truth effects?": "processor",
    r"bent curves?": "waveshaper",
    r"the wanted one": "the target",
    r"is (?:asked|wished) for": "requested",
    r"behind (?:it|the network|the flow|the stream)": "after",
}
GLOSSARY = "CONTRIBUTING.md"
TEXTS = [
    *DOCUMENTS,
    *(path for package in ("vocoders", "effects") for path in sorted((REPOSITORY / package).rglob("*.py"))),
]


def _glossary() -> list[tuple[str, str]]:
    section = (REPOSITORY / GLOSSARY).read_text(encoding="utf-8").partition("\n## Words\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!-|word )(.+?) \| (.+?) \|$", section, re.MULTILINE)
    return [(word.strip(), meaning) for words, meaning in rows for word in words.split(",")]


def test_the_glossary_explains_each_word_once() -> None:
    words = [word for word, _ in _glossary()]
    assert len(words) == len(set(words)) > 30
    assert {"system", "vocoder", "generator", "baseline", "processor", "item", "reference"} <= set(words)


@pytest.mark.parametrize("word", RETIRED)
def test_retired_words_do_not_come_back(word: str) -> None:
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line) and 'Not "true effect"' not in line
    ]
    assert not found, f"write '{RETIRED[word]}': {found}"

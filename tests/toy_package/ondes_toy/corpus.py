"""A corpus reader: from a folder to the utterances in it."""

from pathlib import Path

from recipes.data.kaldi import Utterance
from vocoders.core.tables import read_table


def find_toy(source: Path) -> list[Utterance]:
    """Folders with a list.csv: the columns file, speaker and text.

    Durations are filled in later, and files that cannot be used are left out with the reason.
    """
    table = read_table(source / "list.csv", "list of recordings", "the columns file, speaker and text")
    utterances = []
    for row in table.rows:
        path = source / row.cells["file"]
        utterances.append(Utterance(path.stem, path, row.cells["speaker"], text=row.cells["text"]))
    return utterances

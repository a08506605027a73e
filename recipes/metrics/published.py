"""Figures of a paper beside those of a run, as a section of a page of results."""

from recipes.metrics.evaluation import EvaluationResult
from vocoders.core.config import Config

__all__ = ["PublishedFigures"]


class PublishedFigures(Config):
    """Figures of a paper.

    Attributes:
        text: what they are of, and how they compare with those of a run.
        set: the set of utterances that they are of.
        measured: the set that a run is measured on.
        columns: titles by name; a column is the name of a system, a metric of ``ondes evaluate``, or anything else.
        rows: values of the columns by name.
    """

    text: str
    set: str
    measured: str = "test"
    columns: dict[str, str]
    rows: tuple[dict[str, str], ...]

    def section(self, result: EvaluationResult | None = None) -> str:
        """Return heading, text and table; the systems of a result stand below the published rows."""
        first, *others = self.columns
        rows = [[row[first], self.set, *(row.get(name, "") for name in others)] for row in self.rows]
        if result is not None:
            count = len({score.utt_id for score in result.scores})
            measured = f"{self.measured}, {count} utterance{'s' if count != 1 else ''}"
            rows += [[f"ours: {system}", measured, *_means(result, system, others)] for system in result.systems]
        titles = [self.columns[first], "set", *(self.columns[name] for name in others)]
        lines = [_line(titles), f"|---|---|{'---:|' * len(others)}\n", *map(_line, rows)]
        return f"## Published\n\n{self.text.strip()}\n\n{''.join(lines)}"


def _means(result: EvaluationResult, system: str, columns: list[str]) -> list[str]:
    """Return the means of a system; that of a metric with a tracker of its own (periodicity:swift) names it."""
    cells = {}
    for metric in result.metrics:
        name, _, tracker = metric.name.partition(":")
        mean = result.summary(system, metric.name).mean
        cells[name] = "" if mean is None else f"{mean:.4g}" + (f" ({tracker})" if tracker else "")
    return [cells.get(name, "") for name in columns]


def _line(cells: list[str]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n"

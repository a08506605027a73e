"""Dynamic time warping of two feature sequences inside a band around the diagonal."""

import numpy as np

__all__ = ["warping_path"]


def warping_path(reference: np.ndarray, generated: np.ndarray, band: int) -> tuple[np.ndarray, np.ndarray]:
    """Align two sequences with least summed Euclidean distance.

    Steps are (1, 0), (0, 1) and (1, 1) with equal weight (Sakoe and Chiba 1978, symmetric form 0); the path starts at
    the first and ends at the last frame of both. The band bounds memory to ``(N + M) * band`` values.

    Args:
        reference: (N, D).
        generated: (M, D).
        band: largest distance in frames from the diagonal; at least ``|N - M|`` is used.

    Returns:
        Two index arrays (L,): frames of the reference and of the generated sequence along the path.
    """
    num_reference, num_generated = len(reference), len(generated)
    band = max(band, abs(num_reference - num_generated), 1)
    # One anti-diagonal i + j = d at a time, so that numpy works on vectors; its cells are counted by i from `first`.
    previous, before = (0, np.empty(0)), (0, np.empty(0))
    choices: list[tuple[int, np.ndarray]] = []
    for diagonal in range(num_reference + num_generated - 1):
        first = max(0, diagonal - num_generated + 1, (diagonal - band + 1) // 2)
        last = min(num_reference - 1, diagonal, (diagonal + band) // 2)
        rows = np.arange(first, last + 1)
        local = np.linalg.norm(reference[rows] - generated[diagonal - rows], axis=1)
        if diagonal == 0:
            choice, total = np.zeros(1, dtype=np.int8), local
        else:
            steps = np.stack([_at(before, rows - 1), _at(previous, rows - 1), _at(previous, rows)])
            choice = steps.argmin(0).astype(np.int8)
            total = local + steps.min(0)
        choices.append((first, choice))
        before, previous = previous, (first, total)
    return _trace_back(choices, num_reference - 1, num_generated - 1)


def _at(costs: tuple[int, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Look up the costs of an anti-diagonal by row; infinity outside of it."""
    first, values = costs
    inside = (rows >= first) & (rows < first + len(values))
    found = np.full(len(rows), np.inf)
    found[inside] = values[rows[inside] - first]
    return found


def _trace_back(choices: list[tuple[int, np.ndarray]], row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = [row], [column]
    while row or column:
        first, choice = choices[row + column]
        # 0: both advanced, 1: the reference advanced, 2: the generated sequence advanced.
        step = choice[row - first]
        row, column = row - (step != 2), column - (step != 1)
        rows.append(row)
        columns.append(column)
    return np.array(rows[::-1]), np.array(columns[::-1])

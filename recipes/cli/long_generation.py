"""Items of many minutes: written while they are drawn, in constant memory."""

import logging

from recipes.cli.batch import Progress
from recipes.cli.drawing import Batch, Drawing, Report

__all__ = ["is_long", "write_long_item"]

_logger = logging.getLogger(__name__)

# Shorter items are drawn whole, several at a time.
_LONG_SECONDS = 600.0


def is_long(drawing: Drawing) -> bool:
    """Return whether items are to be written while they are drawn."""
    from vocoders.core.errors import ConfigError

    if drawing.length <= _LONG_SECONDS * drawing.rate:
        return False
    try:
        drawing.generator.stream(drawing.options)
    except ConfigError:
        text = "%s draws no streams; memory grows with the length of an item"
        _logger.info(text, type(drawing.generator).__name__)
        return False
    return True


def write_long_item(batch: Batch, drawing: Drawing, progress: Progress) -> Report:
    """Write the one item of a batch; the likelihood of a stream is not known."""
    from vocoders.core.audio import write_blocks

    number, generator = batch.numbers[0], drawing.generator
    labels = generator.item_labels([number], drawing.label, drawing.seed)
    pieces = generator.draw_pieces(
        drawing.length,
        item=number,
        prompt=drawing.prompt,
        label=drawing.label,
        seed=drawing.seed,
        options=drawing.options,
        progress=progress,
    )
    heard = (piece[None] for piece in pieces if len(piece))
    total = drawing.length + (0 if drawing.prompt is None else len(drawing.prompt))
    written = write_blocks(batch.output, heard, drawing.rate, 1, total)
    return Report(str(batch.output), number, written / drawing.rate, drawing.rate, None, labels[0] if labels else None)

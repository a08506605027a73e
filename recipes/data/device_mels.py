"""Mels of whole batches on the device of the training, instead of one by one in loader processes.

Items carry their audio with the context that the first and last frames need. Windows at the edge of an utterance have
less context, since its padding belongs to the mel. So a batch is ordered by context, and each group of equal windows is
one call.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F

from recipes.data.dataset import WINDOW, WINDOW_PLACE, collate
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["BatchMels", "collate_windows"]

_GROUPS = "window_groups"


def collate_windows(items: Sequence[Mapping[str, Any]], hop_length: int) -> dict[str, Any]:
    """Stack items with windows of audio, ordered by their context, and list the groups of equal context."""
    ordered = sorted(items, key=lambda item: item[WINDOW_PLACE])
    longest = max(item[WINDOW].shape[-1] for item in ordered)
    padded = [{**item, WINDOW: F.pad(item[WINDOW], (0, longest - item[WINDOW].shape[-1]))} for item in ordered]
    groups, first = [], 0
    for (before, frames), own in groupby(item[WINDOW_PLACE] for item in ordered):
        last = first + len(list(own))
        groups.append((first, last, before, frames))
        first = last
    batch = collate([{key: value for key, value in item.items() if key != WINDOW_PLACE} for item in padded])
    return batch | {_GROUPS: groups, "hop_length": hop_length}


class BatchMels:
    """Adds features to the batches of :func:`collate_windows`; other batches stay as they are.

    Args:
        mel: front end.
    """

    def __init__(self, mel: MelConfig) -> None:
        self._log_mel = LogMel(mel)

    @torch.no_grad()
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the batch with ``features`` (B, n_mels, F), equal to those of loader processes."""
        if WINDOW not in batch:
            return batch
        rest = {key: value for key, value in batch.items() if key not in (WINDOW, _GROUPS, "hop_length")}
        windows, hop = batch[WINDOW], batch["hop_length"]
        frames = batch["audio"].shape[-1] // hop
        self._log_mel = self._log_mel.to(windows.device)
        features = [
            self._log_mel(windows[first:last, 0, : count * hop])[..., before : before + frames]
            for first, last, before, count in batch[_GROUPS]
        ]
        return rest | {"features": torch.cat(features)}

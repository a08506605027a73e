"""The best path of F0 and voicing through frames, decided for each frame from a few frames around it (ours).

A frame alone may take noise for a pitch, or a harmonic for the fundamental. So each frame has the states of Viterbi's
algorithm, one for each bin of F0 and one that is unvoiced, and changes between frames have a cost. The score of a state
is that of the best path through it, over a fixed number of frames on each side: by so many steps of messages in both
directions (max-product). Unlike a path through all frames, it is the same for whole features, chunks and streams.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PATH_FRAMES", "best_path"]

PATH_FRAMES = 6
"""Number of frames on each side on which the path in a frame depends."""

# Costs, in nepers: of a change by a bin, of any change of F0 at most, and of voicing that begins or ends.
_STEP, _JUMP, _SWITCH = 0.12, 4.0, 2.0
# Factor on the log-probabilities of F0, which vary more than those of voicing, and their lowest value: a frame whose
# neighbours agree may be wrong. So voiced frames need a certain F0.
_WEIGHT, _LOWEST = 0.8, -8.0


def best_path(scores: Tensor, voicing: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the best bin and whether it is voiced, each (B, 1, F).

    Args:
        scores: logits of the bins of F0, (B, bins, F).
        voicing: logits of voicing, (B, 1, F).
        threshold: logit of voicing from which a frame is voiced, if it were alone and its F0 certain.
    """
    voiced = _WEIGHT * torch.log_softmax(scores, dim=1).clamp(min=_LOWEST) + F.logsigmoid(voicing) - threshold
    unvoiced = F.logsigmoid(-voicing)
    # Both directions at once, the second one backwards in time.
    own = torch.cat([torch.cat([each, each.flip(-1)]) for each in (voiced, unvoiced)], dim=1)
    through = own
    for _ in range(PATH_FRAMES):
        message = _after_a_frame(through)
        through = own + F.pad(message[..., :-1], (1, 0))
    ahead, back = through.chunk(2)
    total = ahead + back.flip(-1) - own[: len(scores)]
    best, place = total[:, :-1].max(dim=1, keepdim=True)
    return place, best >= total[:, -1:]


def _after_a_frame(scores: Tensor) -> Tensor:
    """Return the score of the best way into each state, (B, bins + 1, F); the last one is unvoiced."""
    voiced, unvoiced = scores[:, :-1], scores[:, -1:]
    # The largest of scores[j] - step |i - j| over j, by running maxima from both ends.
    slope = _STEP * torch.arange(voiced.shape[1], device=scores.device, dtype=scores.dtype)[:, None]
    below = torch.cummax(voiced + slope, dim=1).values - slope
    above = torch.cummax((voiced - slope).flip(1), dim=1).values.flip(1) + slope
    highest = voiced.amax(dim=1, keepdim=True)
    into_voiced = torch.maximum(torch.maximum(below, above), torch.maximum(highest - _JUMP, unvoiced - _SWITCH))
    return torch.cat([into_voiced, torch.maximum(unvoiced, highest - _SWITCH)], dim=1)

"""The path of F0 is the best one there is, and a frame sees a few frames alone."""

import math

import pytest
import torch
from torch import Tensor

from vocoders.frontends.pitch_path import _JUMP, _LOWEST, _STEP, _SWITCH, _WEIGHT, PATH_FRAMES, best_path

BINS = 6


def draw_logits(num_frames: int, seed: int = 0, bins: int = BINS) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(1, bins, num_frames, generator=generator), torch.randn(1, 1, num_frames, generator=generator)


def viterbi(scores: Tensor, voicing: Tensor) -> list[int]:
    """Return the best path through all frames, by the definition; state ``BINS`` is unvoiced."""
    own = torch.cat(
        [
            _WEIGHT * torch.log_softmax(scores, 1).clamp(min=_LOWEST) + torch.nn.functional.logsigmoid(voicing),
            torch.nn.functional.logsigmoid(-voicing),
        ],
        dim=1,
    )[0]
    costs = torch.zeros(BINS + 1, BINS + 1)
    for i in range(BINS + 1):
        for j in range(BINS + 1):
            costs[i, j] = min(_STEP * abs(i - j), _JUMP)
            if BINS in (i, j):
                costs[i, j] = 0.0 if i == j else _SWITCH
    best, back = own[:, 0], []
    for frame in range(1, own.shape[1]):
        reached, source = (best[None] - costs).max(dim=1)
        best = reached + own[:, frame]
        back.append(source)
    path = [int(best.argmax())]
    for source in reversed(back):
        path.append(int(source[path[-1]]))
    return path[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_few_frames_have_the_path_of_viterbi(seed: int) -> None:
    scores, voicing = draw_logits(PATH_FRAMES + 1, seed)
    place, voiced = best_path(scores, voicing, 0.0)
    found = torch.where(voiced, place, BINS).flatten().tolist()
    assert found == viterbi(scores, voicing)


def test_a_frame_depends_on_few_frames() -> None:
    scores, voicing = draw_logits(40, bins=30)
    whole = best_path(scores, voicing, -1.0)
    for frame in (0, 3, 20, 39):
        first, last = max(0, frame - PATH_FRAMES), frame + PATH_FRAMES + 1
        part = best_path(scores[..., first:last], voicing[..., first:last], -1.0)
        assert all(a[..., frame] == b[..., frame - first] for a, b in zip(whole, part, strict=True))


def test_one_frame_an_octave_off_is_corrected_and_a_step_stays() -> None:
    scores = torch.full((1, 72, 30), -6.0)
    scores[0, 20, :15], scores[0, 60, 15:] = 2.0, 2.0
    scores[0, 20, 5], scores[0, 56, 5] = 1.0, 2.0
    place, voiced = best_path(scores, torch.full((1, 1, 30), 5.0), 0.0)
    assert voiced.all()
    assert place.flatten().tolist() == [20] * 15 + [60] * 15


def test_voicing_needs_a_certain_f0() -> None:
    certain, voicing = torch.full((1, 72, 9), -20.0), torch.zeros(1, 1, 9)
    certain[0, 30] = 0.0
    threshold = -0.5
    assert best_path(certain, voicing, threshold)[1].all()
    assert not best_path(torch.zeros(1, 72, 9), voicing, threshold)[1].any()
    assert math.log(72) * _WEIGHT > -threshold

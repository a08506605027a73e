"""Learn the closing steps of the mel refinement, and print them as vocoders/frontends/refinement_steps.py has them.

Eight steps have 80 numbers: relaxation, momentum and the weights of ratios. They are learned by gradients through the
iterations, on clips that a vocoder has made from the mels of recordings: four closing steps alone, all eight, and eight
after others, from the vocoder's output and from noise. The loss is the distance of the log-mel, and a differentiable
model of PESQ where the package torch-pesq is installed (0.03 more PESQ-wb on other clips). About a second a step.

Usage: python local/closing_steps.py --data data/train [--model wavehax-24k] [--steps 200]
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import torch
from torch import Tensor

from recipes.data.kaldi import KaldiDirectory
from recipes.data.reading import read_utterance
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.refinement_steps import RefinementStep, mirrored
from vocoders.mel_vocoder import MelVocoder
from vocoders.registry import load_vocoder

CLIPS, SECONDS, STEPS, REACH = 18, 1.6, 8, 3
NOISE_LEVEL = 0.05
# Iterations, and whether the start is noise.
TASKS = ((8, False), (8, False), (4, False), (14, False), (16, True))

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def clips(model: MelVocoder, data: Path) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield recordings (1, 1, T), their log-mels, and what the network alone makes of those."""
    utterances = list(KaldiDirectory.read(data))
    for utterance in utterances[:: max(1, len(utterances) // CLIPS)][:CLIPS]:
        samples = read_utterance(utterance, model.sample_rate, resample=True)[: round(SECONDS * model.sample_rate)]
        audio = torch.from_numpy(samples[: len(samples) // model.hop_length * model.hop_length])[None, None]
        inputs = model.analyze(audio)
        features, f0 = inputs["features"].clone(), inputs["f0"].clone()
        yield audio, features, model.synthesize(features, f0, mel_refinement=0).clone()


def make_loss(model: MelVocoder) -> Loss:
    """Return the loss of (recording, log-mel, output)."""

    def mel_distance(audio: Tensor, features: Tensor, output: Tensor) -> Tensor:
        return (model.log_mel(output) - features).abs().mean()

    try:
        from torch_pesq import PesqLoss  # pyright: ignore[reportMissingImports]
    except ImportError:
        print("torch-pesq is not installed: the loss is the distance of the mel alone", file=sys.stderr)
        return mel_distance
    pesq = PesqLoss(1.0, sample_rate=model.sample_rate)
    return lambda *x: mel_distance(*x) + 0.2 * pesq(x[0][0], x[2][0]).mean()


class Numbers(torch.nn.Module):
    """Relaxation and momentum of each step, and its weights: of one band and its neighbour, at each distance."""

    def __init__(self) -> None:
        super().__init__()
        self.moves = torch.nn.Parameter(torch.tensor([[1.3, 0.8]]).repeat(STEPS, 1))
        weights = torch.zeros(STEPS, 2, REACH + 1)
        weights[:, 0, 0] = 1.2
        self.weights = torch.nn.Parameter(weights)

    def steps(self) -> tuple[RefinementStep, ...]:
        """Return steps through which gradients pass."""
        pairs = zip(self.moves, self.weights, strict=True)
        # A step takes numbers; tensors of one number pass their gradients on.
        return tuple(RefinementStep(*move, kernel=mirrored(halves)) for move, halves in pairs)  # pyright: ignore


def learn(model: MelVocoder, data: Path, count: int) -> Numbers:
    """Learn the numbers in ``count`` updates; the gradient of each clip is limited, so that none overturns the rest."""
    numbers, loss, examples = Numbers(), make_loss(model), cycle(list(clips(model, data)))
    optimizer = torch.optim.Adam(
        [{"params": [numbers.moves], "lr": 0.02}, {"params": [numbers.weights], "lr": 0.01}], betas=(0.9, 0.97)
    )
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, count)
    parameters = list(numbers.parameters())
    generator = torch.Generator().manual_seed(0)
    for update in range(count):
        optimizer.zero_grad()
        total = 0.0
        for (iterations, is_noise), (audio, features, output) in zip(TASKS, examples, strict=False):
            start = NOISE_LEVEL * torch.randn(output.shape, generator=generator) if is_noise else output
            refinement = MelConsistency(model.log_mel, closing=numbers.steps())
            value = loss(audio, features, refinement(start.requires_grad_(), features, iterations))
            gradients = torch.autograd.grad(value, parameters)
            size = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
            for parameter, gradient in zip(parameters, gradients, strict=True):
                limited = gradient * min(1, 0.1 / size) / len(TASKS)
                parameter.grad = limited if parameter.grad is None else parameter.grad + limited
            total += value.item() / len(TASKS)
        optimizer.step()
        schedule.step()
        if update % 10 == 9:
            print(f"update {update + 1} of {count}: loss {total:.4f}", file=sys.stderr)
    return numbers


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Kaldi data directory of the recordings")
    parser.add_argument("--model", default="wavehax-24k", help="vocoder whose output is refined")
    parser.add_argument("--steps", type=int, default=200, help="updates")
    args = parser.parse_args()
    model = load_vocoder(args.model)
    assert isinstance(model, MelVocoder)
    numbers = learn(model, args.data, args.steps)
    for (relaxation, momentum), halves in zip(numbers.moves.tolist(), numbers.weights.tolist(), strict=True):
        same, neighbour = ("[" + ", ".join(f"{round(weight, 2) + 0.0:.2f}" for weight in half) + "]" for half in halves)
        print(f"    RefinementStep.of_halves({relaxation:.2f}, {momentum:.2f}, {same}, {neighbour}),")


if __name__ == "__main__":
    main()

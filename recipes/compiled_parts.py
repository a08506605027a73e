"""Networks of a training compiled by torch.compile, tried on their first input; one that fails stays as it was."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

__all__ = ["compile_part"]

logger = logging.getLogger(__name__)

# Largest difference from the network itself, relative to the largest value of an output.
_TOLERANCE = 1e-3


def compile_part(name: str, module: nn.Module) -> None:
    """Let ``module`` run compiled in training, from its first call on; its state and its names do not change.

    Validations have inputs of all lengths, each of which would be compiled anew, so they run as before. At the first
    call the compiled network is tried: its output in evaluation mode must be that of the network itself, and a training
    step through it must be possible. If not, one log line says why, and the network stays as it was.
    """
    original = module.forward
    chosen: list[Callable[..., Any]] = []

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not module.training:
            return original(*args, **kwargs)
        if not chosen:
            compiled = torch.compile(original, dynamic=False)
            problem = _try(module, original, compiled, args, kwargs)
            if problem:
                logger.warning("the %s is not compiled: %s", name, problem)
            else:
                logger.info("the %s is compiled", name)
            chosen.append(original if problem else compiled)
        return chosen[0](*args, **kwargs)

    module.forward = forward


def _try(
    module: nn.Module,
    original: Callable[..., Any],
    compiled: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> str:
    """Return why a compiled network cannot be used; empty if it can."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    is_training = module.training
    # The trial leaves random numbers and running statistics as they are.
    buffers = {key: value.clone() for key, value in module.named_buffers()}
    try:
        with torch.random.fork_rng(devices=devices):
            module.eval()
            with torch.no_grad():
                expected, found = tree_leaves(original(*args, **kwargs)), tree_leaves(compiled(*args, **kwargs))
            error = max((_difference(*pair) for pair in zip(expected, found, strict=True)), default=0.0)
            if not error <= _TOLERANCE:
                return f"its output differs by {error:.2g} of the largest value, and {_TOLERANCE:g} is allowed"
            module.train(is_training)
            with torch.enable_grad():
                outputs = [leaf for leaf in tree_leaves(compiled(*args, **kwargs)) if isinstance(leaf, Tensor)]
                loss = torch.stack([leaf.float().square().mean() for leaf in outputs]).sum()
                parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
                if parameters and loss.requires_grad:
                    torch.autograd.grad(loss, parameters, allow_unused=True)
    except Exception as error:  # of the compiler: a missing program, an operation that it does not know ...
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    finally:
        module.train(is_training)
        with torch.no_grad():
            for key, value in module.named_buffers():
                value.copy_(buffers[key])
    return ""


def _difference(expected: Any, found: Any) -> float:
    if not isinstance(expected, Tensor):
        return 0.0
    largest = expected.abs().amax().clamp(min=1e-12)
    return float((expected - found).abs().amax() / largest) if expected.numel() else 0.0

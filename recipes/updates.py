"""Updates of the parts of a run: back-propagation, clipping, steps, and what happens where numbers are not finite.

Whether a step is taken is decided on the device: the fused optimiser takes none where the norm of the gradient is not
finite. The host reads the count of skipped steps together with the values of a log line, so it waits for the device
once for each line. The norm is that of the gradient averaged over processes, so all of them decide alike.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from recipes.sections import TrainerConfig
from vocoders.core.errors import OndesError

__all__ = ["Updates", "split_batch"]

logger = logging.getLogger(__name__)


class Updates:
    """Updates of every part, and the steps that were skipped.

    Args:
        parts: modules by name, prepared for their device and processes.
        optimizers: optimiser of each part, prepared too.
        accelerator: device, precision, processes.
        options: the section ``trainer``.
        skipped: number of steps skipped so far.
    """

    def __init__(
        self,
        parts: Mapping[str, nn.Module],
        optimizers: Mapping[str, Any],
        accelerator: Accelerator,
        options: TrainerConfig,
        skipped: int = 0,
    ) -> None:
        self.parts, self.optimizers, self.accelerator, self.options = parts, optimizers, accelerator, options
        self.skipped = skipped
        self._names = list(parts)
        # For each part whether its loss, and whether its gradient was not finite in this step; then over steps.
        self._faults = torch.zeros(len(parts), 2, dtype=torch.bool, device=accelerator.device)
        self._any_faults = self._faults.clone()
        self._counts = torch.zeros(2, dtype=torch.long, device=accelerator.device)  # since the last report, in a row
        self._micro, self._num_micro = 0, 1

    def begin(self, micro: int, num_micro: int) -> None:
        """Begin part ``micro`` of the ``num_micro`` parts of a batch; only the last one takes a step."""
        self._micro, self._num_micro = micro, num_micro
        if micro == 0:
            self._faults.zero_()

    def waiting(self) -> ExitStack:
        """Return the context of all parts of a batch but the last: processes average their gradients only there."""
        stack = ExitStack()
        if not self._is_last:
            for part in self.parts.values():
                stack.enter_context(self.accelerator.no_sync(part))
        return stack

    @property
    def _is_last(self) -> bool:
        return self._micro == self._num_micro - 1

    def update(self, name: str, loss: Tensor) -> Tensor:
        """Back-propagate ``loss`` and step the part ``name``; return the norm of its gradient before clipping."""
        optimizer = self.optimizers[name]
        if self._micro == 0:
            optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss / self._num_micro if self._num_micro > 1 else loss)
        fault = self._faults[self._names.index(name)]
        fault[0] |= ~torch.isfinite(loss.detach()).all()
        if not self._is_last:
            return loss.new_zeros(())
        limit = self.options.max_gradient_norm
        norm = self.accelerator.clip_grad_norm_(self.parts[name].parameters(), limit or float("inf"))
        assert norm is not None
        # In fp16 gradients may overflow occasionally: the scaler skips such a step.
        if self.options.precision == "fp16":
            optimizer.step()
            return norm
        fault[1] |= ~torch.isfinite(norm)
        inner = optimizer.optimizer
        if inner.defaults["fused"]:
            inner.found_inf = fault[1].float()
            optimizer.step()
        elif not bool(fault[1]):
            optimizer.step()
        return norm

    def end(self) -> None:
        """Count a step on the device."""
        skipped = self._faults.any()
        self._any_faults |= self._faults
        self._counts += skipped
        self._counts[1] *= skipped

    def report(self, step: int, values: Mapping[str, Tensor | float], is_last: bool = False) -> dict[str, float]:
        """Return the values as numbers, and tell of the steps skipped since the last report; the host waits once.

        Values are means over the processes, each of which has seen its share of the batch; all of them must report.

        Raises:
            OndesError: after more than ``max_skipped_steps`` consecutive skipped ones, and after the last step if all
                were skipped.
        """
        tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        device = self._counts.device
        measured = [value.detach().double().to(device) for value in tensors.values()]
        if measured and self.accelerator.num_processes > 1:
            measured = [*self.accelerator.reduce(torch.stack(measured), reduction="mean")]
        numbers = torch.stack(
            [self._counts.double()[0], self._counts.double()[1], *self._any_faults.flatten().double(), *measured]
        ).tolist()
        new, in_a_row, *numbers = numbers
        faults, numbers = numbers[: 2 * len(self._names)], numbers[2 * len(self._names) :]
        if new:
            self._tell(step, int(new), int(in_a_row), faults, is_last)
        found = dict(zip(tensors, numbers, strict=True))
        return {name: found[name] if name in found else float(value) for name, value in values.items()}

    def _tell(self, step: int, new: int, in_a_row: int, faults: list[float], is_last: bool) -> None:
        self.skipped += new
        self._counts[0] = 0
        self._any_faults.zero_()
        kinds = [(what, name) for name in self._names for what in ("loss", "gradient")]
        what, name = next(kind for kind, fault in zip(kinds, faults, strict=True) if fault)
        problem = f"the {what} of the {name} is not finite"
        count = "step" if new == 1 else f"{new} steps"
        logger.warning("step %d: %s; %s skipped (%d so far)", step, problem, count, self.skipped)
        if is_last and self.skipped >= step:
            raise OndesError(
                f"{problem}, in all of the {step} steps: nothing was learned; look for extreme values in the data"
            )
        if in_a_row > self.options.max_skipped_steps:
            raise OndesError(
                f"step {step}: {problem}, as in the {in_a_row - 1} steps before; lower "
                "optimizer.learning_rate or set trainer.max_gradient_norm, and resume"
            )


def split_batch(batch: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Divide a batch into ``count`` batches of equal size; what has no items, such as a pre-roll, is in all of them."""
    if count == 1:
        return [dict(batch)]
    size = len(batch["audio"])

    def part(value: Any, number: int) -> Any:
        has_items = value.ndim > 0 if isinstance(value, Tensor) else isinstance(value, list)
        return value[number * size // count : (number + 1) * size // count] if has_items else value

    return [{key: part(value, number) for key, value in batch.items()} for number in range(count)]

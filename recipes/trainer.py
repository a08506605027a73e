"""The trainer: steps, precision, processes and checkpoints, independent of family and task."""

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, KwargsHandler
from torch import Tensor, nn

from recipes.accelerate_settings import with_accelerate_settings
from recipes.activation_checkpoints import checkpoint_blocks
from recipes.agreement import Agreement, Decision
from recipes.averaging import MovingAverage
from recipes.build import build_generator, build_objective, build_optimizer, start_generator
from recipes.checkpoint import load_initial_state, load_latest_checkpoint, save_checkpoint
from recipes.compiled_parts import compile_part
from recipes.config import TrainConfig
from recipes.data.dataset import move_batch
from recipes.data.workers import BatchLoader
from recipes.launcher import join_processes, read_launch
from recipes.machine import check_gpus, choose_threads, describe_run, set_backends
from recipes.progress import gauge
from recipes.resuming import all_settings, check_changes, check_processes, describe_corpus, load_optimizer
from recipes.schedule import Plateau, learning_rate_factor
from recipes.stopping import STOPPED_FILE, StopRequest
from recipes.tasks import Validator
from recipes.trackers import check_trackers
from recipes.training_log import TrainingLog
from recipes.updates import Updates, split_batch
from vocoders.core.atomic import atomic_file
from vocoders.core.errors import CheckpointError, ConfigError, OndesError
from vocoders.core.pretrained import PretrainedModel

__all__ = ["Trainer"]

logger = logging.getLogger(__name__)


class Trainer:
    """One training run in one folder.

    The folder contains ``config.yaml``, ``metrics.jsonl``, ``checkpoints/``, ``best.pt`` (of the best validation),
    ``tensorboard/``, ``valid/`` and ``report.html``.

    Args:
        config: configuration of the run.
        folder: folder for its results.
        resume: continue from the latest checkpoint in ``folder``; without it, a folder with checkpoints is refused.
        initial: start from the weights of this checkpoint, run or model, at step 0 with fresh optimisers.
        gpus: GPUs that the processes on this machine must have; 0 uses the CPU, ``None`` a GPU if there is one.

    Raises:
        ConfigError: if ``folder`` contains a run and ``resume`` is false, the objective tunes a trained model and there
            is none, there are too few GPUs, or the launcher's environment is invalid.
        CheckpointError: if a checkpoint does not fit, or a change of the configuration could not take effect.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        resume: bool = False,
        initial: str | Path | None = None,
        gpus: int | None = None,
    ) -> None:
        options = with_accelerate_settings(config.trainer)
        self.config, self.folder = config.model_copy(update={"trainer": options}), folder
        check_gpus(gpus)
        check_trackers(options.trackers)
        # Windows are equal in all processes, running statistics are kept per process. Broadcasting would overwrite
        # tensors that the backward pass of a module called twice still needs.
        handlers: list[KwargsHandler] = [DistributedDataParallelKwargs(broadcast_buffers=False)]
        launch = read_launch()
        meeting = join_processes(launch)
        # Without a GPU and this flag, accelerate treats each process of torchrun as a separate main process.
        on_gpu = torch.accelerator.is_available() and gpus != 0
        cpu = gpus == 0 or (launch is not None and not on_gpu)
        choose_threads(options.num_threads, launch, on_gpu)
        set_backends(options)
        self.accelerator = Accelerator(
            cpu=cpu, mixed_precision=options.precision, kwargs_handlers=handlers, dynamo_backend="no"
        )
        index, count = self.accelerator.process_index, self.accelerator.num_processes
        self.agreement = Agreement(index, count, meeting, launch.attempt if launch is not None else "0")
        torch.manual_seed(options.seed)
        self.step = 0
        skipped = 0
        self._saved = -1
        self._owes_validation = False
        self._corpus: str | None = None
        self._validator: Validator | None = None
        self.stop = StopRequest()
        self.plateau = Plateau(config.scheduler) if config.scheduler.name == "plateau" else None
        if self.plateau is not None and config.data.valid is None:
            raise ConfigError("scheduler 'plateau' needs validations; set data.valid, or another scheduler.name")
        if options.best_metric is not None and config.data.valid is None:
            raise ConfigError("trainer.best_metric needs validations; set data.valid, or leave it out")

        state, fresh = self._find_state(resume, initial)
        self._resumed = state is not None and not fresh
        generator = build_generator(config)
        config.task.prepare(generator)
        objective = build_objective(config, generator)
        modules = {"generator": generator, **objective.parts()}
        if options.channels_last:
            for module in modules.values():
                module.to(memory_format=torch.channels_last)
        self.optimizers = {name: build_optimizer(config.optimizer, module) for name, module in modules.items()}
        decay = options.ema_decay
        self.ema = MovingAverage(generator, decay) if decay else None
        # After the copy of the average, whose blocks would be those of the generator.
        if options.checkpoint_activations:
            logger.info("activations of %d blocks are computed twice", checkpoint_blocks(generator))
        if state is not None:
            self._restore(state, generator, modules, fresh)
            skipped = 0 if fresh else state.get("skipped_steps", 0)

        self.objective = objective.to(self.accelerator.device)
        if self.ema is not None:
            self.ema.to(self.accelerator.device)
        if options.compile:
            for name, module in modules.items():
                compile_part(name, module)
        self.parts = {name: self.accelerator.prepare(module) for name, module in modules.items()}
        self.optimizers = {name: self.accelerator.prepare(item) for name, item in self.optimizers.items()}
        self.updates = Updates(self.parts, self.optimizers, self.accelerator, options, skipped)

    @property
    def skipped_steps(self) -> int:
        """Number of steps skipped because numbers were not finite, as of the last report."""
        return self.updates.skipped

    @property
    def generator(self) -> nn.Module:
        """The generator for validation and packing: the moving average if there is one."""
        return self.ema.module if self.ema is not None else self.accelerator.unwrap_model(self.parts["generator"])

    def run(self) -> None:
        """Train until ``max_steps`` or until a signal to stop, and write a checkpoint at the end.

        Raises:
            DataError: if an item cannot be read or a loader process dies, in this process.
            OndesError: if another process fails.
            KeyboardInterrupt: after the checkpoint, if Ctrl-C interrupted the run.
            TrainingStopped: after the checkpoint, if another signal did.
        """
        options, accelerator = self.config.trainer, self.accelerator
        loader = self.config.task.loader(self.step, accelerator.process_index, accelerator.num_processes)
        (self.folder / STOPPED_FILE).unlink(missing_ok=True)
        self._check_corpus(loader)
        self._validator = self.config.task.validator(self.objective, self.folder)
        log = None
        if accelerator.is_main_process:
            directions = None if self._validator is None else self._validator.values
            log = TrainingLog(self.config, directions, self.folder, self.step, self._resumed)
            for line in describe_run(self.config, accelerator, self.parts, loader):
                logger.info(line)
        # Without a terminal, log lines show the progress.
        is_shown = log is not None and sys.stderr.isatty()
        for part in self.parts.values():
            part.train()
        with (
            self.stop.caught(),
            loader.open() as batches,
            gauge("training", options.max_steps, "steps/s", is_shown, counted=True, start=self.step) as advance,
        ):
            if self._owes_validation:
                self._validate(log)
                self._saved = -1
            while self.step < options.max_steps and (batch := self._next(batches)) is not None:
                values = self._train_step(batch)
                is_last = self.step == options.max_steps
                is_logged = self.step % options.log_every == 0 or is_last
                # On a CPU nothing is waited for.
                if is_logged or accelerator.device.type == "cpu":
                    with self.agreement.watched():
                        numbers = self.updates.report(self.step, values if is_logged else {}, is_last)
                    if log is not None and is_logged:
                        rate = self.optimizers["generator"].param_groups[0]["lr"]
                        log.write(self.step, numbers, self.skipped_steps, rate)
                if self.step % options.valid_every == 0 or is_last:
                    self._validate(log)
                if self.step % options.checkpoint_every == 0:
                    self.save()
                advance(self.step)
            # Here all processes have finished, or agreed to stop.
            if self._saved != self.step:
                self.save()
        if log is not None:
            log.close()
        if self.stop:
            if log is not None and self.stop.name != "SIGINT":
                note = json.dumps({"signal": self.stop.name, "step": self.step})
                with atomic_file(self.folder / STOPPED_FILE) as temporary:
                    temporary.write_text(note + "\n")
            raise self.stop.consequence

    def _next(self, batches: Iterator[Any]) -> Any:
        """Return the batch of the next step, the same step in every process; ``None``: all processes stop.

        Raises:
            DataError: if this process has no batch.
            OndesError: if another process has none, or has ended.
        """
        batch, problem = None, None
        try:
            batch = self.stop.attempt(lambda: next(batches))
        except Exception as error:
            problem = error
        decision = self.agreement.decide(
            Decision.FAIL if problem is not None else Decision.STOP if self.stop else Decision.CONTINUE
        )
        if problem is not None:
            raise problem
        if decision is Decision.FAIL:
            raise OndesError("another process of the run cannot go on; its message says why")
        if decision is Decision.STOP:
            self.stop.follow()
            return None
        return batch

    def save(self) -> None:
        """Write a checkpoint (main process only)."""
        self._saved = self.step
        if not self.accelerator.is_main_process:
            return
        state: dict[str, Any] = {
            **self._origin(),
            "parts": {name: self.accelerator.unwrap_model(part).state_dict() for name, part in self.parts.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": {"cpu": torch.get_rng_state()},
        }
        state["skipped_steps"] = self.skipped_steps
        state["owes_validation"] = self._owes_validation
        state["corpus"], state["num_processes"] = self._corpus, self.accelerator.num_processes
        if self.plateau is not None:
            state["plateau"] = self.plateau.state_dict()
        if torch.cuda.is_available():
            state["rng"]["cuda"] = torch.cuda.get_rng_state()
        if self.ema is not None:
            state["ema"] = self.ema.state_dict()
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        path = save_checkpoint(self.folder / "checkpoints", self.step, state, self.config.trainer.keep_checkpoints)
        logger.info("step %d: wrote %s", self.step, path)

    def _origin(self) -> dict[str, Any]:
        """Return the description of the model in a checkpoint."""
        return {"family": self.config.family, "config": self.config.to_dict()}

    def _train_step(self, batch: Mapping[str, Any]) -> dict[str, Tensor | float]:
        batch = self.config.task.complete(move_batch(batch, self.accelerator.device))
        factor = learning_rate_factor(self.config.scheduler, self.step, self.config.trainer.max_steps)
        if self.plateau is not None:
            factor *= self.plateau.factor
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.config.optimizer.learning_rate * group.get("rate", 1.0) * factor
        log: dict[str, Tensor | float] = {}
        batches = split_batch(batch, self.config.trainer.accumulate)
        for number, part in enumerate(batches):
            self.updates.begin(number, len(batches))
            with self.updates.waiting(), self.accelerator.autocast(), self.agreement.watched():
                log = self.objective.training_step(self.parts, part, self.step, self.updates.update)
        self.updates.end()
        if self.ema is not None:
            self.ema.update_parameters(self.accelerator.unwrap_model(self.parts["generator"]))
        self.step += 1
        return log

    def _validate(self, log: TrainingLog | None) -> None:
        """Validate, each process a share; a signal to any process ends it, and the resumed run makes up for it."""
        if self._validator is None:
            return
        validator, started = self._validator, time.monotonic()
        board = None if log is None else log.board
        rank, world_size = self.agreement.rank, self.agreement.num_processes

        def check() -> None:
            self.stop.check()
            self.agreement.check()

        found = self.stop.attempt(lambda: validator.measure(self.generator, self.step, board, rank, world_size, check))
        if self.stop:
            self.agreement.tell_to_stop()
        findings = [share for share in self.agreement.gather(found) if share is not None]
        self._owes_validation = len(findings) < world_size
        if self._owes_validation:
            logger.warning("step %d: the validation was interrupted; the resumed run begins with it", self.step)
            return
        values = validator.combine(findings, self.step)
        if self.plateau is not None:
            self.plateau.update(values.get(self.config.task.value_names[0], float("nan")))
        if log is not None:
            log.write_validation(self.step, values, self._validated_state, time.monotonic() - started)

    def _validated_state(self) -> dict[str, Any]:
        """Return the weights for validation and packing, without training state."""
        return {**self._origin(), "parts": {"generator": self.generator.state_dict()}}

    def _check_corpus(self, loader: BatchLoader) -> None:
        """Tell when the training set is not the one of the checkpoint."""
        before, self._corpus = self._corpus, describe_corpus(loader.dataset.reader.utterances)
        if before not in (None, self._corpus):
            text = "the training set was %s and is %s: from now on other batches follow"
            logger.warning(text, before, self._corpus)

    def _find_state(self, resume: bool, initial: str | Path | None) -> tuple[dict[str, Any] | None, bool]:
        """Return the initial checkpoint, and whether only its weights are used."""
        latest = load_latest_checkpoint(self.folder / "checkpoints")
        if latest is not None and not resume:
            raise ConfigError(f"{self.folder} holds a run at step {latest['step']}; pass --resume or another folder")
        if latest is not None:
            return latest, False
        if initial is not None:
            return load_initial_state(initial), True
        if self.config.task.objective.needs_initial:
            name = self.config.objective["name"]
            raise ConfigError(f"objective '{name}' tunes a trained model; pass --init CHECKPOINT")
        return None, False

    def _restore(
        self, state: Mapping[str, Any], generator: PretrainedModel, modules: Mapping[str, nn.Module], fresh: bool
    ) -> None:
        if state["family"] != self.config.family:
            raise CheckpointError(f"checkpoint of family '{state['family']}'; expected '{self.config.family}'")
        try:
            if fresh:
                start_generator(self.config, generator, state)
                return
            changes = check_changes(all_settings(state["config"]), all_settings(self.config.to_dict()))
            for name, module in modules.items():
                module.load_state_dict(state["parts"][name])
                load_optimizer(self.optimizers[name], state["optimizers"][name])
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"])
        except (KeyError, RuntimeError) as error:
            # torch names only the class in the first line, and the first tensor that does not fit in the second.
            missing = isinstance(error, KeyError)
            problem = f"it has no {error}" if missing else str(error).splitlines()[:2][-1].strip()
            raise CheckpointError(f"the checkpoint does not fit this run: {problem}") from None
        if "scaler" in state and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["rng"]["cpu"])
        if "cuda" in state["rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["rng"]["cuda"])
        self.step = self._saved = state["step"]
        if self.plateau is not None and "plateau" in state:
            self.plateau.load_state_dict(state["plateau"])
        self._corpus, self._owes_validation = state.get("corpus"), state.get("owes_validation", False)
        now = self.accelerator.num_processes
        changes += check_processes(self.config.data, state.get("num_processes", now), now)
        logger.info("resumed at step %d", self.step)
        if changes:
            logger.warning("changed since the checkpoint, from now on: %s", ", ".join(changes))

"""The sections of a training configuration that all kinds of training share."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from vocoders.core.config import Config

__all__ = ["OptimizerConfig", "SchedulerConfig", "TrainerConfig"]


class OptimizerConfig(Config):
    """AdamW.

    Attributes:
        learning_rate: of all parameters without a separate rate, at the height of the schedule.
        betas: decay of the running averages of gradient and square.
        weight_decay: decoupled, as in AdamW.
        eps: added to the denominator.
        system_learning_rate: for the state-space parameters (step sizes, A, B) that a model names in
            ``system_parameters()``, without weight decay. ``None``: they are treated like all parameters.
        decay_biases: whether weight decay also acts on biases and on the parameters of norms.
        fused: one kernel for all parameters, which also decides on the device whether a step is taken.
    """

    other_names: ClassVar = {
        "learning_rate": ("lr", "base_lr", "max_lr", "peak_lr"),
        "betas": ("beta", "beta1", "beta2", "adam_betas", "adam_beta1", "adam_beta2", "momentum"),
        "weight_decay": ("wd", "l2", "l2_regularization"),
        "eps": ("epsilon", "adam_eps", "adam_epsilon"),
    }

    learning_rate: float = Field(default=2e-4, gt=0)
    betas: tuple[float, float] = (0.8, 0.9)
    weight_decay: float = Field(default=0.0, ge=0)
    eps: float = Field(default=1e-8, gt=0)
    system_learning_rate: float | None = Field(default=None, gt=0)
    decay_biases: bool = True
    fused: bool = True


class SchedulerConfig(Config):
    """Schedule of the learning rate: a factor that depends on the step.

    Attributes:
        name: ``cosine`` falls until ``max_steps``, ``exponential`` by ``decay`` every 1000 steps, ``plateau`` by
            ``decay`` when the loss of a validation, the first of its task's ``value_names``, has not improved
            for ``patience`` validations, ``one_cycle`` rises as a cosine and falls as another until ``max_steps``
            (SignalTrain, with ``final`` 1/1500), or ``constant``.
        warmup_steps: steps of a linear rise from zero.
        decay: factor of ``exponential`` and ``plateau``.
        patience: validations without improvement before ``plateau`` decays.
        final: last factor of ``cosine`` and ``one_cycle``.
        initial: first factor of ``one_cycle``.
        rise: fraction of the steps in which ``one_cycle`` rises.
    """

    other_names: ClassVar = {
        "name": ("type", "lr_scheduler_type", "lr_scheduler_name"),
        "warmup_steps": ("warmup", "warm_up", "warmup_iters", "warmup_ratio", "num_warmup_steps", "lr_warmup"),
        "decay": ("gamma", "lr_decay", "lr_gamma"),
        "final": ("min_lr", "lr_min", "eta_min", "final_lr"),
    }

    name: Literal["cosine", "exponential", "plateau", "one_cycle", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    decay: float = Field(default=0.999, gt=0, le=1)
    patience: int = Field(default=20, ge=0)
    final: float = Field(default=0.0, ge=0, le=1)
    initial: float = Field(default=1 / 15, ge=0, le=1)
    rise: float = Field(default=0.3, ge=0, le=1)


class TrainerConfig(Config):
    """Steps, precision and intervals of a run.

    Attributes:
        max_steps: number of updates. Runs are measured in steps: N epochs of a corpus are N times its items, divided by
            the batch size.
        seed: seed of all random numbers.
        precision: ``no`` (float32), ``bf16`` or ``fp16``.
        max_gradient_norm: maximum total norm of gradients, which are clipped above it; ``None``: no clipping.
        ema_decay: decay of the exponential moving average of the generator; ``None``: no average.
        log_every: steps between log lines.
        valid_every: steps between validations.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: number of latest checkpoints to keep, in addition to the best one.
        best_metric: validation value that determines the best checkpoint, by its name in the log, such as
            ``valid/loss`` or ``metric/pesq``. ``None``: ``valid/mel_l1`` for a model that synthesises audio from
            features, else ``valid/loss``. Each value defines whether higher, lower or nearer to zero is better.
        valid_metrics: metrics of ``ondes evaluate`` on the synthesised utterances of validations (at most
            ``valid_utterances``) or on the renderings of an effect (``effect.valid_items``), logged as
            ``metric/NAME``.
        valid_utterances: maximum number of validated utterances (or pieces of them), evenly spread over the set;
            ``None``: 20 for a model that synthesises them from features, else all.
        max_skipped_steps: maximum number of consecutive steps skipped because a loss or a gradient is not finite.
        valid_clips: number of validation utterances whose audio and spectrograms are stored.
        trackers: where scalars go besides ``metrics.jsonl``: ``tensorboard`` (audio and pictures too), ``wandb``
            (offline, if the environment does not say otherwise: WANDB_MODE, WANDB_PROJECT) and ``mlflow`` (in the
            folder of the run, or at MLFLOW_TRACKING_URI). The latter two need the extra ``trackers``.
        num_threads: CPU threads of torch; ``None``: ``OMP_NUM_THREADS``, or a share of the cores.
        accumulate: parts into which a batch is divided to save memory; the gradient is that of the whole batch.
        checkpoint_activations: keep no activations of the generator's blocks, but compute them again: less memory for
            large networks, about a third more time.
        compile: run the networks through torch.compile; one that it cannot compile, or whose output it changes, is left
            as it is, and the log says so.
        channels_last: memory layout of two-dimensional convolutions that tensor cores prefer.
        matmul_precision: ``highest`` multiplies matrices in float32, ``high`` in TF32, as in torch.
        cudnn_tf32: whether convolutions on a GPU use TF32, as is torch's default.
        cudnn_benchmark: let cuDNN try its algorithms and take the fastest; results may differ from run to run.
    """

    other_names: ClassVar = {
        "max_steps": (
            *("steps", "num_steps", "n_steps", "train_steps", "num_train_steps", "total_steps", "train_max_steps"),
            *("epochs", "epoch", "num_epochs", "n_epochs", "max_epochs", "max_epoch", "num_train_epochs"),
            *("iterations", "iters", "num_iterations", "max_iterations", "max_iters", "updates", "num_updates"),
        ),
        "seed": ("random_seed", "manual_seed"),
        "precision": ("fp16", "bf16", "amp", "use_amp", "mixed_precision", "dtype"),
        "max_gradient_norm": (
            *("grad_clip", "clip_grad", "clip_grad_norm", "gradient_clip", "gradient_clip_val", "gradient_clipping"),
            *("clip", "grad_norm", "max_grad_norm", "generator_grad_norm"),
        ),
        "ema_decay": ("ema", "use_ema", "moving_average"),
        "log_every": ("log_interval", "log_steps", "logging_steps", "log_every_n_steps", "log_interval_steps"),
        "valid_every": (
            *("eval_every", "eval_steps", "eval_interval", "eval_interval_steps", "evaluation_strategy"),
            *("val_every", "val_interval", "validate_every", "validation_interval", "val_check_interval"),
        ),
        "checkpoint_every": (
            *("save_every", "save_steps", "save_interval", "save_interval_steps", "save_strategy"),
            *("checkpoint_interval", "ckpt_every", "ckpt_interval", "every_n_train_steps"),
        ),
        "keep_checkpoints": ("save_total_limit", "max_checkpoints", "keep_ckpts", "keep_nbest_models", "save_top_k"),
        "best_metric": ("monitor", "metric_for_best_model", "best_model_criterion"),
        "valid_metrics": ("metric", "eval_metrics"),
        "trackers": ("logger", "loggers", "report_to", "tensorboard", "wandb", "mlflow", "tracker"),
        "num_threads": ("threads", "cpu_threads", "omp_num_threads"),
        "accumulate": (
            *("gradient_accumulation_steps", "gradient_accumulation", "accumulate_grad_batches", "accum_grad"),
            *("grad_accum", "grad_accumulation_steps", "accumulation_steps"),
        ),
        "checkpoint_activations": ("gradient_checkpointing", "activation_checkpointing", "grad_checkpointing"),
        "compile": ("torch_compile", "compile_model"),
        "matmul_precision": ("tf32", "allow_tf32"),
        "cudnn_benchmark": ("benchmark", "cudnn"),
    }

    max_steps: int = Field(default=1_000_000, gt=0)
    seed: int = 0
    precision: Literal["no", "bf16", "fp16"] = "no"
    max_gradient_norm: float | None = Field(default=10.0, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    log_every: int = Field(default=100, gt=0)
    valid_every: int = Field(default=2000, gt=0)
    checkpoint_every: int = Field(default=10_000, gt=0)
    keep_checkpoints: int = Field(default=3, gt=0)
    best_metric: str | None = None
    valid_metrics: tuple[str, ...] = ()
    valid_utterances: int | None = Field(default=None, gt=0)
    max_skipped_steps: int = Field(default=10, ge=0)
    valid_clips: int = Field(default=4, ge=0)
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    num_threads: int | None = Field(default=None, gt=0)
    accumulate: int = Field(default=1, gt=0)
    checkpoint_activations: bool = False
    compile: bool = False
    channels_last: bool = False
    matmul_precision: Literal["highest", "high", "medium"] = "highest"
    cudnn_tf32: bool = True
    cudnn_benchmark: bool = False

    @field_validator("precision", mode="before")
    @classmethod
    def _read_no(cls, value: object) -> object:
        return "no" if value is False else value  # YAML reads a bare no as false

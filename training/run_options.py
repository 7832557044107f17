"""Options of a run that do not depend on its model."""

import dataclasses

import fields
from data.options import BITS, GRAY, PIXELS
from errors import UserError
from fields import field
from models import REGISTRY
from storage.paths import one_path
from training.step_range import step_range


@fields.options()
class RunOptions:
    """Options that do not depend on the model."""

    model: str = field("", "model to train: " + ", ".join(REGISTRY), group="run")
    dataset: str = field(
        "MNIST",
        "MNIST (embedded), FASHION_MNIST, CIFAR10 or another image set of TensorFlow Datasets by "
        "its name, a folder of images (flat, or one sub-folder per class), or an .npz file",
        group="data",
        convert=one_path,
    )
    data_dir: str = field(
        "",
        "directory of TensorFlow Datasets; default: TFDS_DATA_DIR",
        group="data",
        convert=one_path,
        may_change=True,
    )
    image_size: int | None = field(
        None, "side of the resized images in pixels (antialiased)", group="data", at_least=4
    )
    gray: str = GRAY
    bits: int | None = BITS
    max_image_pixels: int = PIXELS
    train_images: int | None = field(
        None, "number of training images, chosen at random by the seed; default: all",
        group="data", at_least=1,
    )  # fmt: skip
    flip: bool = field(
        False, "mirror each training image left to right with probability 1/2", group="data"
    )
    outdir: str = field(
        "", "run directory; default: runs/<model>-<dataset>", group="run", convert=one_path,
        may_change=True,
    )  # fmt: skip
    copy_to: str = field(
        "",
        "existing folder, such as a mounted drive: after each checkpoint the run is copied in the "
        "background to a folder there that has the name of the run directory, and a later step is "
        "copied back at the start; default: no copy",
        group="run",
        convert=one_path,
        may_change=True,
    )
    resume: str = field(
        "auto",
        "auto: resume if there is a checkpoint; must: error if there is none; never: error if "
        "there is one",
        group="run",
        choices=("auto", "never", "must"),
        may_change=True,
    )
    steps: int | None = field(
        None,
        "last step, counted from the start of the run; replaces epochs",
        group="training",
        at_least=1,
        may_change=True,
    )
    seed: int = field(
        0, "seed of the weights, the order of images and all random draws", group="training",
        at_least=0, at_most=2**31 - 1,
    )  # fmt: skip
    sample_every: int | None = field(
        None, "steps between two sample grids; default: one epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    sample_planes: bool = field(
        False,
        "also write planes/ with each sample grid: images over the first two latent dimensions, "
        "from -1 to 1 and, for a normal prior, from -3 to 3",
        group="outputs",
        may_change=True,
    )
    checkpoint_every: int | None = field(
        None, "steps between two checkpoints; default: one epoch", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    keep_checkpoints: int = field(
        3, "number of checkpoints to keep; older ones are deleted", group="outputs", at_least=1,
        may_change=True,
    )  # fmt: skip
    keep_every: int | None = field(
        None, "keep a checkpoint for good every this many steps, for --step of evaluate.py and "
        "generate.py; default: none", group="outputs", at_least=1, may_change=True,
    )  # fmt: skip
    checkpoint_minutes: float = field(
        10.0, "write a checkpoint as well when the last one is older than this", group="outputs",
        above=0, may_change=True,
    )  # fmt: skip
    log_every: int = field(
        50, "steps between two records of metrics.jsonl; each is the mean over these steps",
        group="outputs", at_least=1, may_change=True,
    )  # fmt: skip
    eval_every: int | None = field(
        None, "steps between two evaluations; default: no evaluation", group="evaluation",
        at_least=1, may_change=True,
    )  # fmt: skip
    eval_metrics: str = field(
        "",
        "metrics of these evaluations, separated by commas (evaluate.py --help=all lists them); "
        "default: the Fréchet distance",
        group="evaluation",
        may_change=True,
        commas=True,
    )
    eval_features: str = field(
        "auto", "feature network of these evaluations; see features of evaluate.py",
        group="evaluation", may_change=True,
    )  # fmt: skip
    eval_samples: int = field(
        1000, "number of samples per evaluation; its time is proportional to it",
        group="evaluation", at_least=2, may_change=True,
    )  # fmt: skip
    profile_steps: str = field(
        "", "A,B: profile the steps A to B for TensorBoard; default: no profile", group="speed",
        may_change=True, commas=True,
    )  # fmt: skip
    jit: str = field(
        "auto",
        "compile the train step with XLA; auto: only with a GPU or TPU",
        group="speed",
        choices=("auto", "on", "off"),
        may_change=True,
    )
    steps_per_execution: int = field(
        1,
        "steps between two returns to Python, which saves time if a step takes a few milliseconds; "
        "the *_every options must be multiples of it",
        group="speed",
        at_least=1,
        may_change=True,
    )
    distribute: str = field(
        "off",
        "divide each batch among replicas; mirrored: the GPUs of this machine; multi_worker: "
        "several machines, each of which runs the same command with its TF_CONFIG",
        group="speed",
        choices=("off", "mirrored", "multi_worker"),
        may_change=True,
    )
    replicas: int | None = field(
        None,
        "number of GPUs of mirrored; default: all. Without a GPU, the CPU is divided into as many "
        "devices, for tests",
        group="speed",
        at_least=2,
        may_change=True,
    )
    sync_batch_norm: bool = field(
        True,
        "batch norm has the statistics of the global batch, not of a replica's images",
        group="speed",
        may_change=True,
    )
    worker_timeout: float = field(
        60.0,
        "seconds until the other workers of multi_worker end if one is silent or missing",
        group="speed",
        above=0,
        may_change=True,
    )
    deterministic: bool = field(
        False,
        "only operations whose result does not depend on the order of threads, without XLA: on a "
        "GPU a resumed run is exact with it only, and slower",
        group="speed",
    )
    mixed_precision: str = field(
        "off",
        "16-bit arithmetic with 32-bit weights: bfloat16 for recent CPUs and GPUs, float16 with a "
        "loss scale for older GPUs such as the T4",
        group="speed",
        choices=("off", "bfloat16", "float16"),
    )

    def __post_init__(self):
        fields.check(self)
        if self.deterministic and self.jit == "on":
            raise UserError("XLA is not deterministic; jit must be off or auto", "deterministic")
        if self.distribute != "off" and self.jit == "on":
            raise UserError("XLA does not compile a distributed step; use --jit=off", "jit")
        for spec in dataclasses.fields(self):
            every = getattr(self, spec.name) if spec.name.endswith("_every") else None
            steps = self.steps_per_execution
            if every and every % steps:
                raise UserError(
                    f"{every} is not a multiple of steps_per_execution={steps}; "
                    f"{-(-every // steps) * steps} is one",
                    spec.name,
                )
        step_range(self.profile_steps, self.steps, "profile_steps")


# Checked when they are given: config.json of an earlier version may have them without effect.
OF_EVALUATIONS = ("eval_metrics", "eval_features", "eval_samples")
# Option -> values of `distribute` with which it has an effect.
OF_DISTRIBUTION = {
    "replicas": ("mirrored",),
    "worker_timeout": ("multi_worker",),
    "sync_batch_norm": ("mirrored", "multi_worker"),
}

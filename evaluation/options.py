"""Options of evaluate.py and study.py, and their values for published results."""

import dataclasses

from errors import UserError
from evaluation.features import NAMES
from fields import field

# Options of published results.
PUBLISHED = {
    "repeats": 3,
    "num_samples": 10000,
    "likelihood_samples": 200,
    "seed": 0,
    "metrics": "",
    "features": "auto",
    "split": "test",
}


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """Options of evaluate.py and study.py: metrics, features, samples, seeds and output."""

    metrics: str = field(
        "",
        "metrics to measure, separated by commas (evaluate.py --help lists them); default: all",
        group="runs and metrics",
    )
    baselines: bool = field(
        False,
        "also measure training images, blurred training images and uniform noise, as references "
        "for the values of samples",
        group="runs and metrics",
    )
    features: str = field(
        "auto",
        f"feature network: {', '.join(NAMES)}, or the path of a .keras file; auto: digits for "
        "MNIST, else inception if its weights are in the cache, else efficientnet_lite0",
        group="protocol",
    )
    num_samples: int = field(10000, "number of samples", group="protocol", at_least=2)
    likelihood_samples: int = field(
        200,
        "number of latent samples per real image, for the bounds of its log likelihood",
        group="protocol",
        at_least=1,
    )
    split: str = field(
        "test",
        "split of the reference images; always train if the data set has no test images",
        group="protocol",
        choices=("test", "train"),
    )
    seed: int = field(0, "evaluation seed", group="protocol", at_least=0, at_most=2**31 - 1)
    repeats: int = field(
        1,
        "number of evaluation seeds: seed, seed + 1, ...; tables show the median and the range",
        group="protocol",
        at_least=1,
    )
    data_dir: str = field(
        "",
        "directory of TensorFlow Datasets; default: that of the run",
        group="protocol",
    )
    outdir: str = field(
        "runs/comparison",
        "output directory for the comparison of several runs and for the evaluation of --images",
        group="output",
    )
    publish: bool = field(
        False,
        "also add the finished runs to assets/results.json, copy their pictures and the figures of "
        "the comparison to assets/, and update the README's tables",
        group="output",
    )

    def __post_init__(self):
        for name, value in PUBLISHED.items() if self.publish else ():
            if getattr(self, name) != value:
                raise UserError(f"requires {name}={value}", "publish")

    @property
    def seeds(self) -> range:
        """The evaluation seeds."""
        return range(self.seed, self.seed + self.repeats)


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Options of evaluate.py: the runs or images to measure, and `MeasureOptions`."""

    run: str = field("", "run directories, separated by commas", group="runs and metrics")
    images: str = field(
        "",
        "samples to measure instead of a run, uint8 and of the size of the data set's images: a "
        "folder of PNG or JPEG files, or an .npz file with an array images, x, x_train, samples or "
        "arr_0",
        group="runs and metrics",
    )
    dataset: str = field(
        "", "reference data set of images, named as in train.py", group="runs and metrics"
    )
    image_size: int | None = field(
        None,
        "side of the resized images of dataset in pixels, as in train.py",
        group="runs and metrics",
        at_least=4,
    )

    def __post_init__(self):
        super().__post_init__()
        if bool(self.run) == bool(self.images):
            raise UserError("expected either run directories or images=...", "run")
        if bool(self.images) != bool(self.dataset):
            raise UserError("images and dataset must be given together", "dataset")
        if self.image_size and not self.images:
            raise UserError("requires images=...; a run has its own", "image_size")
        if self.images and self.publish:
            raise UserError("only runs can be published, not images", "publish")

"""Options of a measurement, and their values for published results."""

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
        "", "names of metrics (listed below), with commas between; else all", group="what"
    )
    baselines: bool = field(
        False,
        "also measure training images, blurred training images and uniform noise as if they were "
        "samples, to show what the numbers mean",
        group="what",
    )
    features: str = field(
        "auto",
        f"the network that distances are measured in: {', '.join(NAMES)}, or the path of a .keras "
        "file; auto: digits for MNIST, else inception if its weights are there, else "
        "efficientnet_lite0",
        group="how",
    )
    num_samples: int = field(10000, "samples to draw", group="how", at_least=2)
    likelihood_samples: int = field(
        200,
        "draws, by the evaluation seed, of the code of each real image, for the bounds of its "
        "likelihood",
        group="how",
        at_least=1,
    )
    split: str = field(
        "test",
        "the reference images; a data set without test images takes train",
        group="how",
        choices=("test", "train"),
    )
    seed: int = field(0, "evaluation seed", group="how", at_least=0, at_most=2**31 - 1)
    repeats: int = field(
        1,
        "number of evaluation seeds: seed, seed + 1, ...; the table has the median and the range",
        group="how",
        at_least=1,
    )
    data_dir: str = field(
        "",
        "where TensorFlow Datasets keeps its sets, if they have moved",
        group="how",
    )
    outdir: str = field(
        "runs/comparison",
        "where the comparison of several runs, and the evaluation of --images, is written",
        group="output",
    )
    publish: bool = field(
        False,
        "also record the finished runs in assets/results.json, copy their pictures there, and the "
        "figures of several runs by the name of --outdir, and write the README's tables anew",
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

    run: str = field("", "run directories, with commas between", group="what")
    images: str = field(
        "",
        "instead of a run: samples of any program, uint8 images of the size of --dataset: a folder "
        "of PNG or JPEG files, or an .npz file with an array images, x, x_train, samples or arr_0",
        group="what",
    )
    dataset: str = field(
        "", "data set that --images are compared with, as train.py names it", group="what"
    )

    def __post_init__(self):
        super().__post_init__()
        if bool(self.run) == bool(self.images):
            raise UserError("expected either run directories or images to measure", "run")
        if bool(self.images) != bool(self.dataset):
            raise UserError("images and dataset belong together", "dataset")
        if self.images and self.publish:
            raise UserError("only runs are published", "publish")

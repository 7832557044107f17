"""Options of evaluate.py and study.py, and their values for published results."""

import dataclasses
from pathlib import Path
from typing import Any

import fields
from data.options import BITS, GRAY, PIXELS
from errors import UserError
from evaluation.features import NETWORKS
from fields import field
from storage.paths import expanded, one_path, several_paths


@fields.options()
class MeasureOptions:
    """Options of evaluate.py and study.py: metrics, features, samples, seeds and output.

    The protocol hash covers the fields with the fact `protocol`. Published results require their
    defaults, or the values of the fact `published`.
    """

    metrics: str = field(
        "",
        "metrics to measure, separated by commas (evaluate.py --help=all lists them); default: all",
        group="runs and metrics",
        published="",
    )
    baselines: bool = field(
        False,
        "also measure training images, blurred training images and uniform noise, as references "
        "for the values of samples",
        group="runs and metrics",
    )
    # The order of the following fields is part of the protocol hash.
    repeats: int = field(
        1,
        "number of evaluation seeds: seed, seed + 1, ...; tables show the median and the range",
        group="protocol",
        at_least=1,
        protocol=True,
        published=3,
    )
    num_samples: int = field(
        10000, "number of samples", group="protocol", at_least=2, protocol=True
    )
    likelihood_samples: int = field(
        200,
        "number of latent samples per real image, for the bounds of its log likelihood",
        group="protocol",
        at_least=1,
        protocol=True,
    )
    seed: int = field(
        0, "evaluation seed", group="protocol", at_least=0, at_most=2**31 - 1, protocol=True
    )
    features: str = field(
        "auto",
        f"feature network: {', '.join(NETWORKS)}, or the path of a .keras file or of an .npz file "
        "of train_classifier.py; auto: digits for MNIST and other images of digits of its size and "
        "classes, else inception if its weights are in the cache, else efficientnet_lite0",
        group="protocol",
        convert=one_path,
        protocol=True,
    )
    split: str = field(
        "test",
        "split of the reference images; always train if the data set has no test images",
        group="protocol",
        choices=("test", "train"),
        protocol=True,
    )
    data_dir: str = field(
        "",
        "directory of TensorFlow Datasets; default: TFDS_DATA_DIR",
        group="protocol",
        convert=one_path,
    )
    outdir: str = field(
        "",
        "output directory: of the comparison of several runs or with baselines, of the evaluation "
        "of images, and of that of one run; default: runs/comparison, and for one run its own "
        "directory",
        group="output",
        convert=one_path,
    )
    verbose: bool = field(
        False,
        "also print the protocol of each value, the reason of each metric that is n/a, and the "
        "seconds of each stage",
        group="output",
    )
    publish: bool = field(
        False,
        "also add the finished runs to docs/results/results.json, copy the pictures that a page "
        "shows to assets/, and update the tables of the pages; of shipped weights, also add the "
        "metrics to their description and model card",
        group="output",
    )

    def __post_init__(self):
        fields.check(self)
        for name, value in published_values().items() if self.publish else ():
            if getattr(self, name) != value:
                raise UserError(f"requires {name}={value}", "publish")

    @property
    def folder(self) -> Path:
        """Folder of the comparison and of the evaluation of images."""
        return Path(expanded(self.outdir or "runs/comparison", "outdir"))

    @property
    def seeds(self) -> range:
        """The evaluation seeds."""
        return range(self.seed, self.seed + self.repeats)

    @property
    def protocol(self) -> list:
        """Values that the protocol hash covers."""
        return [getattr(self, s.name) for s in dataclasses.fields(self) if "protocol" in s.metadata]


def published_values() -> dict[str, Any]:
    """Return the values of options that published results require, by name."""
    return {
        spec.name: spec.metadata.get("published", spec.default)
        for spec in dataclasses.fields(MeasureOptions)
        if {"protocol", "published"} & set(spec.metadata)
    }


@fields.options()
class EvaluateOptions(MeasureOptions):
    """Options of evaluate.py: the runs or images to measure, and `MeasureOptions`."""

    run: str = field(
        "", "run directories, separated by commas", group="runs and metrics", convert=several_paths
    )
    pretrained: str = field(
        "",
        "names of shipped weights, separated by commas (generate.py --list shows them), or paths "
        "of .safetensors files of training.export, whose description and model card get the "
        "metrics unless outdir is given; outputs are in runs/pretrained/<name>, or in <name>/ "
        "beside the file",
        group="runs and metrics",
        convert=several_paths,
    )
    step: int | None = field(
        None,
        "step of the checkpoint of each run, such as one that keep_every of train.py kept; the "
        "files of an earlier checkpoint are in evaluation-step-<step>/ of the run; default: the "
        "newest one",
        group="runs and metrics",
        at_least=0,
    )
    images: str = field(
        "",
        "samples to measure instead of a run, uint8 and of the size of the data set's images: a "
        "folder of PNG or JPEG files, or an .npz file with an array images, x, x_train, samples or "
        "arr_0",
        group="runs and metrics",
        convert=one_path,
    )
    dataset: str = field(
        "",
        "data set that the files of `images` are compared with, named as in train.py; or the "
        "place of the folder or file that runs or `pretrained` weights were trained on",
        group="runs and metrics",
        convert=one_path,
    )
    image_size: int | None = field(
        None,
        "resize the images of `dataset` to this side in pixels; files of `images` must have this "
        "size",
        group="runs and metrics",
        at_least=4,
    )
    gray: str = GRAY
    bits: int | None = BITS
    max_image_pixels: int = PIXELS

    def __post_init__(self):
        super().__post_init__()
        trained = bool(fields.listed(self.run) or fields.listed(self.pretrained))
        if trained == bool(self.images):
            raise UserError(
                "expected either trained models (--run, --pretrained) or --images", "run"
            )
        if self.images and not self.dataset:
            raise UserError("images and dataset must be given together", "dataset")
        for spec in dataclasses.fields(self):
            reads = spec.name in ("image_size", "gray", "bits", "max_image_pixels")
            if reads and getattr(self, spec.name) != spec.default and not self.images:
                raise UserError("requires --images; a run has its own", spec.name)
        if self.step is not None and (self.images or self.pretrained):
            raise UserError("pretrained weights and images have no checkpoints; omit step", "step")
        if self.step is not None and self.publish:
            raise UserError("requires the newest checkpoint; omit step", "publish")
        if self.images and self.publish:
            raise UserError("only runs can be published, not images", "publish")

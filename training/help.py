"""Help texts of train.py and evaluate.py: the flags that are needed first, and all flags."""

from collections.abc import Sequence

from cli import flags
from evaluation.families import describe as describe_metrics
from evaluation.options import EvaluateOptions
from models import REGISTRY
from training import options

USAGE = """usage: python train.py --model NAME [--flag value ...] [--flagfile FILE]

Trains a model and writes checkpoints, logs and pictures to a run directory. Run the same command to
resume a stopped run. Exit codes: 0 done, 1 not finite, 2 an error, 128 + signal for a stop, such as
130 for Ctrl-C. """
FIRST_TITLE = "First flags, with their defaults in brackets:"
ALL_TITLE = """Flags, with their defaults in brackets, or in parentheses by choice and data
set, where (dcgan: 0, MNIST: 1024) is 0 with --network=dcgan, but 1024 on MNIST:"""
FIRST = (
    "model", "dataset", "epochs", "steps", "batch_size", "noise_dim", "outdir", "seed",
    "eval_every",
)  # fmt: skip
EVALUATE_USAGE = """usage: python evaluate.py --run DIR[,DIR ...] [--flag value ...]
       python evaluate.py --pretrained NAME[,NAME ...] [--flag value ...]
       python evaluate.py --images FOLDER_OR_NPZ --dataset NAME [--flag value ...]

Draws samples from the last checkpoint of each run, compares them with real images, prints a table,
and writes evaluation.json and neighbours.png to each run directory. Earlier metrics of the same
checkpoint in evaluation.json are kept. Several runs are compared in tables and a figure. --images
measures image files instead of a run. """
EVALUATE_ALL_TITLE = "Flags, with their defaults in brackets:"
FIRST_OF_EVALUATE = (
    "run", "metrics", "features", "num_samples", "repeats", "baselines", "outdir", "publish",
    "verbose",
)  # fmt: skip
METRICS = "Metrics, where <features> is the name of the feature network:"


def help_text(argv: Sequence[str]) -> str:
    """Return the help text of a command line of train.py; with --model, of that model.

    Raises:
        UserError: there is no such model, or a value is invalid.
    """
    known = [argument for argument in argv if argument not in flags.HELP]
    classes = options.option_classes(known)
    of_model = " ".join(["python train.py", *known, "--help=all"])
    any_model = "a model: python train.py --model NAME --help=all"
    if flags.wants_all(argv):
        more = "" if len(classes) > 1 else f"\n\nFlags of {any_model}"
        return f"{USAGE}{ALL_TITLE}\n\n{flags.describe(*classes)}{more}\n\n{flags.ENDING}"
    lines = [described for name in FIRST if (described := _described(name, classes))]
    more = [] if len(classes) > 1 else [f"All flags of {any_model}"]
    ending = [f"All flags: {of_model}", *more, flags.ENDING]
    return "\n".join([f"{USAGE}{FIRST_TITLE}", "", *lines, "", *ending])


def evaluation_help(argv: Sequence[str]) -> str:
    """Return the help text of a command line of evaluate.py; all flags are with the metrics."""
    if flags.wants_all(argv):
        every = [flags.describe(EvaluateOptions), METRICS, describe_metrics(), flags.ENDING]
        return "\n\n".join([f"{EVALUATE_USAGE}{EVALUATE_ALL_TITLE}", *every])
    specs = [EvaluateOptions.__dataclass_fields__[name] for name in FIRST_OF_EVALUATE]
    more = "All flags, and the metrics with their meaning: python evaluate.py --help=all"
    lines = map(flags.describe_flag, specs)
    return "\n".join([f"{EVALUATE_USAGE}{FIRST_TITLE}", "", *lines, "", more, flags.ENDING])


def _described(name: str, classes: Sequence[type]) -> str:
    """Return the help text of a flag; empty for one that a given model does not have.

    Without a model, a default that differs between models is "by model".
    """
    of_models = () if len(classes) > 1 else [m.hyperparameters for m in REGISTRY.values()]
    specs = [
        cls.__dataclass_fields__[name] for cls in (*classes, *of_models) if options.has(cls, name)
    ]
    if not specs:
        return ""
    defaults = {(spec.default, *spec.metadata["by_dataset"].items()) for spec in specs}
    return flags.describe_flag(specs[0], "by model" if len(defaults) > 1 else None)

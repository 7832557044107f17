"""Package of the weights of a run: python -m training.export RUN --to DIR.

    python -m training.export runs/infogan-mnist --to packages --name infogan_mnist

Writes NAME.safetensors (the networks for sampling, encoding and predicting codes, in float16),
NAME.json (how they were trained), NAME.md (a model card) and index.json with the hashes of all
packages in the folder. Flags, with their defaults in brackets:
"""

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import fields
from cli import flags
from errors import UserError
from evaluation.reports.packages import write_card
from fields import field
from storage import packages
from storage.paths import expanded, one_path, require_writable
from storage.run_directory import RunDirectory
from training import options as training_options
from training.publishing import published_record, training_record
from waiting import waiting

NUM_SAMPLES = 4  # in the package, to be compared with
PLACES = ("outdir", "data_dir", "copy_to")  # options without meaning on another machine


@fields.options()
class ExportOptions:
    """Options of the export."""

    run: str = field(
        "", "run directory; as the first argument also without --run", group="export",
        convert=one_path,
    )  # fmt: skip
    to: str = field("", "folder of the package", group="export", convert=one_path)
    name: str = field("", "name of the package; default: that of the run directory", group="export")
    step: int | None = field(
        None, "step of the checkpoint; default: the newest one", group="export", at_least=0
    )
    licence: str = field("", "licence of the weights, for the description", group="export")

    def __post_init__(self):
        fields.check(self)
        for name in ("run", "to"):
            if not getattr(self, name):
                raise UserError("expected a directory", name)
        if not packages.NAME.fullmatch(self.package):
            raise UserError(
                "expected letters, digits, _, - and dots, with a letter or digit first, got "
                f"{self.package}",
                "name",
            )

    @property
    def package(self) -> str:
        """Name of the package."""
        return self.name or Path(self.run).resolve().name


def export(options: ExportOptions) -> packages.Package:
    """Write the package of a run; return it.

    Raises:
        UserError: there is no run, it has no such checkpoint, a weight is beyond float16, or the
            folder cannot be written.
    """
    run = RunDirectory(options.run)
    run.require_trained(options.step)
    folder = Path(expanded(options.to, "to"))
    require_writable(folder, "to")
    if (there := folder / f"{options.package}{packages.DESCRIPTION}").exists():
        raise UserError(f"{there} exists; choose another name, or delete it", "name")
    with waiting("loading TensorFlow"):
        import plotting
        from models import pretrained
        from training import loading

    with waiting(f"loading {run.label}"):
        _, _, model = loading.load_run(options.run, options.step)
    with waiting("writing the package"):
        tensors = pretrained.tensors_of(model)
        pretrained.assign(model, tensors)  # the samples are those of the rounded weights
        tensors[pretrained.SAMPLES] = plotting.to_uint8(model.sample(NUM_SAMPLES))
        described = about(run, int(model.step)) | {"licence": options.licence}
        package = packages.write(folder, options.package, tensors, described)
        write_card(package)
    return package


def about(run: RunDirectory, step: int) -> dict:
    """Return the description of the weights of a run at a step, without paths of the machine."""
    saved = run.read_config()
    trained, command = training_record(run, step), ""
    try:
        whole = published_record(run)
        if step == whole["steps"]:
            trained = whole
            command = f"python train.py --flagfile={whole['flagfile']} --seed={whole['seed']}"
    except UserError:  # not finished, or trained with further flags
        pass
    if not command:
        command = run.parsed_config(lambda content: without_paths(content["commands"][0]))
        trained["flagfile"] = ""
    options = {
        spec.name: portable(spec, saved["options"][spec.name])
        for spec in dataclasses.fields(training_options.RunOptions)
        if spec.name in saved["options"]
    }
    return {
        **saved, "options": options, "commands": [command], "trained": trained, "metrics": {},
    }  # fmt: skip


def portable(spec: dataclasses.Field, value):
    """Return the value of an option for another machine: no absolute path but a name of data."""
    if spec.name in PLACES:
        return spec.default
    if not isinstance(value, str) or not os.path.isabs(value):
        return value
    return Path(value).name if spec.name == "dataset" else spec.default


def without_paths(command: str) -> str:
    """Return a command without flags that have an absolute path in their value.

    Raises:
        ValueError: a quotation mark is not closed.
    """
    kept: list[str] = []
    for word in shlex.split(command):
        value = word.partition("=")[2] if word.startswith("--") else word
        if not any(os.path.isabs(part.strip()) for part in value.split(",")):
            kept.append(word)
        elif not word.startswith("--") and kept and kept[-1].startswith("--"):
            kept.pop()
    return shlex.join(kept)


def main(argv: Sequence[str]) -> int:
    """Run the command line `argv`; return the exit code."""
    if flags.wants_help(argv):
        print(__doc__.strip(), "", flags.describe(ExportOptions), "", flags.ENDING, sep="\n")
        return 0
    first = [f"--run={word}" for word in argv[:1] if not word.startswith("-")]
    given = flags.given(argv[len(first) :], ExportOptions)
    if first and "run" in given:
        raise UserError("given twice", "run")
    print(export(ExportOptions(**flags.given(first, ExportOptions), **given)).tensors)
    return 0


if __name__ == "__main__":
    if code := flags.run_script(main):
        sys.exit(code)

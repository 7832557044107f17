"""Reports about packages of trained weights: their table, and the model card of one."""

from collections.abc import Sequence
from typing import Any

from evaluation.record import require_metrics
from evaluation.reports.pages import HEADLINES
from evaluation.reports.tables import cell, table
from models import REGISTRY
from storage import packages
from storage.files import write_atomically
from storage.packages import CARD, TENSORS, Package
from storage.saved_config import require_types

TEMPLATE = """# {name}

Weights of `{model}` ({paper}), trained on {data}: {count:,} images of {shape}.

{facts}

The hyperparameters are in {name}.json. The file has the networks for sampling, encoding and
predicting codes (the EMA of the weights where the model has one). Without optimizers, a training
cannot continue from it.

## Use

```bash
python generate.py --pretrained {path}
python evaluate.py --pretrained {path}
```

```python
import models

model = models.load_pretrained("{path}")
images = model.sample(64)  # float32 in [-1, 1]
```

## Results

{results}
"""
UNMEASURED = (
    "`python evaluate.py --pretrained {path}` measures the weights, and writes the results here."
)


# Protocol entries that a card shows, with the headers of their columns.
PROTOCOL = {"n_fake": "samples", "n_test": "test images", "split": "split", "features": "features"}


def protocol_cell(value: Any) -> str:
    """Return a protocol entry as text for a table."""
    return "" if value is None else cell(value)


def described(package: Package) -> dict:
    """Return the description of a package.

    Raises:
        UserError: it is missing or cannot be read.
    """
    about = {**package.read_config(), "data": package.read_data()}
    try:
        require_types(about["data"], {"train_images": int})
        require_metrics(about["metrics"])
        if about["options"]["model"] not in REGISTRY:
            raise ValueError(f"no such model: {about['options']['model']}")
    except (TypeError, ValueError) as error:
        raise package.unreadable(error) from None
    return about


def packages_table(listed: Sequence[Package]) -> str:
    """Return a table of packages: name, model, data, size and headline metric."""
    rows = [
        [
            package.name,
            about["options"]["model"],
            about["data"]["name"],
            megabytes(about["bytes"]),
            headline_of(about),
        ]
        for package in listed
        for about in [described(package)]
    ]
    if not rows:
        return "there are no shipped weights"
    return table(["name", "model", "data", "size", "result"], rows)


def headline_of(about: dict) -> str:
    """Return the headline metric of a package's model with its value.

    Falls back to a Fréchet distance, such as on other data; n/a without both.
    """
    _, headline = HEADLINES[about["options"]["model"]]
    distances = (name for name in about["metrics"] if name.startswith(("fid", "fd_")))
    for name in (headline, *distances):
        if about["metrics"].get(name, {"value": None})["value"] is not None:
            return f"{name} {cell(about['metrics'][name])}"
    return "n/a"


def megabytes(size: int) -> str:
    """Return a number of bytes as text."""
    return f"{size / 1e6:.1f} MB"


def write_card(package: Package) -> None:
    """Write the model card of a package beside its description."""
    shipped = package.config.parent == packages.SHIPPED
    path = package.name if shipped else f"{package.name}{TENSORS}"
    write_atomically(package.config.with_suffix(CARD), card(described(package), path))


def card(about: dict, path: str) -> str:
    """Return the model card of a package in Markdown.

    Args:
        about: the description.
        path: name or path by which the package is used.
    """
    data, trained = about["data"], about["trained"]
    model = REGISTRY[about["options"]["model"]]
    facts = {
        "training": f"`{about['commands'][0]}`",
        "steps": f"{trained['steps']:,} ({trained['kimg']:,.0f} thousand images)",
        "time": f"{trained['wall_minutes']:,.0f} minutes on {trained['machine']}",
        "code": trained["commit"] or "unknown",
        "data": f"fingerprint `{data['fingerprint']}`",
        "weights": f"{megabytes(about['bytes'])}, float16, SHA-256 `{about['sha256']}`",
        "licence": about["licence"] or "not specified",
    }
    rows = [
        [name, cell(entry), *(protocol_cell(entry["protocol"].get(key)) for key in PROTOCOL)]
        for name, entry in about["metrics"].items()
        if entry["value"] is not None
    ]
    return TEMPLATE.format(
        name=about["name"],
        path=path,
        model=model.name,
        paper=model.paper,
        data=data["name"],
        count=data["train_images"],
        shape=" x ".join(map(str, data["image_shape"])),
        facts=table(["fact", "value"], [list(item) for item in facts.items()]),
        results=table(["metric", "value", *PROTOCOL.values()], rows)
        if rows
        else UNMEASURED.format(path=path),
    )

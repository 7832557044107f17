"""Tables of layers in the pages of docs/: python -m docs.layers.

A block begins with a mark that names a flagfile of configs/; its content is generated from the
untrained model:

    <!-- layers: wgan_gp_mnist -->
    <!-- end of layers -->
"""

import functools
import math
import os
import re
import sys
from collections.abc import Iterator

from data import known
from errors import UserError
from evaluation.reports.pages import ROOT, flagfile_link, pages
from evaluation.reports.tables import table
from models import schedules
from storage.files import write_atomically
from training import options

BLOCK = re.compile(
    r"^(<!-- layers: (\w+) -->\n).*?^(<!-- end of layers -->)", re.DOTALL | re.MULTILINE
)


def flagfiles(text: str) -> list[str]:
    """Return the names of the flagfiles of the blocks of a page, without folder and ending."""
    return [match[2] for match in BLOCK.finditer(text)]


def fill(text: str, folder: os.PathLike = ROOT) -> str:
    """Return the text of a page in a folder with its tables of layers generated.

    Raises:
        UserError: a flagfile is missing or invalid, or the data set is not one of `data.KNOWN`.
    """
    return BLOCK.sub(lambda m: f"{m[1]}\n{tables(m[2], folder)}\n\n{m[3]}", text)


def tables(name: str, folder: os.PathLike) -> str:
    """Return the tables of a flagfile's model: of its layers, and of its players."""
    layers, players = content(name)
    link = flagfile_link(f"configs/{name}.txt", folder)
    header = ["network", "layer", "output shape", "parameters"]
    return "\n\n".join([f"Layers of {link}:", table(header, layers), table(*players)])


@functools.cache
def content(name: str) -> tuple[list[list], tuple[list[str], list[list]]]:
    """Return the rows of the table of layers, and header and rows of the table of players."""
    config = options.parse([f"--flagfile={ROOT / 'configs' / name}.txt"])
    images = known(config.options.dataset)
    if not images:
        raise UserError(f"{name}: the shape of {config.options.dataset} is not known", "flagfile")
    from training import loading  # imports TensorFlow

    config = config.for_images(images.image_shape)
    model = loading.build_model(config, images.image_shape, images.num_classes)
    return list(rows_of_layers(model)), table_of_players(model)


def rows_of_layers(model) -> Iterator[list]:
    """Yield network, layer, output shape and parameters; a network is named in its first row."""
    from docs.layer_rows import rows_of

    names = {id(network): name for name, network in model.networks().items()}
    for player in model.players().values():
        for network in player.networks:
            name = names[id(network)].replace("_", " ")
            for row in rows_of(network):
                yield [name, row.text, "x".join(map(str, row.shape)), row.parameters]
                name = ""


def table_of_players(model) -> tuple[list[str], list[list]]:
    """Return header and rows of the table: parameters, optimizer and learning rate by player."""
    rows = [row_of_player(model, name, player) for name, player in model.players().items()]
    header = [
        "player", "parameters", "optimizer", "learning rate", "schedule", "beta_1", "beta_2",
        "updates per step",
    ]  # fmt: skip
    if model.hp.n_critic == 1:
        header, rows = header[:-1], [row[:-1] for row in rows]
    return header, rows


def row_of_player(model, name: str, player) -> list:
    """Return the row of a player in the table of players."""
    optimizer = model.make_optimizer(player)
    adam = hasattr(optimizer, "beta_1")
    rate, schedule = f"{getattr(model.hp, player.learning_rate):g}", "constant"
    if parts := schedules.parsed(model.hp.schedule).get(player.learning_rate):
        rate = ", ".join(f"{part.first:g} to {part.last:g}" for part in parts)
        schedule = ", ".join(map(shape_of, parts))
    return [
        name.replace("_", " "),
        sum(math.prod(variable.shape) for variable in player.variables),
        "Adam" if adam else type(optimizer).__name__,
        rate,
        schedule,
        f"{optimizer.beta_1:g}" if adam else "none",
        f"{optimizer.beta_2 if adam else optimizer.rho:g}",
        model.hp.n_critic if player.side == "discriminator" else 1,
    ]


def shape_of(schedule: schedules.Schedule) -> str:
    """Return the shape of a schedule, and the share of the training in which it changes."""
    if (schedule.start, schedule.end) == (0.0, 1.0):
        return schedule.shape
    return f"{schedule.shape} between {schedule.start:.0%} and {schedule.end:.0%} of the training"


def write() -> None:
    """Update the tables of all pages."""
    for page in pages():
        text = page.read_text("utf-8")
        if (filled := fill(text, page.parent)) != text:
            write_atomically(page, filled)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit("usage: python -m docs.layers (it takes no arguments)")
    write()

"""Diagrams of the models: docs/models/diagrams/<name>.svg."""

from pathlib import Path

from docs.diagrams import adversarial, encoders, styled
from docs.diagrams.drawing import svg

FOLDER = Path(__file__).resolve().parents[1] / "models" / "diagrams"
DIAGRAMS = [*adversarial.DIAGRAMS, *encoders.DIAGRAMS, *styled.DIAGRAMS]


def pictures() -> dict[Path, str]:
    """Return the SVG of each diagram by its file."""
    return {FOLDER / f"{diagram.name}.svg": svg(diagram) for diagram in DIAGRAMS}

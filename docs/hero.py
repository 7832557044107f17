"""Picture at the top of the README, from published samples: python -m docs.hero."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ASSETS = Path(__file__).resolve().parents[1] / "assets"
PANEL, GAP, CAPTION = 466, 16, 60  # pixels
PANELS = {
    "DCGAN": ("dcgan_mnist-seed0/samples.png", "left"),
    "InfoGAN: a category per row": ("infogan_mnist-seed1/samples.png", "left"),
    "WGAN-GP on CIFAR-10": ("study_wgan_gp_cifar10-seed0/samples.png", "whole"),
    "BigBiGAN: reconstructions": (
        "bigbigan_mnist_reconstruction-seed0/reconstructions.png",
        "right",
    ),
}


def panel(file: Path, part: str) -> Image.Image:
    """Return a square part of a sheet of images: `whole`, resized, or its `left` or `right`."""
    sheet = Image.open(file).convert("RGB")
    if part == "whole":
        return sheet.resize((PANEL, PANEL), Image.Resampling.LANCZOS)
    x = sheet.width - PANEL if part == "right" else 0
    return sheet.crop((x, 0, x + PANEL, PANEL))


def hero() -> Image.Image:
    """Return the panels side by side, each above its caption."""
    width = len(PANELS) * (PANEL + GAP) - GAP
    picture = Image.new("RGB", (width, PANEL + CAPTION), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(34)
    for k, (caption, (file, part)) in enumerate(PANELS.items()):
        x = k * (PANEL + GAP)
        picture.paste(panel(ASSETS / file, part), (x, 0))
        centre = (x + PANEL // 2, PANEL + CAPTION // 2)
        draw.text(centre, caption, "#444444", font, anchor="mm")
    return picture


if __name__ == "__main__":
    hero().quantize(256, kmeans=1).save(ASSETS / "hero.png", optimize=True)

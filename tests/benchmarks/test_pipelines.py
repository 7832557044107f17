"""Pipelines of the comparison, on few files and steps."""

import pytest

from benchmarks.compare import pipelines, products, stages

pytestmark = pytest.mark.usefixtures("cache")


def test_folder_is_decoded_once_then_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "DISTINCT", 3)
    stages.make_folder(tmp_path / "images", 10)
    assert len(list((tmp_path / "images").glob("*.png"))) == 10
    built = pipelines.folder(str(tmp_path / "images"), batch_size=4)
    built.run(3)
    assert built.images == 4
    assert list(built.parts) == ["first load", "load from the cache"]
    assert min(built.parts.values()) > 0


def test_pipeline_of_the_embedded_images_has_batches():
    built = pipelines.alone(batch_size=32)
    built.run(2)
    assert built.images == 32
    assert not built.parts


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_product_counts_its_multiplications(precision):
    built = products.tensorflow(4, precision)
    built.run(2)
    assert built.multiplications == 64

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """An empty cache for each test."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GAN_ZOO_CACHE", str(directory))
    return directory

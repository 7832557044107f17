"""Cache directory of files that can be recreated: decoded data sets, weights, statistics."""

import contextlib
import os
import pathlib

from errors import UserError
from storage.paths import expanded

# Folders in the cache. Beside them are the decoded images, a folder per data set.
FILES, STATISTICS, CLASSIFIERS = "files", "statistics", "classifiers"
FEATURES, WEIGHTS = "features", "weights"
STATISTICS_FORMAT = 1  # version of the statistics of features; raise it when they change


def cache_directory() -> pathlib.Path:
    """Return $GAN_ZOO_CACHE, or else gan-zoo in $XDG_CACHE_HOME or ~/.cache.

    Raises:
        UserError: the home directory is unknown.
    """
    chosen = os.environ.get("GAN_ZOO_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return pathlib.Path(expanded(chosen or os.path.join(base, "gan-zoo")))
    except UserError as error:
        raise UserError(f"cache directory {error} in GAN_ZOO_CACHE") from None


def mark_used(path: pathlib.Path) -> None:
    """Set the time of a file in the cache to now, where it can be written: it has been used."""
    with contextlib.suppress(OSError, NotImplementedError):
        os.utime(path, follow_symlinks=False)

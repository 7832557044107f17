"""Cache directory of files that can be recreated: decoded data sets, weights, statistics."""

import os
import pathlib


def cache_directory() -> pathlib.Path:
    """Return $GAN_ZOO_CACHE, or else gan-zoo in $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("GAN_ZOO_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(chosen or os.path.join(base, "gan-zoo")).expanduser()

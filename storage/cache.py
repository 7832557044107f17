"""Cache directory of files that can be recreated: decoded data sets, weights, statistics."""

import os
import pathlib

from errors import UserError
from storage.paths import expanded


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

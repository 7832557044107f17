"""Errors of the machine, such as a full disk, told apart from errors of the code.

TensorFlow is not imported: its errors are recognised by the names of their classes.
"""

import errno
import os
import re
from collections.abc import Sequence

DISK_FULL, NO_PERMISSION, OUT_OF_MEMORY = "disk full", "no permission", "out of memory"

KINDS = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: DISK_FULL,
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
    errno.EROFS: NO_PERMISSION,
    errno.ENOMEM: OUT_OF_MEMORY,
}
# Parts of the messages of libraries, in lower case, by the kind of the failure.
WORDS = {
    DISK_FULL: ("no space left", "quota exceeded", "file too large", "disk full"),
    NO_PERMISSION: ("permission denied", "read-only file system", "operation not permitted"),
    OUT_OF_MEMORY: (
        "oom when allocating",
        "out of memory",
        "failed to allocate",
        "cannot allocate memory",
        "unable to allocate",
        "bad_alloc",
    ),
}
TOO_LARGE = (
    "array is too big",
    "maximum allowed dimension exceeded",
    "too many elements",
    "would have more than",
    "integer multiply overflow",
    "multiplication overflow",
    "encountered overflow",
    "dimension too large",
    "exceeds the limit",
    "out-of-range integer",
    "dimension -",
)
# Errors of TensorFlow for which the code is never the reason.
OF_THE_MACHINE = {
    "ResourceExhaustedError",
    "PermissionDeniedError",
    "UnavailableError",
    "DataLossError",
}
# Errors of TensorFlow that the code may cause as well, such as a missing variable: they are errors
# of the machine if their message names a file or a folder.
OF_FILES = {
    "NotFoundError",
    "AlreadyExistsError",
    "FailedPreconditionError",
    "UnknownError",
}
PATH = re.compile(r"[^\s;:,'\"()\[\]]*/[^\s;:,'\"()\[\]]+")
# A temporary file or folder of `storage.files` in a path, and what is below it.
TEMPORARY = re.compile(r"/\.[0-9a-f]{8}\.tmp\.[^\s;:,'\"]*")
# Names of nodes and devices in messages of TensorFlow.
NODES = re.compile(r"\{\{function_node [^}]*\}\} | on /job:\S+( by allocator \S+)?|\[Op:\w+\].*")
ADVICE = {
    DISK_FULL: "free some space and run the same command again",
    NO_PERMISSION: "choose a directory that can be written",
    OUT_OF_MEMORY: "use smaller networks, images or batches",
}


def explained(error: BaseException, argv: Sequence[str] = (), *, advice: bool = True) -> str | None:
    """Return one line about an error of the machine; None for an error of the code.

    Args:
        error: any error except UserError.
        argv: command line, with the paths that the user has given.
        advice: whether to add what the user can do.

    Returns:
        The kind of the failure (disk full, no permission, out of memory, or too large a number)
        with the first line of the error, or the error itself for other errors of the system.
    """
    reason = first_line(error)
    if isinstance(error, OSError):
        kind = KINDS.get(error.errno) or kind_of(reason)
    elif isinstance(error, MemoryError):
        kind = OUT_OF_MEMORY
    elif isinstance(error, RecursionError):
        return f"nested too deeply: {reason}; use a smaller depth"
    elif isinstance(error, OverflowError) or is_too_large(error, reason):
        return f"a number is too large: {reason}"
    elif names(error) & {"OpError", "RuntimeError"}:
        kind = kind_of(reason)
        if not kind and "OpError" in names(error):
            of_files = names(error) & OF_FILES and names_a_path(reason, argv)
            return reason if of_files or names(error) & OF_THE_MACHINE else None
        if not kind:
            return None
    else:
        return None
    if not kind:
        return reason
    return f"{kind}: {reason}" + f"; {ADVICE[kind]}" * advice


def kind_of(reason: str) -> str:
    """Return the kind of failure that a message describes, or an empty string."""
    lower = reason.lower()
    return next((kind for kind, words in WORDS.items() if any(w in lower for w in words)), "")


def names_a_path(reason: str, argv: Sequence[str]) -> bool:
    """Return whether a message names a path that exists, or one of the command line."""
    given = (argument.partition("=")[2] or argument for argument in argv)
    return any(map(os.path.exists, PATH.findall(reason))) or any(
        os.sep in path and os.path.expanduser(path) in reason for path in given
    )


def is_too_large(error: BaseException, reason: str) -> bool:
    """Return whether an array or a tensor would have too many elements."""
    known = isinstance(error, ValueError) or "OpError" in names(error)
    return known and any(words in reason.lower() for words in TOO_LARGE)


def names(error: BaseException) -> set[str]:
    """Return the names of the classes of an error."""
    return {cls.__name__ for cls in type(error).__mro__}


def first_line(error: BaseException) -> str:
    """Return the first line of a message that is not empty, or the name of the error.

    A temporary file, which the user does not know, is replaced by its folder.
    """
    text = NODES.sub("", str(getattr(error, "message", None) or error))
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        text = f"{error.filename}: {error.strerror}"
    text = TEMPORARY.sub("", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__

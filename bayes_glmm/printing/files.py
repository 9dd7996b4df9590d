"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Buffer
from pathlib import Path
from typing import Any

from bayes_glmm.arguments import in_words
from bayes_glmm.errors import GLMMError


def checked_path(path: Any, example: str) -> str:
    """Check an argument that names a file.

    Parameters
    ----------
    path
        What the user gave.
    example
        A name such as could be given.

    Returns
    -------
    str
        The path.

    Raises
    ------
    GLMMError
        If it is no path.
    """
    if not isinstance(path, str | os.PathLike) or not str(path):
        raise GLMMError(f"path must name a file, such as {example!r}, not {in_words(path)}.")
    return os.fsdecode(path)


def checked_target(path: Any, example: str) -> Path:
    """Check the name of a file that is to be written.

    Parameters
    ----------
    path
        What the user gave.
    example
        A name such as could be given.

    Returns
    -------
    pathlib.Path
        The file, links followed.

    Raises
    ------
    GLMMError
        If it is no path, or a folder, or its folder is missing.
    """
    target = Path(os.path.realpath(checked_path(path, example)))
    if target.is_dir():
        raise GLMMError(f"{target} is a folder; give the name of a file in it.")
    if not target.parent.is_dir():
        raise GLMMError(f"There is no folder {target.parent}; make it first.")
    return target


def write_whole(path: Path, *parts: Buffer) -> None:
    """Write a file in one step: whenever the machine stops there is the old file or the new one.

    Parameters
    ----------
    path
        Where to; a file that is there is replaced when the new one is on the disk.
    *parts
        The bytes of the file.

    Raises
    ------
    OSError
        If the disk refuses; the old file stays, and nothing is left of the new one.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("xb") as stream:
            for content in parts:
                stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    _flush_names(path.parent)


def _flush_names(folder: Path) -> None:
    """Have a folder's list of names written to the disk, where the system lets one."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

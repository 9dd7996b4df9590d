"""A seal at the end of a file: the checksum of everything before it. A file without one was cut off.

HDF5 does not look behind its own end, so a sealed netCDF file is read as any other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Buffer
from pathlib import Path

from bayes_glmm.errors import GLMMError
from bayes_glmm.printing.files import write_whole

__all__ = ["check_seal", "write_sealed"]

_SEAL = re.compile(rb"\nbayes_glmm sha256 ([0-9a-f]{64})\n")
_LENGTH = len(b"\nbayes_glmm sha256 \n") + 64


def write_sealed(content: Buffer, path: Path) -> None:
    """Write a file and its seal, in one step: whenever the machine stops there is the old file or the new one.

    Parameters
    ----------
    content
        The bytes of the file.
    path
        Where to; a file that is there is replaced when the new one is on the disk.

    Raises
    ------
    OSError
        If the disk refuses; the old file stays, and nothing is left of the new one.
    """
    write_whole(path, content, f"\nbayes_glmm sha256 {hashlib.sha256(content).hexdigest()}\n".encode())


def check_seal(path: Path) -> None:
    """Compare a file with its seal.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    GLMMError
        If there is no such file, it has no seal, or it was changed after it was sealed.
    """
    if not path.exists():
        raise GLMMError(f"There is no file {path}.")
    if not path.is_file():
        raise GLMMError(f"{path} is not a file; saved fits are single files.")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(0, size - _LENGTH))
            found = _SEAL.fullmatch(stream.read())
        if found is None:
            what = "It is empty." if not size else "It was cut off, or another program wrote it."
            raise GLMMError(f"{path} does not end as a fit that this package saved. {what}")
        digest = _digest(path, size - _LENGTH)
    except OSError as error:
        raise GLMMError(f"{path} cannot be read: {error.strerror or error}.") from error
    if digest != found[1].decode():
        raise GLMMError(f"{path} was changed after it was saved: its checksum does not fit. Save the fit again.")


def _digest(path: Path, size: int) -> str:
    key = hashlib.sha256()
    with path.open("rb") as stream:
        while size > 0 and (chunk := stream.read(min(size, 1 << 20))):
            key.update(chunk)
            size -= len(chunk)
    return key.hexdigest()
